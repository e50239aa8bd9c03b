"""A table that another run is making at the same moment: waited for, and refused only where it stays that way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from pyspark.sql.types import StringType

from hub_core.codes import FileError
from hub_core.model import SchemaDrift
from hub_core.sql import Row, Value
from spark_jobs import destination
from spark_jobs.destination import Destination, Refused
from tests.unit.test_loader_pure_parts import EngineError


@dataclass
class Catalog:
    """Spark and its SQL, where a table's place is occupied for so many attempts at making it."""

    occupied: int
    attempts: list[str] = field(default_factory=list)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        assert statement.startswith("CREATE TABLE IF NOT EXISTS")
        self.attempts.append(statement)
        if len(self.attempts) <= self.occupied:
            raise EngineError("DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION", "42601")
        return 0

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        raise AssertionError(statement)

    def table(self, name: str) -> SimpleNamespace:
        if len(self.attempts) <= self.occupied:
            raise EngineError("TABLE_OR_VIEW_NOT_FOUND", "42P01")
        fields = [SimpleNamespace(name=name, dataType=StringType()) for name in ("a", "_batch_id")]
        return SimpleNamespace(schema=SimpleNamespace(fields=fields))


def fitted(catalog: Catalog) -> Mapping[str, tuple[str, str]]:
    return Destination(catalog, catalog, "c.s.t").fit({"a": "string"}, SchemaDrift.ADD).targets


def test_a_table_that_is_there_in_the_end_is_used() -> None:
    catalog = Catalog(occupied=2)
    assert fitted(catalog) == {"a": ("a", "string")}
    assert len(catalog.attempts) == 3


def test_a_place_that_stays_occupied_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "MAKING_SECONDS", 0.5)
    with pytest.raises(Refused) as refused:
        fitted(Catalog(occupied=100))
    assert refused.value.problem.code is FileError.DESTINATION
    assert "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION" in refused.value.problem.message
