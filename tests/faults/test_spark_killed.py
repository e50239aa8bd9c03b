"""Spark that is killed in the middle of a load: the run ends and says why, its claims wait, and the next run loads."""

import time

import pytest

from local_stack.stack import Stack
from tests.faults.conftest import Loaders, ended, session
from tests.faults.deliveries import KINDS, assert_loaded_once, land
from tests.faults.loader_process import Report
from tests.lake import Lake

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("part", [0.0, 0.4, 0.8])
def test_a_run_that_loses_spark_fails_with_its_claims_open_and_the_next_one_loads_each_file_once(
    part: float, report: Report, lake: Lake, loaders: Loaders, parts: Stack
) -> None:
    with session(parts) as before:
        lake.connect(before)
        landed = land(lake, KINDS)
        batch = lake.claim(*[one.feed for one in landed])
    step = 1 + int(part * len(report.steps))
    run = loaders.start(batch, "--step", str(step), "--later", "0.1", "--victim", str(parts.pid("spark")))
    # The server's end is the loader's doing: nothing else tells when it has come so far.
    while run.poll() is None and parts.runs("spark"):
        time.sleep(0.1)
    assert not parts.runs("spark")
    with session(parts) as after:
        _, complaints = ended(run, 1)
        assert "its open claims wait for the next one" in complaints
        lake.connect(after)
        assert lake.tracker.claimed(batch)
        ended(loaders.start_job(batch), 0)
        assert_loaded_once(lake, batch, landed)
