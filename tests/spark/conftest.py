"""One lake for all tests of the loader."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local_stack.stack import Stack
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


@pytest.fixture
def session(parts: Stack, lake: Lake) -> Iterator[Callable[[], Any]]:
    """Makes a Spark session that is neither the test's nor another load's."""
    from pyspark.sql.connect.session import SparkSession

    made: list[Any] = []

    def make() -> Any:
        made.append(SparkSession.builder.remote(parts.spark_remote).create())
        return made[-1]

    yield make
    for one in made:
        one.stop()
