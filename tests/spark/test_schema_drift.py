"""Columns that a table lacks when a later file brings them: added, a reason to fail, or left out and named."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from hub_core.model import FileFormat, SchemaDrift
from tests.lake import Lake
from tests.spark.formats import Case, Content, Ends, LoadedCases, failed, load, noted, quarantined

pytestmark = pytest.mark.stack

OLD = ("1", "ann", None, None)
FEWER, OTHER_CASE = ("2", None, None, None), ("3", "cyd", None, None)

WITHIN = pa.struct([("a", pa.int32()), ("b", pa.string())])
LIST_WITHIN = pa.list_(WITHIN)


def ids(*values: int, **columns: Any) -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int32()), **columns})


def _delimited(drift: SchemaDrift, ends: int | Ends, columns: tuple[str, ...], new: tuple[Any, ...] | None) -> Case:
    rows = [OLD, FEWER, OTHER_CASE, *([new] if new else [])]
    return Case(
        {
            "fewer.csv": ("id\n2\n", 1),
            "case.csv": ("NAME,ID\ncyd,3\n", 1),
            "more.csv": ("extra,id,note,name\nx,4,y,dan\n", ends),
        },
        columns,
        [row[: len(columns)] for row in rows],
        {"schema_drift": drift},
        before={"old.csv": ("id,name\n1,ann\n", 1)},
    )


def _without_header(
    drift: SchemaDrift, ends: int | Ends, columns: tuple[str, ...], new: tuple[Any, ...] | None
) -> Case:
    rows = [("1", "ann", None), ("2", None, None), *([new] if new else [])]
    return Case(
        {"fewer.csv": ("2\n", 1), "more.csv": ("3,cyd,rome\n", ends)},
        columns,
        [row[: len(columns)] for row in rows],
        {"schema_drift": drift, "has_header": False},
        before={"old.csv": ("1,ann\n", 1)},
    )


def _parquet(drift: SchemaDrift, ends: int | Ends, columns: Mapping[str, str], new: tuple[Any, ...] | None) -> Case:
    # Read together, files are told of each other's columns.
    beside = noted(1, "or of one of the 1 that were read with it") if drift is IGNORE else 1
    rows = [(1, "ann", None, None), (2, None, None, None), (2**40, "cyd", None, None), *([new] if new else [])]
    return Case(
        {
            "fewer.parquet": (ids(2), 1),
            # A wider type is no drift: nothing of the file would be lost, or guessed.
            "case.parquet": (pa.table({"NAME": ["cyd"], "ID": [2**40]}), beside),
            "more.parquet": (pa.table({"extra": [0.5], "id": [4], "note": ["y"], "name": ["dan"]}), ends),
        },
        columns,
        [row[: len(columns)] for row in rows],
        {"schema_drift": drift, "file_format": FileFormat.PARQUET},
        before={"old.parquet": (ids(1, name=["ann"]), 1)},
    )


def _nested(drift: SchemaDrift, ends: int | Ends, within: str, new: tuple[Any, ...] | None) -> Case:
    narrow = pa.struct([("a", pa.int32())])
    old: Content = ids(1, s=pa.array([{"a": 1}], narrow), l=pa.array([[{"a": 1}]], pa.list_(narrow)))
    more: Content = ids(2, s=pa.array([{"a": 2, "b": "x"}], WITHIN), l=pa.array([[{"a": 2, "b": "y"}]], LIST_WITHIN))
    nothing = ", null" if "b:" in within else ""
    return Case(
        {"more.parquet": (more, ends)},
        {"id": "int", "s": within, "l": f"array<{within}>"},
        [(1, f"{{1{nothing}}}", f"[{{1{nothing}}}]"), *([new] if new else [])],
        {"schema_drift": drift, "file_format": FileFormat.PARQUET},
        ["id", "CAST(s AS STRING)", "CAST(l AS STRING)"],
        before={"old.parquet": (old, 1)},
    )


ADD, FAIL, IGNORE = SchemaDrift.ADD, SchemaDrift.FAIL, SchemaDrift.IGNORE
TWO, FOUR = ("id", "name"), ("id", "name", "extra", "note")
NARROW, WIDE = "struct<a:int>", "struct<a:int,b:string>"
PARQUET = {"id": "bigint", "name": "string"}

CASES = {
    "delimited_add": _delimited(ADD, 1, FOUR, ("4", "dan", "x", "y")),
    "delimited_fail": _delimited(FAIL, failed("SCHEMA_DRIFT", "extra, note"), TWO, None),
    "delimited_ignore": _delimited(IGNORE, noted(1, "extra, note"), TWO, ("4", "dan")),
    "without_header_add": _without_header(ADD, 1, ("_c0", "_c1", "_c2"), ("3", "cyd", "rome")),
    "without_header_fail": _without_header(FAIL, failed("SCHEMA_DRIFT", "_c2"), ("_c0", "_c1"), None),
    "without_header_ignore": _without_header(IGNORE, noted(1, "_c2"), ("_c0", "_c1"), ("3", "cyd")),
    "parquet_add": _parquet(ADD, 1, {**PARQUET, "extra": "double", "note": "string"}, (4, "dan", 0.5, "y")),
    "parquet_fail": _parquet(FAIL, failed("SCHEMA_DRIFT", "extra, note"), PARQUET, None),
    "parquet_ignore": _parquet(IGNORE, noted(1, "extra, note"), PARQUET, (4, "dan")),
    "nested_add": _nested(ADD, 1, WIDE, (2, "{2, x}", "[{2, y}]")),
    "nested_fail": _nested(FAIL, failed("SCHEMA_DRIFT", "s.b, l.b"), NARROW, None),
    "nested_ignore": _nested(IGNORE, noted(1, "s.b, l.b"), NARROW, (2, "{2}", "[{2}]")),
    "none_ignore": Case(
        {"tabs.csv": ("id\tname\n2\tbob\n", failed("SCHEMA_DRIFT", "none of the file's columns (id\tname)"))},
        TWO,
        [("1", "ann")],
        {"schema_drift": IGNORE},
        before={"old.csv": ("id,name\n1,ann\n", 1)},
    ),
    # A table that a bad file made, and that no file has filled, binds nobody.
    "unfilled_ignore": Case(
        {"good.csv": ("id,name\n1,ann\n", 1)},
        ("err", *TWO),
        [(None, "1", "ann")],
        {"schema_drift": IGNORE},
        before={"bad.csv": ("err\nx,y\n", quarantined("TOO_MANY_REJECTS", "1 of 1 records"))},
    ),
}


@pytest.fixture(scope="module")
def loaded(lake: Lake, request: Any) -> LoadedCases:
    return load(lake, CASES, request)


@pytest.mark.parametrize("case", CASES)
def test_columns_that_the_table_lacks_are_added_fail_the_file_or_are_named(loaded: LoadedCases, case: str) -> None:
    loaded.check(case)


def test_one_file_of_a_hundred_that_the_table_does_not_take_fails_alone(lake: Lake) -> None:
    feed = lake.feed("drift_of_one", file_format=FileFormat.PARQUET, schema_drift=FAIL)
    lake.sync(feed)
    lake.parquet(feed, "first.parquet", ids(0))
    lake.load(lake.claim(feed))
    for number in range(1, 100):
        lake.parquet(feed, f"{number:03}.parquet", ids(number))
    lake.parquet(feed, "050_more.parquet", ids(1000, extra=["x"]))
    batch = lake.claim(feed)
    lake.load(batch)
    bad = {name: file.error_code for name, file in lake.files(batch, feed).items() if file.status == "FAILED"}
    assert bad == {"050_more.parquet": "SCHEMA_DRIFT"}
    assert lake.rows(feed, "id") == [(number,) for number in range(100)]
