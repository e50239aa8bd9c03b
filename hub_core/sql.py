"""What the core needs of a SQL engine. Apart from the other ports, so that the loader imports no load's model."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

type Value = str | int | float | bool | datetime | None
type Row = Mapping[str, object]


def changed_rows(answer: Sequence[Row]) -> int:
    """How many rows a DML has changed, by its answer as Spark and Databricks give it; 0 where it does not say."""
    counted = answer[0].get("num_affected_rows") if answer else None
    return counted if isinstance(counted, int) else 0


class Sql(Protocol):
    """A SQL engine that holds the hub's tables: the warehouse, or Spark. Parameters are named (`:name`)."""

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        """The rows of a SELECT, as mappings by column name; timestamps are aware of their zone."""
        ...

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        """Run a statement that is safe to run twice; concurrent modification is tried again inside.

        The number of rows that it changed, for DML; 0 for what counts none.
        """
        ...
