"""Files in storage as Spark lists them: the `Landing` of a notebook, wherever Spark itself may read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.model import SourceFile
from spark_jobs.failures import main_condition
from spark_jobs.spark_paths import literal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MISSING = "PATH_NOT_FOUND"


class SparkLanding:
    """`Landing` by Spark's own listing, which leaves out what begins with `_` or `.` and knows no eTags.

    Works with every kind of compute, since it needs neither the JVM nor `dbutils`: it reads the names, sizes and times
    of the source `binaryFile`, at a HEAD for each file, spread over the cluster.
    https://spark.apache.org/docs/latest/sql-data-sources-binaryFile.html
    """

    def __init__(self, spark: "SparkSession") -> None:
        self._spark = spark

    def list(self, folder: str, skip: Callable[[str], bool] | None = None) -> Iterator[SourceFile]:
        """See `Landing.list`; a folder that does not exist is empty."""
        for file in self._files(folder):
            if skip is None or not any(map(skip, _folders(file.path, folder))):
                yield file

    def head(self, path: str) -> SourceFile | None:
        """See `Landing.head`."""
        return next(self._files(path), None)

    def _files(self, path: str) -> Iterator[SourceFile]:
        reader = self._spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        try:
            rows = (
                reader.load(literal(path))
                .select("path", "length", F.unix_seconds("modificationTime").alias("modified"))
                .collect()
            )
        except AnalysisException as error:
            if main_condition(error) != _MISSING:
                raise
            return
        for row in rows:
            yield SourceFile(row["path"], row["length"], datetime.fromtimestamp(row["modified"], UTC))


def _folders(path: str, top: str) -> Iterator[str]:
    """The folders below `top` on the way to `path`, each ending in `/`."""
    end = path.find("/", len(top))
    while end != -1:
        yield path[: end + 1]
        end = path.find("/", end + 1)
