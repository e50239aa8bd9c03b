"""One lake for all tests of the loader."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import lake as lakes
from tests.lake import Lake


@pytest.fixture(scope="session")
def lake(parts: Any, spark: Any) -> Iterator[Lake]:
    with lakes.open_lake(parts, spark) as lake:
        yield lake


@pytest.fixture(scope="session")
def next_second() -> Callable[[], None]:
    """Wait until a file written now has another modification time than one written before."""
    return lakes.next_second
