"""Spark sessions beside those of runs: for tests and benchmarks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_KEPT: "list[SparkSession]" = []


def connect(remote: str) -> "SparkSession":
    """A session of its own on the Spark server at `remote` (`sc://…`), for the caller to stop.

    It is kept for as long as the process lives. pyspark (4.1) closes a session that Python collects, in whichever
    thread the collector happens to run, and waits for its own release threads there: where that is one of them, in the
    middle of a gRPC call, it waits for ever, and so does every session that asks for something afterwards.
    """
    from pyspark.sql.connect.session import SparkSession

    _KEPT.append(SparkSession.builder.remote(remote).create())
    return _KEPT[-1]
