"""`hubctl config check`, and what `migrate` and `up` take from a local stack: no service, no cloud."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubctl.main import app
from hubctl.stack import environment_of

HEADER = (
    "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
    "dest_catalog,dest_schema,dest_table,is_active\n"
)
GOOD = 'falcon,txn,credit,t_*.csv,abfss://raw@acct.dfs.core.windows.net/falcon/txn/,delimited,",",true,${catalog},falcon_bronze,t,true\n'
BAD = GOOD.replace("t_*.csv", "u_*.csv").replace("delimited", "exe[l")


def check(path: Path, content: str, *options: str) -> Result:
    path.write_text(content, "utf-8")
    env = {"HUB_ALLOWED_ROOTS": None, "HUB_CATALOG": None}
    return CliRunner().invoke(app, ["config", "check", str(path), *options], env=env)


def test_a_good_csv_passes_without_any_option(tmp_path: Path) -> None:
    result = check(tmp_path / "falcon_config.csv", HEADER + GOOD)
    assert result.exit_code == 0
    assert "1 good feeds, 0 errors" in result.stdout


def test_a_bad_cell_is_reported_with_line_column_value_and_remedy(tmp_path: Path) -> None:
    result = check(tmp_path / "falcon_config.csv", HEADER + GOOD + BAD, "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["feeds"] == 1
    (error,) = document["errors"]
    assert (error["line"], error["column"], error["value"]) == (3, "file_format", "exe[l")
    assert error["remedy"]
    table = check(tmp_path / "falcon_config.csv", HEADER + GOOD + BAD)
    assert "exe[l" in table.stdout


def test_a_source_outside_the_allowed_roots_is_an_error_once_they_are_given(tmp_path: Path) -> None:
    csv = tmp_path / "falcon_config.csv"
    assert check(csv, HEADER + GOOD, "--allowed-root", "abfss://raw@acct.dfs.core.windows.net/").exit_code == 0
    assert check(csv, HEADER + GOOD, "--allowed-root", "abfss://raw@else.dfs.core.windows.net/").exit_code == 1


def test_a_folder_of_another_lob_is_an_error_even_without_roots(tmp_path: Path) -> None:
    result = check(tmp_path / "falcon_config.csv", HEADER + GOOD.replace("net/falcon/", "net/heron/"))
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "source",
    [
        "abfss://raw@ACCT.dfs.core.windows.net/falcon/txn/",
        "abfss://user:pw@raw@acct.dfs.core.windows.net/falcon/txn/",
        "abfss://raw@acct.dfs.core.windows.net/x/../falcon/txn/",
        "abfss://raw@acct.dfs.core.windows.net/50%/falcon/txn/",
        "https://acct.blob.core.windows.net/raw/falcon/txn/",
    ],
)
def test_a_source_that_is_no_folders_url_is_its_rows_error_and_the_other_rows_are_judged(
    tmp_path: Path, source: str
) -> None:
    bad = GOOD.replace("t_*.csv", "u_*.csv").replace("abfss://raw@acct.dfs.core.windows.net/falcon/txn/", source)
    result = check(tmp_path / "falcon_config.csv", HEADER + bad + GOOD, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["feeds"]) == (1, 1)
    assert [(error["line"], error["column"], error["value"]) for error in document["errors"]] == [
        (2, "source_path", source)
    ]


def test_a_malformed_record_keeps_no_other_row_from_being_judged(tmp_path: Path) -> None:
    result = check(tmp_path / "falcon_config.csv", HEADER + 'falcon,"a"b,c\n' + GOOD, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["feeds"], [error["line"] for error in document["errors"]]) == (1, 1, [2])


def test_a_header_with_blanks_after_its_commas_is_the_same_header(tmp_path: Path) -> None:
    assert check(tmp_path / "falcon_config.csv", HEADER.replace(",", ", ") + GOOD).exit_code == 0


def test_a_root_that_is_none_is_refused_by_the_name_under_which_it_was_given(tmp_path: Path) -> None:
    csv = tmp_path / "falcon_config.csv"
    assert "--allowed-root: " in check(csv, HEADER + GOOD, "--allowed-root", "raw/").output
    result = CliRunner().invoke(app, ["config", "check", str(csv)], env={"HUB_ALLOWED_ROOTS": "raw/"})
    assert "HUB_ALLOWED_ROOTS: " in result.output


@pytest.mark.parametrize("name", ["feeds.csv", "Bad Name_config.csv"])
def test_a_file_whose_name_says_no_lob_needs_the_option(tmp_path: Path, name: str) -> None:
    assert check(tmp_path / name, HEADER + GOOD).exit_code == 2
    assert check(tmp_path / name, HEADER + GOOD, "--lob", "falcon").exit_code == 0


def test_a_file_that_is_not_there_is_the_callers_mistake(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["config", "check", str(tmp_path / "falcon_config.csv")]).exit_code == 2


def test_a_local_stack_gives_migrate_its_workspace_only_where_the_environment_names_none() -> None:
    stack = {"databricks_host": "http://127.0.0.1:1", "warehouse_http_path": "/sql/1.0/warehouses/w1", "catalog": "c"}
    assert environment_of(stack, {}) == {
        "DATABRICKS_HOST": "http://127.0.0.1:1",
        "HUB_CATALOG": "c",
        "HUB_WAREHOUSE_ID": "w1",
    }
    assert environment_of(stack, {"DATABRICKS_HOST": "https://adb-1.azuredatabricks.net"}) == {}


def test_hubctl_starts_without_loading_what_only_some_commands_need() -> None:
    heavy = ["httpx", "pydantic", "azure", "databricks", "pyspark", "pyarrow", "local_stack"]
    program = f"import sys, hubctl.main; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
