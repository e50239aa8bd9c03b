"""The housekeeping of the hub's own tables, on a stand-in for Spark."""

import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from hub_core.errors import Broken
from hub_core.sql import Value
from hub_core.statements import TABLES
from spark_jobs.maintenance import main, maintain, maintenance

ROOT = Path(__file__).parents[2]


class Frame:
    """A statement's answer: no rows."""

    def collect(self) -> list[object]:
        return []


class Spark:
    """A session that knows the hub's tables, two statements, and which tables are broken."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.ran: list[str] = []

    def sql(self, statement: str, args: Mapping[str, Value] | None = None) -> Frame:
        match = re.fullmatch(r"(OPTIMIZE|VACUUM) `prod`\.`bronze_metadata`\.`(\w+)`", statement)
        if match is None or args:
            raise NotImplementedError(statement)
        if match[2] in self.broken:
            raise RuntimeError(f"{match[2]} is broken")
        self.ran.append(statement)
        return Frame()


class Statements:
    """A SQL engine that takes down what it is given."""

    def __init__(self, spark: Spark) -> None:
        self.spark = spark

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> None:
        self.spark.sql(statement, parameters)

    def query(self, statement: str, parameters: Mapping[str, Value]) -> list[dict[str, object]]:
        raise NotImplementedError(statement)


def test_every_table_that_the_hub_owns_is_kept_small() -> None:
    owned = {one.name.removesuffix(".sql") for one in files("ddl").iterdir() if one.name.endswith(".sql")}
    assert set(TABLES) == owned


def test_a_table_is_optimized_and_then_vacuumed_with_deltas_own_retention() -> None:
    spark = Spark()
    maintain(Statements(spark), "prod", lambda _: None)
    assert spark.ran == [
        f"{verb} `prod`.`bronze_metadata`.`{table}`" for table in TABLES for verb in ("OPTIMIZE", "VACUUM")
    ]


def test_a_broken_table_does_not_keep_the_others_from_their_turn() -> None:
    spark, said = Spark("file_config"), list[str]()
    with pytest.raises(ExceptionGroup) as raised:
        maintain(Statements(spark), "prod", said.append)
    assert [str(error) for error in raised.value.exceptions] == ["file_config is broken"]
    assert len(spark.ran) == 4
    assert said[0] == "file_config: file_config is broken"


@pytest.mark.parametrize("catalog", ["", "a.b", "a`b", "prod; DROP SCHEMA x"])
def test_a_catalog_that_is_no_identifier_is_refused_before_anything_runs(catalog: str) -> None:
    with pytest.raises(Broken):
        maintenance(catalog)


def test_the_entry_point_of_the_wheel_runs_in_the_session_that_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spark = Spark()

    class Builder:
        def getOrCreate(self) -> Spark:  # noqa: N802 — pyspark's name
            return spark

    class SparkSession:
        builder = Builder()

    module = ModuleType("pyspark.sql")
    module.SparkSession = SparkSession  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark.sql", module)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert scripts["hub_maintenance"] == f"{main.__module__}:{main.__name__}"
    main(["--catalog", "prod"])
    assert len(spark.ran) == 6
    assert capsys.readouterr().out.splitlines() == [f"{table}: optimized, vacuumed" for table in TABLES]


def test_the_runbooks_sql_is_what_the_job_runs() -> None:
    [block] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.DOTALL)
    shown = {one.strip() for one in block.split(";") if one.strip()}
    run = {
        statement.replace("`prod`.", "").replace("`", "")
        for statements in maintenance("prod").values()
        for statement in statements
    }
    assert shown == run
