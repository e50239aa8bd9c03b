"""Spark as a SQL engine: the `Sql` of the hub's tables inside a Databricks run."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from hub_core.conflicts import again_on_conflict
from hub_core.identifiers import quote_column
from hub_core.sql import Row, Value, changed_rows
from spark_jobs.failures import is_conflict

if TYPE_CHECKING:
    from pyspark.sql import Row as SparkRow
    from pyspark.sql import SparkSession

CONFLICT_DEADLINE_SECONDS = 300.0


class SparkSql:
    """Statements with named parameters on one Spark session; tries concurrent modification again until a deadline."""

    def __init__(self, spark: "SparkSession", deadline_seconds: float = CONFLICT_DEADLINE_SECONDS) -> None:
        self._spark = spark
        self._deadline_seconds = deadline_seconds

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        """The statement's rows by column name; timestamps are in UTC. A MERGE answers with its counts."""
        return retrying(lambda: self._collect(statement, parameters), self._deadline_seconds)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        """Run a statement that is safe to run twice; the rows that it changed, for DML."""
        return changed_rows(self.query(statement, parameters))

    def _collect(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        if not parameters:
            frame = self._spark.sql(statement)
        elif is_query(statement):
            # Open-source Delta's parser loses the parameters of a query; EXECUTE IMMEDIATE binds them everywhere.
            frame = self._spark.sql(immediate(statement, parameters))
        else:
            frame = self._spark.sql(statement, args=dict(parameters))
        return _Rows(frame.collect())


class _Rows(Sequence[Row]):
    """Rows by column name, made as they are asked for: those of many claims with their feeds would be large at once."""

    def __init__(self, rows: "Sequence[SparkRow]") -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return _Rows(self._rows[index])
        return {name: _aware(value) for name, value in self._rows[index].asDict().items()}


def is_query(statement: str) -> bool:
    """Whether the statement only reads."""
    return statement.lstrip(" \n(").upper().startswith(("SELECT", "WITH"))


def immediate(statement: str, parameters: Mapping[str, Value]) -> str:
    """`statement` with its parameters bound by name, as one EXECUTE IMMEDIATE; the statement's text is not touched."""
    using = ", ".join(f"{literal(value)} AS {quote_column(name)}" for name, value in parameters.items())
    return f"EXECUTE IMMEDIATE {literal(statement)} USING {using}"


def literal(value: Value) -> str:
    """`value` as a SQL literal: the one place that spells values."""
    if value is None:
        return "CAST(NULL AS STRING)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"TIMESTAMP'{value.astimezone(UTC).isoformat()}'"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value!r}D"
    return "'" + "".join(_ESCAPES.get(char, char) for char in value) + "'"


_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0"}


def retrying[Result](act: Callable[[], Result], deadline_seconds: float = CONFLICT_DEADLINE_SECONDS) -> Result:
    """`act`'s result, as `again_on_conflict` with Spark's own errors."""
    return again_on_conflict(act, is_conflict, deadline_seconds)


def _aware(value: object) -> object:
    # Spark hands out naive datetimes in the client's zone; `astimezone` reads them as such.
    return value.astimezone(UTC) if isinstance(value, datetime) else value
