"""Two loaders of one batch at once, as a zombie run and its retry are: each file is loaded once, and both end well."""

import time

import pytest

from tests.faults.conftest import Loaders, ended
from tests.faults.deliveries import KINDS, assert_loaded_once, land
from tests.lake import Lake

pytestmark = pytest.mark.stack


ROUNDS = [*enumerate((0, 0, 0, 2), 1)]
"""The second is started so many seconds after the first, which takes some 3 s to begin."""


@pytest.mark.parametrize(("number", "later_seconds"), ROUNDS)
def test_two_loaders_of_one_batch_load_each_file_once(
    number: int, later_seconds: float, lake: Lake, loaders: Loaders
) -> None:
    landed = land(lake, KINDS)
    batch = lake.claim(*[one.feed for one in landed])
    first = loaders.start_job(batch)
    time.sleep(later_seconds)
    second = loaders.start_job(batch)
    for loader in (first, second):
        print(*ended(loader, 0), sep="\n")  # shown where what follows fails
    assert_loaded_once(lake, batch, landed)
