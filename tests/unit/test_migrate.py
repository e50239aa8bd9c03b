"""`migrate`: the hub's tables, made again and again without harm, with columns that later versions brought."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

import pytest

from hub_core.bootstrap import migrate_with
from hub_core.errors import Broken
from hub_core.sql import Row, Value
from hub_core.statements import TABLES


class Database:
    """Tables that know their columns; whatever else is asked of it is refused.

    Without `may_make_schemas` it refuses CREATE SCHEMA of a schema that is there too, as Unity Catalog does.
    """

    def __init__(self, *, may_make_schemas: bool = True) -> None:
        self.may_make_schemas = may_make_schemas
        self.schemas: set[str] = set()
        self.tables: dict[str, list[str]] = {}
        self.ran: list[str] = []

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        assert not parameters
        self.ran.append(statement)
        if match := re.fullmatch(r"CREATE SCHEMA IF NOT EXISTS (\S+)", statement):
            if not self.may_make_schemas:
                raise Broken("WAREHOUSE_DENIED", "CREATE SCHEMA is wanted on the catalog")
            self.schemas.add(match[1])
        elif match := re.match(r"CREATE TABLE IF NOT EXISTS (\S+) \(", statement):
            assert match[1].replace("bronze_metadata", "`bronze_metadata`").rsplit(".", 1)[0] in self.schemas
            name = match[1].rsplit(".", 1)[1]
            self.tables.setdefault(name, re.findall(r"^    (\w+) [A-Z]+", statement, re.MULTILINE))
        elif match := re.fullmatch(r"ALTER TABLE (\S+) ADD COLUMNS \((.*)\)", statement):
            assert "NOT NULL" not in match[2]
            self.tables[match[1].rsplit(".", 1)[1].strip("`")].append(match[2].split()[0])
        else:
            raise NotImplementedError(statement)
        return 0

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        if statement == "SHOW SCHEMAS IN `prod` LIKE 'bronze_metadata'":
            return [{"databaseName": "bronze_metadata"}] if "`prod`.`bronze_metadata`" in self.schemas else []
        match = re.fullmatch(r"DESCRIBE TABLE `prod`\.`bronze_metadata`\.`(\w+)`", statement)
        assert match is not None
        columns = [{"col_name": name, "data_type": "string"} for name in self.tables[match[1]]]
        return [*columns, {"col_name": "", "data_type": ""}, {"col_name": "# Clustering", "data_type": ""}]


def test_the_schema_comes_first_and_then_every_table_of_ddl() -> None:
    database = Database()
    ran = migrate_with(database, "prod")
    assert ran == database.ran
    assert ran[0] == "CREATE SCHEMA IF NOT EXISTS `prod`.`bronze_metadata`"
    assert tuple(database.tables) == TABLES
    assert {f"{name}.sql" for name in TABLES} == {
        one.name for one in files("ddl").iterdir() if one.name.endswith(".sql")
    }


def test_again_and_again_does_no_harm() -> None:
    database = Database()
    migrate_with(database, "prod")
    before = {name: list(columns) for name, columns in database.tables.items()}
    assert all("IF NOT EXISTS" in statement for statement in migrate_with(database, "prod"))
    assert database.tables == before


def test_who_may_not_make_schemas_makes_tables_in_one_that_is_there() -> None:
    database = Database(may_make_schemas=False)
    database.schemas.add("`prod`.`bronze_metadata`")
    migrate_with(database, "prod")
    assert tuple(database.tables) == TABLES
    with pytest.raises(Broken, match="CREATE SCHEMA"):
        migrate_with(Database(may_make_schemas=False), "prod")


@pytest.mark.parametrize("column", ["rejected_count", "config_id", "attempt"])
def test_a_column_that_a_later_version_brought_is_added(column: str) -> None:
    database = Database()
    migrate_with(database, "prod")
    database.tables["load_tracker"].remove(column)
    alters = [statement for statement in migrate_with(database, "prod") if statement.startswith("ALTER")]
    assert len(alters) == 1
    assert column in database.tables["load_tracker"]


def test_an_added_column_keeps_its_type_and_comment() -> None:
    database = Database()
    migrate_with(database, "prod")
    database.tables["load_tracker"].remove("file_modified")
    assert migrate_with(database, "prod")[-2] == (
        "ALTER TABLE `prod`.`bronze_metadata`.`load_tracker` ADD COLUMNS "
        "(file_modified TIMESTAMP COMMENT 'whole seconds, UTC')"
    )


def test_names_that_differ_in_case_only_are_one_column() -> None:
    database = Database()
    migrate_with(database, "prod")
    database.tables["quarantine"] = [name.upper() for name in database.tables["quarantine"]]
    assert not any(statement.startswith("ALTER") for statement in migrate_with(database, "prod"))


@pytest.mark.parametrize("catalog", ["", "a.b", "a`b", "prod; DROP SCHEMA x"])
def test_a_catalog_that_is_no_identifier_is_refused_before_anything_runs(catalog: str) -> None:
    database = Database()
    with pytest.raises(Broken):
        migrate_with(database, catalog)
    assert database.ran == []
