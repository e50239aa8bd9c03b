"""Parquet files in every shape that they come in; one batch of many feeds, each a case of its own."""

import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub_core.model import FileFormat
from tests.lake import Lake
from tests.spark.formats import ODD_NAMES, Case, Content, Ends, LoadedCases, failed, load, quarantined

pytestmark = pytest.mark.stack

CODECS = ("none", "snappy", "gzip", "lz4", "zstd")
NOON = datetime(2026, 3, 1, 12, 30, 15, 123456, UTC)
OLD = datetime(1, 1, 1, tzinfo=UTC)


def written(table: pa.Table, **options: Any) -> bytes:
    """The table as a file, written as `options` of pyarrow say."""
    target = io.BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


def ids(*values: int, **columns: Any) -> pa.Table:
    """A table with the column `id`, INT32, and others."""
    return pa.table({"id": pa.array(values, pa.int32()), **columns})


def without_row_groups(schema: pa.Schema) -> bytes:
    """A footer, and nothing else."""
    target = io.BytesIO()
    pq.ParquetWriter(target, schema).close()
    return target.getvalue()


def scratched(table: pa.Table) -> bytes:
    """A file whose footer is whole and whose pages are not."""
    data = bytearray(written(table, compression="gzip", use_dictionary=False))
    middle = len(data) // 4
    data[middle : middle + 200] = b"\xff" * 200
    return bytes(data)


def parquet(
    files: Mapping[str, tuple[Content, int | Ends]],
    columns: Mapping[str, str] | None,
    rows: Any = (),
    select: Any = (),
    *,
    before: Mapping[str, tuple[Content, int | Ends]] | None = None,
    **options: Any,
) -> Case:
    """A case of parquet files."""
    return Case(files, columns, rows, {"file_format": FileFormat.PARQUET, **options}, select, before=before or {})


FILE = ids(1, 2, name=["ann", "bob"])
ID_NAME = {"id": "int", "name": "string"}
ANN_AND_BOB = [(1, "ann"), (2, "bob")]
WHOLE = written(FILE)

# Column → what pyarrow writes, the table's type, the value as text.
TYPES: dict[str, tuple[Any, str, str | None]] = {
    "bool": (pa.array([True]), "boolean", "true"),
    "i8": (pa.array([-128], pa.int8()), "tinyint", "-128"),
    "i16": (pa.array([-32768], pa.int16()), "smallint", "-32768"),
    "i32": (pa.array([-(2**31)], pa.int32()), "int", "-2147483648"),
    "i64": (pa.array([-(2**63)], pa.int64()), "bigint", "-9223372036854775808"),
    "u8": (pa.array([255], pa.uint8()), "smallint", "255"),
    "u16": (pa.array([65535], pa.uint16()), "int", "65535"),
    "u32": (pa.array([2**32 - 1], pa.uint32()), "bigint", "4294967295"),
    "u64": (pa.array([2**64 - 1], pa.uint64()), "decimal(20,0)", "18446744073709551615"),
    "f32": (pa.array([1.5], pa.float32()), "float", "1.5"),
    "f64": (pa.array([float("nan")], pa.float64()), "double", "NaN"),
    "text": (pa.array(["é日\U0001f600"]), "string", "é日\U0001f600"),
    "large": (pa.array([""], pa.large_string()), "string", ""),
    "bytes": (pa.array([b"\x41\x00\x42"], pa.binary()), "binary", "A\0B"),
    "fixed": (pa.array([b"abc"], pa.binary(3)), "binary", "abc"),
    "coded": (pa.array(["x"]).dictionary_encode(), "string", "x"),
    "date": (pa.array([date(1, 1, 1)], pa.date32()), "date", "0001-01-01"),
    "date64": (pa.array([date(9999, 12, 31)], pa.date64()), "date", "9999-12-31"),
    "s": (pa.array([datetime(2026, 3, 1, tzinfo=UTC)], pa.timestamp("s")), "timestamp_ntz", "2026-03-01 00:00:00"),
    "ms": (pa.array([NOON], pa.timestamp("ms")), "timestamp_ntz", "2026-03-01 12:30:15.123"),
    "us": (pa.array([NOON], pa.timestamp("us")), "timestamp_ntz", "2026-03-01 12:30:15.123456"),
    "old": (pa.array([OLD], pa.timestamp("us")), "timestamp_ntz", "0001-01-01 00:00:00"),
    "s_utc": (pa.array([NOON], pa.timestamp("s", "UTC")), "timestamp", "2026-03-01 12:30:15"),
    "ms_utc": (pa.array([NOON], pa.timestamp("ms", "UTC")), "timestamp", "2026-03-01 12:30:15.123"),
    "us_oslo": (
        pa.array([NOON], pa.timestamp("us", "Europe/Oslo")), "timestamp", "2026-03-01 12:30:15.123456"
    ),
    "duration": (pa.array([timedelta(seconds=1)], pa.duration("us")), "bigint", "1000000"),
    "d9": (pa.array([Decimal("-1234567.89")], pa.decimal128(9, 2)), "decimal(9,2)", "-1234567.89"),
    "d18": (pa.array([Decimal("1.0001")], pa.decimal128(18, 4)), "decimal(18,4)", "1.0001"),
    "d38": (pa.array([Decimal("9" * 38)], pa.decimal128(38, 0)), "decimal(38,0)", "9" * 38),
    "d_small": (pa.array([Decimal("1.10")], pa.decimal128(38, 38 - 2)), "decimal(38,36)", "1." + "1" + "0" * 35),
    "list": (pa.array([[1, None]], pa.list_(pa.int32())), "array<int>", "[1, null]"),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "map<string,bigint>", "{k -> 1}"),
    "struct": (pa.array([{"a": 1, "b": "x"}]), "struct<a:bigint,b:string>", "{1, x}"),
    "deep": (
        pa.array([[{"a": [1], "m": [("k", {"z": None})]}]], pa.list_(pa.struct([
            ("a", pa.list_(pa.int8())), ("m", pa.map_(pa.string(), pa.struct([("z", pa.date32())])))
        ]))),
        "array<struct<a:array<tinyint>,m:map<string,struct<z:date>>>>", "[{[1], {k -> {null}}}]",
    ),
    "nothing": (pa.array([None], pa.int32()), "int", None),
}  # fmt: skip
_TYPES_TABLE = pa.table({name: values for name, (values, _, _) in TYPES.items()})

NESTED = pa.table(
    {
        "id": pa.array([1], pa.int32()),
        "s": pa.array([{"a": 1}], pa.struct([("a", pa.int32())])),
        "l": pa.array([[{"a": 1}]], pa.list_(pa.struct([("a", pa.int32())]))),
        "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
    }
)
NESTED_MORE = pa.table(
    {
        "id": pa.array([2], pa.int32()),
        "s": pa.array([{"b": "x", "a": 2}], pa.struct([("b", pa.string()), ("a", pa.int32())])),
        "l": pa.array([[{"b": "y", "a": 2}]], pa.list_(pa.struct([("b", pa.string()), ("a", pa.int32())]))),
        "m": pa.array([[("k", 2)]], pa.map_(pa.string(), pa.int32())),
    }
)
NESTED_WIDE = pa.table(
    {
        "id": pa.array([3], pa.int32()),
        "s": pa.array([{"a": 2**40}], pa.struct([("a", pa.int64())])),
        "l": pa.array([[{"a": 2**40}]], pa.list_(pa.struct([("a", pa.int64())]))),
        "m": pa.array([[("k", 2**40)]], pa.map_(pa.string(), pa.int64())),
    }
)
ODD_COLUMNS = ("unit price (EUR)", "b.c", "d[0]", "e`f", " lead ", "ünï", "a=b;c{d},e")

NARROW = {
    "i": pa.array([1], pa.int32()), "f": pa.array([0.1], pa.float32()), "x": pa.array([7], pa.int32()),
    "t": pa.array([date(2026, 3, 1)]), "d": pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
    "n": pa.array([5], pa.int16()),
}  # fmt: skip
WIDE = {
    "i": pa.array([2**40]), "f": pa.array([0.1]), "x": pa.array([0.5]), "t": pa.array([NOON], pa.timestamp("us")),
    "d": pa.array([Decimal("1.0625")], pa.decimal128(12, 4)), "n": pa.array([Decimal("5.5")], pa.decimal128(12, 2)),
}  # fmt: skip
WIDENED = {
    "id": "int", "i": "bigint", "f": "double", "x": "double", "t": "timestamp_ntz", "d": "decimal(12,4)",
    "n": "decimal(12,2)",
}  # fmt: skip
_NARROW_ROW = ("1", "0.10000000149011612", "7.0", "2026-03-01 00:00:00", "1.2500", "5.00")
_WIDE_ROW = (str(2**40), "0.1", "0.5", "2026-03-01 12:30:15.123456", "1.0625", "5.50")
_WIDENED_TEXT = ["CAST(id AS STRING)", *[f"CAST(`{name}` AS STRING)" for name in NARROW]]

STRUCT = pa.struct([("a", pa.int32())])
CONFLICTED = ids(
    0,
    i=pa.array([1], pa.int32()),
    t=pa.array([NOON], pa.timestamp("us")),
    d=pa.array([Decimal(1)], pa.decimal128(38, 2)),
    s=pa.array([{"a": 1}], STRUCT),
    a=pa.array([[1]], pa.list_(pa.int32())),
    m=pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
)
CONFLICTED_TYPES = {
    "id": "int", "i": "int", "t": "timestamp_ntz", "d": "decimal(38,2)", "s": "struct<a:int>",
    "a": "array<int>", "m": "map<string,int>",
}  # fmt: skip

# What a file has in a column of that table, and the message's part.
CONFLICTS: dict[str, tuple[str, Any, str]] = {
    "text": ("i", pa.array(["x"]), "'i' is string in the file and int in the table"),
    "zoned": ("t", pa.array([NOON], pa.timestamp("us", "UTC")), "'t' is timestamp in the file and timestamp_ntz in"),
    "decimal": ("d", pa.array([1], pa.decimal128(38, 4)), "'d' is decimal(38,4) in the file and decimal(38,2) in"),
    "nested": ("i", pa.array([[1]], pa.list_(pa.int32())), "'i' is array<int> in the file and int in the table"),
    "struct": ("s", pa.array([{"a": "x"}]), "'s' is struct<a:string> in the file and struct<a:int> in the table"),
    "list": ("a", pa.array([["x"]]), "'a' is array<string> in the file and array<int> in the table"),
    "map": (
        "m", pa.array([[("k", "x")]], pa.map_(pa.string(), pa.string())),
        "'m' is map<string,string> in the file and map<string,int> in the table",
    ),
}  # fmt: skip


CASES: dict[str, Case] = {
    "types": parquet(
        {
            "a.parquet": (_TYPES_TABLE, 1),
            "coded.parquet": (written(_TYPES_TABLE, version="1.0", data_page_version="2.0"), 1),
        }
        if False
        else {"a.parquet": (_TYPES_TABLE, 1)},
        {name: kind for name, (_, kind, _) in TYPES.items()},
        [tuple(text for _, _, text in TYPES.values())],
        [f"CAST(`{name}` AS STRING)" for name in TYPES],
    ),
    "int96": parquet(
        {
            "a.parquet": (
                written(
                    pa.table({"t": pa.array([NOON, OLD], pa.timestamp("us"))}), use_deprecated_int96_timestamps=True
                ),
                2,
            )
        },
        {"t": "timestamp"},
        [("0001-01-01 00:00:00",), ("2026-03-01 12:30:15.123456",)],
        ["CAST(t AS STRING)"],
    ),
    "decimals": parquet(
        {
            "a.parquet": (
                written(
                    pa.table(
                        {
                            "d": pa.array([Decimal("-1.25")], pa.decimal128(9, 2)),
                            "e": pa.array([Decimal("1.5")], pa.decimal128(18, 1)),
                        }
                    ),
                    store_decimal_as_integer=True,
                ),
                1,
            ),
            "b.parquet": (
                pa.table(
                    {
                        "d": pa.array([Decimal("1.25")], pa.decimal128(9, 2)),
                        "e": pa.array([Decimal("2.5")], pa.decimal128(18, 1)),
                    }
                ),
                1,
            ),
        },
        {"d": "decimal(9,2)", "e": "decimal(18,1)"},
        [(Decimal("-1.25"), Decimal("1.5")), (Decimal("1.25"), Decimal("2.5"))],
    ),
    "unsupported": parquet(
        {
            "a.parquet": (ids(1), 1),
            "ns.parquet": (ids(2, t=pa.array([1], pa.timestamp("ns"))), failed("UNSUPPORTED_TYPE", "NANOS")),
            "ns_utc.parquet": (ids(2, t=pa.array([1], pa.timestamp("ns", "UTC"))), failed("UNSUPPORTED_TYPE", "NANOS")),
            "time_ms.parquet": (ids(2, t=pa.array([1], pa.time32("ms"))), failed("UNSUPPORTED_TYPE", "TIME")),
            "time_us.parquet": (ids(2, t=pa.array([1], pa.time64("us"))), failed("UNSUPPORTED_TYPE", "TIME")),
            "time_ns.parquet": (ids(2, t=pa.array([1], pa.time64("ns"))), failed("UNSUPPORTED_TYPE", "TIME")),
            "within.parquet": (
                ids(2, s=pa.array([{"t": 1}], pa.struct([("t", pa.time64("us"))]))),
                failed("UNSUPPORTED_TYPE", "TIME"),
            ),
            "d76.parquet": (ids(2, d=pa.array([Decimal(1)], pa.decimal256(76, 2))), failed("UNSUPPORTED_TYPE", "76")),
            "half.parquet": (ids(2, h=pa.array([1.5], pa.float16())), failed("UNSUPPORTED_TYPE", "FLOAT16")),
        },
        {"id": "int"},
        [(1,)],
    ),
    "null_column": parquet(
        {
            "a.parquet": (ids(1, name=["ann"]), 1),
            "b.parquet": (ids(2, name=["bob"]), 1),
            "null.parquet": (ids(3, name=pa.nulls(1)), 1),
            "other.parquet": (ids(4, note=pa.nulls(1)), 1),
        },
        ID_NAME,
        [(1, "ann"), (2, "bob"), (3, None), (4, None)],
    ),
    "names": parquet(
        {
            "a.parquet": (FILE, 2),
            "order.parquet": (pa.table({"name": ["cyd"], "id": pa.array([3], pa.int32())}), 1),
            "more.parquet": (ids(4, zip=["0150"], name=["dan"], n=[1.5], t=pa.array([NOON], pa.timestamp("us"))), 1),
            "fewer.parquet": (ids(5), 1),
            "upper.parquet": (pa.table({"NAME": ["eve"], "ID": pa.array([6], pa.int32())}), 1),
        },
        {**ID_NAME, "zip": "string", "n": "double", "t": "timestamp_ntz"},
        [
            (1, "ann", None, None, None),
            (2, "bob", None, None, None),
            (3, "cyd", None, None, None),
            (4, "dan", "0150", 1.5, "2026-03-01 12:30:15.123456"),
            (5, None, None, None, None),
            (6, "eve", None, None, None),
        ],
        ["id", "name", "zip", "n", "CAST(t AS STRING)"],
    ),
    "names_odd": parquet(
        {
            "a.parquet": (pa.table({name: [name] for name in ODD_COLUMNS}), 1),
            "b.parquet": (pa.table({name: [name] for name in reversed(ODD_COLUMNS)}), 1),
        },
        dict.fromkeys(ODD_COLUMNS, "string"),
        [ODD_COLUMNS, ODD_COLUMNS],
    ),
    "names_odd_within": parquet(
        {"a.parquet": (ids(1, s=pa.array([{"unit price": 1, "a.b": "x", "c`d": 2.5, "e:f": 1, "g,h<i>": 2}])), 1)},
        {"id": "int", "s": "struct<unit price:bigint,a.b:string,c`d:double,e:f:bigint,g,h<i>:bigint>"},
        [(1, "{1, x, 2.5, 1, 2}")],
        ["id", "CAST(s AS STRING)"],
    ),
    "names_bad": parquet(
        {
            "a.parquet": (FILE, 2),
            "case.parquet": (ids(1, ID=["x"]), quarantined("BAD_HEADER", "id")),
            "twice.parquet": (
                pa.Table.from_arrays([pa.array([1], pa.int32()), pa.array(["x"]), pa.array(["y"])], ["id", "n", "n"]),
                quarantined("BAD_HEADER", "n"),
            ),
            "own.parquet": (ids(1, _batch_id=["x"]), quarantined("BAD_HEADER", "_batch_id")),
            "empty.parquet": (
                pa.table({"id": pa.array([1], pa.int32()), "": ["x"]}),
                quarantined("BAD_HEADER", "column 2"),
            ),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    "widened": parquet(
        {"a.parquet": (ids(1, **NARROW), 1), "b.parquet": (ids(2, **NARROW), 1), "wide.parquet": (ids(3, **WIDE), 1)},
        WIDENED,
        [("1", *_NARROW_ROW), ("2", *_NARROW_ROW), ("3", *_WIDE_ROW)],
        _WIDENED_TEXT,
    ),
    "widened_before": parquet(
        {"a.parquet": (ids(1, **WIDE), 1), "b.parquet": (ids(2, **WIDE), 1), "narrow.parquet": (ids(3, **NARROW), 1)},
        WIDENED,
        [("1", *_WIDE_ROW), ("2", *_WIDE_ROW), ("3", *_NARROW_ROW)],
        _WIDENED_TEXT,
    ),
    "conflicts": parquet(
        {
            f"{name}.parquet": (ids(9, **{column: values}), failed("SCHEMA_CONFLICT", message))
            for name, (column, values, message) in CONFLICTS.items()
        },
        CONFLICTED_TYPES,
        [(0,)],
        ["id"],
        before={"ok.parquet": (CONFLICTED, 1)},
    ),
    "conflict_at_once": parquet(
        {
            "a.parquet": (FILE, 2),
            "more.parquet": (ids(3, zip=["0150"]), 1),
            "text.parquet": (
                pa.table({"id": ["x"]}),
                failed("SCHEMA_CONFLICT", "column 'id' is string in the file and int in the table"),
            ),
        },
        {**ID_NAME, "zip": "string"},
        [(1, "ann", None), (2, "bob", None), (3, None, "0150")],
    ),
    "nested": parquet(
        {
            "a.parquet": (NESTED, 1),
            "more.parquet": (NESTED_MORE, 1),
            "wide.parquet": (NESTED_WIDE, 1),
            "legacy.parquet": (written(NESTED, use_compliant_nested_type=False), 1),
        },
        {
            "id": "int",
            "s": "struct<a:bigint,b:string>",
            "l": "array<struct<a:bigint,b:string>>",
            "m": "map<string,bigint>",
        },
        [
            (1, "{1, null}", "[{1, null}]", "{k -> 1}"),
            (1, "{1, null}", "[{1, null}]", "{k -> 1}"),
            (2, "{2, x}", "[{2, y}]", "{k -> 2}"),
            (3, "{1099511627776, null}", "[{1099511627776, null}]", "{k -> 1099511627776}"),
        ],
        ["id", *[f"CAST({name} AS STRING)" for name in "slm"]],
    ),
    "ruled": parquet(
        {
            "within.parquet": (ids(1, -2, 3, s=pa.array([{"a": 1}, {"a": 2}, None], STRUCT)), 2),
            "beyond.parquet": (
                ids(-1, -2, 3, s=pa.array([{"a": 1}, None, None], STRUCT)),
                quarantined("TOO_MANY_REJECTS", "2 of 3 records (66.67 %) were refused; the feed allows 40 %."),
            ),
            "lacks.parquet": (pa.table({"n": [1]}), failed("RULE_ERROR", "id")),
        },
        {"id": "int", "s": "struct<a:int>"},
        [(1, "{1}"), (3, None)],
        ["id", "CAST(s AS STRING)"],
        quality_rules="positive: id > 0",
        max_reject_percent=40.0,
    ),
    "codecs": parquet(
        {
            **{
                f"{codec}_{coded}.parquet": (
                    written(FILE, compression=codec, use_dictionary=coded, data_page_version="2.0" if coded else "1.0"),
                    2,
                )
                for codec in CODECS
                for coded in (True, False)
            },
            "delta.parquet": (
                written(
                    FILE,
                    use_dictionary=False,
                    column_encoding={"id": "DELTA_BINARY_PACKED", "name": "DELTA_BYTE_ARRAY"},
                ),
                2,
            ),
            "brotli.parquet": (written(FILE, compression="brotli"), failed("UNREADABLE_FILE", "BrotliCodec")),
        },
        ID_NAME,
        ANN_AND_BOB * 11,
    ),
    "broken": parquet(
        {
            "ok.parquet": (FILE, 2),
            "ok2.parquet": (FILE, 2),
            "zero.parquet": (b"", failed("UNREADABLE_FILE", "no bytes")),
            "cut.parquet": (WHOLE[:-20], failed("UNREADABLE_FILE", "can't be read")),
            "half.parquet": (WHOLE[: len(WHOLE) // 2], failed("UNREADABLE_FILE", "can't be read")),
            "magic.parquet": (WHOLE[:-4] + b"PAR9", failed("UNREADABLE_FILE", "can't be read")),
            "text.parquet": (b"id,name\n1,ann\n2,bob\n", failed("UNREADABLE_FILE", "can't be read")),
            "short.parquet": (b"PAR1", failed("UNREADABLE_FILE", "can't be read")),
        },
        ID_NAME,
        ANN_AND_BOB * 2,
    ),
    "scratched": parquet(
        {
            "ok.parquet": (FILE, 2),
            "ok2.parquet": (FILE, 2),
            "pages.parquet": (
                scratched(ids(*range(1000), name=[f"name {index * 7919 % 1000}" for index in range(1000)])),
                failed("UNREADABLE_FILE", "can't be read"),
            ),
        },
        ID_NAME,
        ANN_AND_BOB * 2,
    ),
    "odd": parquet(dict.fromkeys(ODD_NAMES, (FILE, 2)), ID_NAME, ANN_AND_BOB * len(ODD_NAMES)),
    "no_rows": parquet(
        {
            "a.parquet": (FILE.slice(0, 0), 0),
            "no_groups.parquet": (without_row_groups(FILE.schema), 0),
        },
        ID_NAME,
    ),
    "some_rows": parquet(
        {
            "none.parquet": (FILE.slice(0, 0), 0),
            "no_groups.parquet": (without_row_groups(FILE.schema), 0),
            "groups.parquet": (written(FILE, row_group_size=1), 2),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    "all_broken": parquet(
        {
            "zero.parquet": (b"", failed("UNREADABLE_FILE", "no bytes")),
            "text.parquet": (b"text", failed("UNREADABLE_FILE", "can't be read")),
        },
        None,
    ),
}


@pytest.fixture(scope="module")
def loaded(lake: Lake, request: Any) -> LoadedCases:
    return load(lake, CASES, request)


@pytest.mark.parametrize("case", CASES)
def test_the_table_and_the_tracker_hold_what_the_files_say(loaded: LoadedCases, case: str) -> None:
    loaded.check(case)
