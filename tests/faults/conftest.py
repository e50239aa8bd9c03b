"""A lake for each module, and loaders in processes of their own, since both they and Spark are killed here."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local_stack.stack import Stack
from tests.conftest import session
from tests.faults.deliveries import KINDS, Kind, assert_loaded_once, land
from tests.faults.loader_process import Report
from tests.lake import Lake, open_lake

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spark(parts: Stack) -> Iterator["SparkSession"]:
    """A session of the module's own: none outlives the server that another one kills."""
    with session(parts) as spark:
        yield spark


@pytest.fixture(scope="module")
def lake(parts: Stack, spark: "SparkSession") -> Iterator[Lake]:
    with open_lake(parts, spark) as lake:
        yield lake


class Loaders:
    """Starts loaders; none outlives its module."""

    def __init__(self, remote: str, catalog: str) -> None:
        self._environment = {**os.environ, "SPARK_REMOTE": remote}
        self._catalog = catalog
        self._started: list[subprocess.Popen[str]] = []

    def start(self, batch: str, *options: str) -> subprocess.Popen[str]:
        """A loader that may end itself; see `loader_process`."""
        return self._start("tests.faults.loader_process", batch, self._catalog, *options)

    def start_job(self, batch: str) -> subprocess.Popen[str]:
        """The loader's job, as it is in production."""
        return self._start("spark_jobs.bronze_load", "--batch-id", batch, "--catalog", self._catalog)

    def _start(self, module: str, *options: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            env=self._environment,
            cwd=_PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(started)
        return started

    def end(self) -> None:
        """Kill what still runs."""
        for one in self._started:
            if one.poll() is None:
                one.kill()
            with suppress(ValueError):  # its output has been read
                one.communicate()


@pytest.fixture(scope="module")
def loaders(parts: Stack) -> Iterator[Loaders]:
    loaders = Loaders(parts.spark_remote, parts.catalog)
    try:
        yield loaders
    finally:
        loaders.end()


@pytest.fixture(scope="session")
def report(parts: Stack) -> Report:
    """Of a load of all kinds of deliveries that nobody kills; it too must load each file once."""
    loaders = Loaders(parts.spark_remote, parts.catalog)
    with session(parts) as spark, open_lake(parts, spark) as lake:
        return recorded(lake, loaders, KINDS)


def recorded(lake: Lake, loaders: Loaders, kinds: Sequence[Kind]) -> Report:
    """What a loader does to load these kinds, once each."""
    landed = land(lake, kinds)
    batch = lake.claim(*[one.feed for one in landed])
    output, _ = ended(loaders.start(batch), 0)
    assert_loaded_once(lake, batch, landed)
    return Report.read(output)


def ended(run: subprocess.Popen[str], code: int, seconds: float = 300.0) -> tuple[str, str]:
    """What a loader has said and complained of, once it has ended with that code."""
    output, complaints = run.communicate(timeout=seconds)
    assert run.returncode == code, f"ended with {run.returncode}:\n{output[-2000:]}\n{complaints[-4000:]}"
    return output, complaints
