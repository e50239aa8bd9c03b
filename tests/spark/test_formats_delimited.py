"""Delimited files in every shape that they come in; one batch of many feeds, each a case of its own."""

import bz2
import gzip
from typing import Any

import pytest

from tests.lake import Lake
from tests.spark.formats import ODD_NAMES, Case, LoadedCases, failed, load, quarantined

pytestmark = pytest.mark.stack

TWO = "id,name\n1,ann\n2,bob\n"
ANN_AND_BOB = [("1", "ann"), ("2", "bob")]
ID_NAME = ("id", "name")
BOM = b"\xef\xbb\xbf"
MEGABYTE = 1024 * 1024

KEPT_NAMES = (
    "unit price (EUR)", "b.c", "d[0]", "e`f", "g,h", " lead ", "ünï", "a=b;c{d}", 'q"q', "tab\there", "x/y\\z",
)  # fmt: skip
NULS = 'id,name\n1,a\0b\n2,\0\n\0003,c\n4,"\0q\0"\n5,\0\0\n6,"a\0b"\n'
NUL_ROWS = [("\0003", "c"), ("1", "a\0b"), ("2", "\0"), ("4", "\0q\0"), ("5", "\0\0"), ("6", "a\0b")]


def _row(*fields: str, sep: str = ",") -> str:
    return sep.join('"' + text.replace('"', '""') + '"' for text in fields) + "\n"


def _delimiter_case(delimiter: str, meant: str | None = None) -> Case:
    """Values that hold parts of the delimiter, quoted ones that hold all of it, empty ones."""
    sep = meant or delimiter
    text = (
        f'id{sep}name{sep}city\n1{sep}ann{sep}rome\n2{sep}{sep}\n3{sep}"a{sep}b"{sep}""\n4{sep}"say ""hi"""{sep} x \n'
    )
    rows = [("1", "ann", "rome"), ("2", None, None), ("3", f"a{sep}b", ""), ("4", 'say "hi"', " x ")]
    return Case({"a.txt": (text, 4)}, ("id", "name", "city"), rows, {"delimiter": delimiter})


CASES: dict[str, Case] = {
    # Headers
    "header_order": Case(
        {
            "a.csv": ("id,name,city\n1,ann,rome\n", 1),
            "b.csv": ("name,id,city\nbob,2,oslo\n", 1),
            "fewer.csv": ("city,id\nbern,3\n", 1),
            "more.csv": ("zip,id,name,city,country\n0150,4,dan,oslo,no\n", 1),
            "other.csv": ("country,id\nit,5\n", 1),
        },
        ("id", "name", "city", "zip", "country"),
        [
            ("1", "ann", "rome", None, None),
            ("2", "bob", "oslo", None, None),
            ("3", None, "bern", None, None),
            ("4", "dan", "oslo", "0150", "no"),
            ("5", None, None, None, "it"),
        ],
    ),
    "header_case": Case(
        {
            "a.csv": ("id,name\n1,ann\n", 1),
            "b.csv": ("id,name\n2,bob\n", 1),
            "upper.csv": ("ID,NAME\n3,cyd\n", 1),
            "mixed.csv": ("Name,Id\ndan,4\n", 1),
        },
        ID_NAME,
        [("1", "ann"), ("2", "bob"), ("3", "cyd"), ("4", "dan")],
        any_case=True,
    ),
    "header_names": Case(
        {
            "a.csv": (_row(*KEPT_NAMES) + _row(*map(str, range(len(KEPT_NAMES)))), 1),
            "b.csv": (_row(*reversed(KEPT_NAMES)) + _row(*map(str, reversed(range(len(KEPT_NAMES))))), 1),
        },
        KEPT_NAMES,
        [tuple(map(str, range(len(KEPT_NAMES))))] * 2,
    ),
    "header_bad": Case(
        {
            "ok.csv": (TWO, 2),
            "empty.csv": ("id,,x,\n1,2,3,4\n", quarantined("BAD_HEADER", "no name in column 2, 4")),
            "blank.csv": ("id, \n1,2\n", quarantined("BAD_HEADER", "no name in column 2")),
            "quoted.csv": ('id,""\n1,2\n', quarantined("BAD_HEADER", "no name in column 2")),
            "twice.csv": ("id,name,id\n1,2,3\n", quarantined("BAD_HEADER", "'id' and 'id'")),
            "case.csv": ("id,name,ID\n1,2,3\n", quarantined("BAD_HEADER", "'id' and 'ID'")),
            "own.csv": ("id,_Batch_ID\n1,2\n", quarantined("BAD_HEADER", "_Batch_ID")),
            "bytes.csv": (b"id,na\xefme\n1,2\n", quarantined("BAD_HEADER", "encoding")),
            "excel.csv": (b"PK\x03\x04\x14\x00\x06\x00\n\x08\x00!\n", quarantined("BAD_HEADER", "encoding")),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    "header_of_utf16": Case(
        {"a.csv": (TWO.encode("utf-16"), quarantined("BAD_HEADER", "encoding"))},
        None,
    ),
    "header_only": Case(
        {
            "lf.csv": ("id,name\n", 0),
            "crlf.csv": ("id,name\r\n", 0),
            "no_end.csv": ("id,name", 0),
            "bom.csv": (BOM + b"id,name\n", 0),
            "packed.csv.gz": (gzip.compress(b"id,name\n"), 0),
        },
        ID_NAME,
    ),
    "no_bytes": Case({"zero.csv": (b"", 0), "zero2.csv": (b"", 0)}, None),
    "nothing_and_rows": Case(
        {
            "zero.csv": (b"", 0),
            "newlines.csv": ("\n\r\n\n", 0),
            "bom.csv": (BOM, 0),
            "packed.csv.gz": (gzip.compress(b""), 0),
            "header.csv": ("id,name\n", 0),
            "rows.csv": (TWO, 2),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    "no_header": Case(
        {
            "a.csv": ("1,ann\n2,bob\n", 2),
            "b.csv": ("3,cyd,rome\n", 1),
            "bom.csv": (BOM + b'"4","dan"\n', 1),
            "long.csv": ("x" * MEGABYTE + ",y\n", 1),
            "zero.csv": (b"", 0),
            "short.csv": ("1,a\n2\n", quarantined("TOO_MANY_REJECTS", "1 of 2 records")),
        },
        ("_c0", "_c1", "_c2"),
        [("1", "ann", None), ("2", "bob", None), ("3", "cyd", "rome"), ("4", "dan", None), ("x...", "y", None)],
        {"has_header": False},
        ["if(length(_c0) = 1048576, 'x...', _c0)", "_c1", "_c2"],
    ),
    # Encodings and line ends
    "bom": Case(
        {
            "a.csv": (BOM + b"id,name\n1,ann\n", 1),
            "quoted.csv": (BOM + b'"id","name"\n"2","bob"\n', 1),
            "without.csv": ("id,name\n3,cyd\n", 1),
        },
        ID_NAME,
        [("1", "ann"), ("2", "bob"), ("3", "cyd")],
    ),
    "padded": Case(
        {
            "padded.csv": ('"id" ,"name"  \n"1" ,"ann" \n', 1),
            "sent.csv": ("id,name\n2,Zo\ufffd\n", 1),
            "broken.csv": (
                b"id,name\n3,Zo\xef\xbf\xbd\n4,Zo\xff\n",
                quarantined("TOO_MANY_REJECTS", "does not decode as UTF-8"),
            ),
        },
        ID_NAME,
        [("1", "ann"), ("2", "Zo\ufffd")],
    ),
    "bom_multiline": Case(
        {"a.csv": (BOM + b'"id",name\n1,"a\nb"\n', 1), "without.csv": ("id,name\n3,cyd\n", 1)},
        ID_NAME,
        [("1", "a\nb"), ("3", "cyd")],
        {"multiline": True},
    ),
    "utf16": Case(
        {
            "little.csv": (b"\xff\xfe" + "id||name\n1||é\n".encode("utf-16-le"), 1),
            "big.csv": (b"\xfe\xff" + "id||name\r\n2||日本\r\n".encode("utf-16-be"), 1),
            "počet.csv": ("id||počet\n6||č\n".encode("utf-16"), 1),
            "lines.csv": ('id||name\n3||"a\nb"\n'.encode("utf-16"), 1),
            "header.csv": ("id||name\n".encode("utf-16"), 0),
            "bom.csv": (b"\xff\xfe", 0),
            "bare.csv": ("id||name\n7||ö\n".encode("utf-16-be"), 1),
            "packed.csv.gz": (gzip.compress("id||name\n4||z\n".encode("utf-16")), 1),
            "short.csv": ("id||name\n5\n".encode("utf-16"), quarantined("TOO_MANY_REJECTS", "1 of 1 records")),
        },
        (*ID_NAME, "počet"),
        [
            ("1", "é", None),
            ("2", "日本", None),
            ("3", "a\nb", None),
            ("4", "z", None),
            ("6", None, "č"),
            ("7", "ö", None),
        ],
        {"encoding": "UTF-16", "delimiter": "||"},
    ),
    "utf16le": Case(
        {
            "a.csv": ("id,name\n1,é\n".encode("utf-16-le"), 1),
            "bom.csv": ("\ufeffid,name\n2,é\n".encode("utf-16-le"), 1),
        },
        ID_NAME,
        [("1", "é"), ("2", "é")],
        {"encoding": "UTF-16LE"},
    ),
    "latin1": Case(
        {
            "a.csv": ("id;näme\n1;é£\xff\n".encode("latin-1"), 1),
            "b.csv": ("näme;id\nß;2\n".encode("latin-1"), 1),
            "bom.csv": (BOM + "id;näme\n3;ö\n".encode("latin-1"), 1),
            "short.csv": (b"id\n1;2\n", quarantined("TOO_MANY_REJECTS", "1 of 1 records")),
        },
        ("id", "näme"),
        [("1", "é£ÿ"), ("2", "ß"), ("3", "ö")],
        {"encoding": "latin-1", "delimiter": ";"},
    ),
    "windows": Case(
        {"a.csv": ("id,name\r\n1,5 €\r\n".encode("cp1252"), 1)}, ID_NAME, [("1", "5 €")], {"encoding": "windows-1252"}
    ),
    "undecodable": Case(
        {
            "a.csv": (b"id,name\n1,\xff\xfe\n2,b\n", quarantined("TOO_MANY_REJECTS", "does not decode as UTF-8")),
            "ok.csv": ("id,name\n1,é\n", 1),
        },
        ID_NAME,
        [("1", "é")],
    ),
    "line_ends": Case(
        {
            "crlf.csv": ("id,name\r\n1,ann\r\n2,\r\n", 2),
            "quoted.csv": ('"id","name"\r\n"3","cyd"\r\n', 1),
            "cr.csv": ("id,name\r4,dan\r", 1),
            "mixed.csv": ("id,name\n5,eve\r\n6,fay\n", 2),
            "no_end.csv": ("id,name\r\n7,gus", 1),
            "blank.csv": ("\r\nid,name\r\n\r\n8,hal\r\n\r\n", 1),
        },
        ID_NAME,
        [("1", "ann"), ("2", None), ("3", "cyd"), ("4", "dan"), ("5", "eve"), ("6", "fay"), ("7", "gus"), ("8", "hal")],
    ),
    # Quotes
    "quotes": Case(
        {
            "a.csv": ('id,name\n1,"a,b"\n2,"say ""hi"""\n3,""""\n4,",,"\n', 4),
            "inches.csv": ('id,name\n5,5" pipe\n6,a"b"c\n', 2),
        },
        ID_NAME,
        [("1", "a,b"), ("2", 'say "hi"'), ("3", '"'), ("4", ",,"), ("5", '5" pipe'), ("6", 'a"b"c')],
    ),
    "null_or_empty": Case(
        {"a.csv": ('a,b,c\n,"",NA\n x , y,"z"\n', 2)},
        ("a", "b", "c"),
        [(None, "", None), (" x ", " y", "z")],
        {"null_value": "NA"},
    ),
    "multiline": Case(
        {
            "a.csv": ('id,name\n1,"x\n2,y"\n3,z\n', 2),
            "crlf.csv": ('id,name\r\n4,"x\r\ny"\r\n5,"x\ny"\r\n', 2),
            "header.csv": ('"id","na\nme"\n6,q\n', 1),
            "quotes.csv": ('id,name\n7,"say\n""hi"", twice\n"\n', 1),
            "short.csv": ('id,name\n8\n9,"a\nb"\n', quarantined("TOO_MANY_REJECTS", "1 of 2 records")),
            "only.csv": ('id,"na\nme"\n', 0),
            "open.csv": (
                'id,name\n8,"a\n9,b\n10,c\n',
                quarantined("TOO_MANY_REJECTS", "closed in another, or nowhere"),
            ),
            "last.csv": ('id,name\n8,a\n9,"b\n', quarantined("TOO_MANY_REJECTS", "closed in another, or nowhere")),
            "inch.csv": ('id,name\n8,5" pipe\n11,"a\nb"\n12,"c\nd"\n', 3),
        },
        (*ID_NAME, "na\nme"),
        [
            ("1", "x\n2,y", None),
            ("3", "z", None),
            ("4", "x\ny", None),
            ("5", "x\ny", None),
            ("6", None, "q"),
            ("7", 'say\n"hi", twice\n', None),
            ("8", '5" pipe', None),
            ("11", "a\nb", None),
            ("12", "c\nd", None),
        ],
        {"multiline": True},
    ),
    "single_quote": Case(
        {"a.csv": ("id,name\n1,'a,b'\n2,'it''s'\n3,say \"hi\"\n", 3)},
        ID_NAME,
        [("1", "a,b"), ("2", "it's"), ("3", 'say "hi"')],
        {"quote": "'"},
    ),
    "backslash": Case(
        {"a.csv": ('id,name\n1,"say \\"hi\\", twice"\n2,"c:\\\\x"\n3,c:\\x\n4,"end\\\\"\n', 4)},
        ID_NAME,
        [("1", 'say "hi", twice'), ("2", "c:\\x"), ("3", "c:\\x"), ("4", "end\\")],
        {"escape": "\\"},
    ),
    "multiline_header_only": Case({"a.csv": ('id,"na\nme"\n', 0)}, ("id", "na\nme"), (), {"multiline": True}),
    "torn": Case(
        {
            "one.csv": ('id,name\n1,"5\\" pipe"\n2,"torn\n3,c\n', 2),
            "two.csv": (
                'id,name\n4,"x\n9,y\n5,z"\n6,c\n7,d\n8,e\n',
                quarantined("TOO_MANY_REJECTS", "where records begin"),
            ),
            "more.csv": ('id,name\n4,"x\n9,y\nz"\n6,c\n7,d\n', quarantined("TOO_MANY_REJECTS", "where records begin")),
        },
        ID_NAME,
        [("1", '5" pipe'), ("3", "c")],
        {"escape": "\\", "max_reject_percent": 60.0},
    ),
    # Records
    "ragged": Case(
        {
            "ok.csv": (TWO, 2),
            "fewer.csv": ("id,name\n1,ann\n2\n", quarantined("TOO_MANY_REJECTS", "1 of 2 records (50.00 %)")),
            "more.csv": ("id,name\n1,ann\n2,a,b\n3,a\n", quarantined("TOO_MANY_REJECTS", "1 of 3 records (33.33 %)")),
            "end.csv": ("id,name\n1,ann,\n", quarantined("TOO_MANY_REJECTS", "1 of 1 records")),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    "one_column": Case(
        {"a.csv": ("id\n1\n\n2\n", 2), "short.csv": ("id\n1,2\n", quarantined("TOO_MANY_REJECTS", "1 of 1 records"))},
        ("id",),
        [("1",), ("2",)],
    ),
    "nul": Case({"a.csv": (NULS, 6)}, ID_NAME, NUL_ROWS),
    "nul_judged": Case({"a.csv": (NULS, 6)}, ID_NAME, NUL_ROWS, {"max_reject_percent": 1.0}),
    "nul_multiline": Case({"a.csv": (NULS, 6)}, ID_NAME, NUL_ROWS, {"multiline": True}),
    "megabyte": Case(
        {
            "a.csv": (f'id,name\n1,{"x" * MEGABYTE}\n2,"{"y," * (MEGABYTE // 2)}"\n', 2),
            "b.csv": (f"name,id\n{'z' * MEGABYTE},3\n", 1),
        },
        ID_NAME,
        [("1", MEGABYTE, "x"), ("2", MEGABYTE, "y"), ("3", MEGABYTE, "z")],
        {},
        ["id", "length(name)", "left(name, 1)"],
    ),
    # Compression by suffix
    "packed": Case(
        {
            "a.csv.gz": (gzip.compress(b"id,name\n1,ann\n"), 1),
            "b.csv.bz2": (bz2.compress(b"id,name\n2,bob\n"), 1),
            "two.csv.gz": (gzip.compress(b"id,name\n3,cyd\n") + gzip.compress(b"4,dan\n"), 2),
            "two.csv.bz2": (bz2.compress(b"id,name\n5,eve\n") + bz2.compress(b"6,fay\n"), 2),
            "order.csv.gz": (gzip.compress(b"name,id\ngus,7\n"), 1),
            "plain.csv": ("id,name\n8,hal\n", 1),
            "UPPER.CSV.GZ": (gzip.compress(b"id,name\n9,ida\n"), 1),
            "text.csv.gz": (b"id,name\n1,ann\n", failed("UNREADABLE_FILE", "text.csv.gz")),
            "text.csv.bz2": (b"id,name\n1,ann\n", failed("UNREADABLE_FILE", "ends in .bz2")),
            "cut.csv.gz": (gzip.compress(TWO.encode())[:-12], failed("UNREADABLE_FILE", "cut.csv.gz")),
            "cut.csv.bz2": (bz2.compress(TWO.encode())[:-12], failed("UNREADABLE_FILE", "cut.csv.bz2")),
        },
        ID_NAME,
        [
            (str(id_), name)
            for id_, name in enumerate(("ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida"), 1)
        ],
    ),
    "packed_as_plain": Case(
        {
            "a.csv": (gzip.compress(TWO.encode()), quarantined("BAD_HEADER", "encoding")),
            "b.csv": (TWO, 2),
        },
        ID_NAME,
        ANN_AND_BOB,
    ),
    # Delimiters
    "pipe": _delimiter_case("|"),
    "tab": _delimiter_case("\t"),
    "tab_written": _delimiter_case("\\t", "\t"),
    "semicolon": _delimiter_case(";"),
    "x01": _delimiter_case("\\x01", "\x01"),
    "two_pipes": _delimiter_case("||"),
    "pattern": _delimiter_case(".*|"),
    "written_thrice": _delimiter_case("\\u007e\\x7c\\t", "~|\t"),
    "backslash_delimiter": _delimiter_case("\\"),
    "parts_of_it": Case(
        {"a.txt": ("id::name::city\n1::a:b::c\n2::::\n3::x::y:z\n", 3)},
        ("id", "name", "city"),
        [("1", "a:b", "c"), ("2", None, None), ("3", "x", "y:z")],
        {"delimiter": "::"},
    ),
    "white_lines": Case(
        {"a.txt": ("id\tname\n1\t\n\t\n   \n \t\n2\t\n", 2)},
        ID_NAME,
        [("1", None), ("2", None)],
        {"delimiter": "\\t"},
    ),
    # File names
    "odd": Case(
        {name: (f"id,name\n1,{index}\n", 1) for index, name in enumerate(ODD_NAMES)},
        ID_NAME,
        [("1", str(index)) for index in range(len(ODD_NAMES))],
    ),
    "odd_many": Case(
        {f"{i} {name}": ("id\n1\n", 1) for i in range(2) for name in ODD_NAMES}, ("id",), [("1",)] * 2 * len(ODD_NAMES)
    ),
}


@pytest.fixture(scope="module")
def loaded(lake: Lake, request: Any) -> LoadedCases:
    return load(lake, CASES, request)


@pytest.mark.parametrize("case", CASES)
def test_the_table_and_the_tracker_hold_what_the_files_say(loaded: LoadedCases, case: str) -> None:
    loaded.check(case)
