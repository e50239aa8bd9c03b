"""A spoke's CSV: good rows work on, each bad cell is reported with line, column, value and remedy."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.delimited import delimiter_of
from hub_core.feeds import OPTIONAL, REQUIRED, ConfigError, House, ParsedConfig, decode, house_of, is_lob, parse_config
from hub_core.model import DateSource, Feed, FileFormat, OnRedelivery, SchemaDrift
from tests.unit.doubles import HEADER, HOST, ROOT, config_row

GOOD = {
    "lob": "falcon",
    "category": "transactions",
    "subcategory": "credit",
    "file_pattern": "transactions_*.csv",
    "source_path": f"{ROOT}falcon/txn/credit/",
    "file_format": "delimited",
    "delimiter": ",",
    "has_header": "true",
    "dest_catalog": "${catalog}",
    "dest_schema": "falcon_bronze",
    "dest_table": "credit_transactions_raw",
    "is_active": "true",
}


def as_csv(*rows: dict[str, str]) -> str:
    columns = list(dict.fromkeys([*REQUIRED, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def parse(text: str, **options: object) -> ParsedConfig:
    asked = {"lob": "falcon", "catalog": "main", "allowed_roots": (ROOT,), **options}
    return parse_config(text, **asked)


def only_feed(row: dict[str, str], **options: object) -> Feed:
    parsed = parse(as_csv(row), **options)
    assert parsed.errors == ()
    [feed] = parsed.feeds
    return feed


def only_error(row: dict[str, str], **options: object) -> ConfigError:
    parsed = parse(as_csv(row), **options)
    assert parsed.feeds == ()
    [error] = parsed.errors
    return error


def test_the_designs_example_row_is_a_feed() -> None:
    row = (
        "falcon,transactions,credit,transactions_*.csv,abfss://raw@acct.dfs.core.windows.net/falcon/txn/credit/,"
        'delimited,",",true,${catalog},falcon_bronze,credit_transactions_raw,true'
    )
    [feed] = parse(f"{HEADER}\n{row}\n").feeds
    assert feed == Feed(
        lob="falcon",
        category="transactions",
        subcategory="credit",
        file_pattern="transactions_*.csv",
        source_path="abfss://raw@acct.dfs.core.windows.net/falcon/txn/credit/",
        file_format=FileFormat.DELIMITED,
        delimiter=",",
        has_header=True,
        dest_catalog="main",
        dest_schema="falcon_bronze",
        dest_table="credit_transactions_raw",
    )


def test_the_twelve_columns_are_enough_and_the_optional_ones_have_defaults() -> None:
    feed = only_feed(GOOD)
    assert (feed.date_source, feed.on_redelivery, feed.schema_drift) == (
        DateSource.AUTO,
        OnRedelivery.REPLACE,
        SchemaDrift.ADD,
    )
    assert (feed.max_reject_percent, feed.quality_rules, feed.encoding) == (0.0, None, "UTF-8")
    assert (feed.quote, feed.escape, feed.multiline, feed.null_value) == ('"', '"', False, None)


def test_empty_cells_mean_their_defaults() -> None:
    feed = only_feed({**GOOD, "is_active": "", "has_header": "", "delimiter": "", **dict.fromkeys(OPTIONAL, "")})
    assert feed == only_feed(GOOD)


def test_parquet_has_no_delimiter() -> None:
    assert only_feed({**GOOD, "file_format": "parquet"}).delimiter is None


def test_the_optional_columns_are_read() -> None:
    feed = only_feed(
        {
            **GOOD,
            "date_source": "name",
            "on_redelivery": "append",
            "schema_drift": "fail",
            "max_reject_percent": "2.5",
            "quality_rules": "positive: amount > 0; known: code <> ';'",
            "encoding": "ISO-8859-1",
            "quote": "'",
            "escape": "\\",
            "multiline": "TRUE",
            "null_value": " NULL",
        }
    )
    assert (feed.date_source, feed.on_redelivery, feed.schema_drift) == ("name", "append", "fail")
    assert (feed.max_reject_percent, feed.encoding, feed.quote, feed.escape) == (2.5, "ISO-8859-1", "'", "\\")
    assert (feed.multiline, feed.null_value) == (True, " NULL")
    assert feed.quality_rules == "positive: amount > 0; known: code <> ';'"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (",", ","),
        (r"\t", "\t"),
        (r"\x01", "\x01"),
        (r"\u0001\u0002", "\x01\x02"),
        (r"|\t\x7c", "|\t|"),
        ("\\", "\\"),
        ("\\|", "\\|"),
        (r"\\", r"\\"),
        ("é", "é"),
    ],
)
def test_a_written_delimiter_means_these_characters(written: str, meant: str) -> None:
    assert delimiter_of(written) == meant


@pytest.mark.parametrize(
    "encoding",
    [
        *(
            "UTF-8",
            "utf8",
            "utf_8_sig",
            "UTF-16",
            "UTF-16LE",
            "utf-16-be",
            "UTF-32",
            "us-ascii",
            "latin-1",
            "ISO-8859-1",
        ),
        *(
            "iso8859_15",
            "windows-1252",
            "cp1250",
            "Shift_JIS",
            "GB18030",
            "Big5",
            "EUC-KR",
            "KOI8-R",
            "IBM437",
            "cp850",
        ),
        "windows-31j",
    ],
)
def test_an_encoding_is_one_that_python_and_java_know_by_that_name(encoding: str) -> None:
    assert only_feed({**GOOD, "encoding": encoding}).encoding == encoding
    assert "a".encode(encoding)


@pytest.mark.parametrize("delimiter", [r"\t", r"\x5c", "\\"])
def test_an_escape_that_is_the_delimiter_is_refused_however_either_is_written(delimiter: str) -> None:
    escape = "\t" if delimiter == r"\t" else "\\"
    parsed = parse(as_csv({**GOOD, "delimiter": delimiter, "escape": escape}))
    assert [error.column for error in parsed.errors] == ["escape"]


@pytest.mark.parametrize(
    "delimiter",
    [
        "|",
        ";",
        "\t",
        " ",
        "||",
        "~|~",
        r"\t",
        r"\u0001",
        r"\u0001\u0002",
        "\\",
        "12345678",
        r"\x01",
        r"|\t|",
        r"\x1f\u007c~",
        "\\|",
    ],
)
def test_a_delimiter_may_be_several_characters_and_may_be_written_as_an_escape(delimiter: str) -> None:
    assert only_feed({**GOOD, "delimiter": delimiter}).delimiter == delimiter


BAD_CELLS = [
    ("lob", "heron"),
    ("lob", "Falcon"),
    ("lob", ""),
    ("category", ""),
    ("category", "a/b"),
    ("category", "a\nb"),
    ("category", "x" * 129),
    ("subcategory", "é"),
    ("file_pattern", ""),
    ("file_pattern", "/x.csv"),
    ("file_pattern", "../x.csv"),
    ("file_pattern", "a//x.csv"),
    ("file_pattern", "a\\x.csv"),
    ("file_pattern", "a\tx.csv"),
    ("file_pattern", "[z-a].csv"),
    ("file_pattern", "x" * 513),
    ("source_path", ""),
    ("source_path", "/mnt/raw/falcon/"),
    ("source_path", f"https://{HOST}/raw/falcon/"),
    ("source_path", f"abfss://raw@{HOST}.evil.com/falcon/"),
    ("source_path", f"abfss://raw@evil.com/{HOST}/falcon/"),
    ("source_path", f"abfss://raw@evil@{HOST}/falcon/"),
    ("source_path", f"abfss://raw:x@{HOST}/falcon/"),
    ("source_path", f"abfss://raw@{HOST}:443/falcon/"),
    ("source_path", f"abfss://raw@{HOST.upper()}/falcon/"),
    ("source_path", f"abfss://other@{HOST}/falcon/"),
    ("source_path", ROOT),
    ("source_path", f"{ROOT}falcon2/"),
    ("source_path", f"{ROOT}heron/"),
    ("source_path", f"{ROOT}Falcon/"),
    ("source_path", f"{ROOT}falcon/../heron/"),
    ("source_path", f"{ROOT}falcon/./x/"),
    ("source_path", f"{ROOT}falcon//x/"),
    ("source_path", f"{ROOT}falcon/%2e%2e/heron/"),
    ("source_path", f"{ROOT}falcon/?sig=x"),
    ("source_path", f"{ROOT}falcon/#x/"),
    ("source_path", f"{ROOT}falcon/*/"),
    ("file_format", ""),
    ("file_format", "xls"),
    ("delimiter", "123456789"),
    ("delimiter", "\n"),
    ("delimiter", r"\u00"),
    ("delimiter", r"\u000a"),
    ("delimiter", r"\x0A"),
    ("delimiter", r"\u0000"),
    ("delimiter", r"\x1"),
    ("delimiter", r"\n"),
    ("delimiter", r"\T"),
    ("delimiter", r"|\1"),
    ("delimiter", r"\ud800"),
    ("delimiter", "\ufffd"),
    ("delimiter", r"\ufdd1"),
    ("delimiter", '"'),
    ("delimiter", r"\x22"),
    ("has_header", "yes"),
    ("dest_catalog", ""),
    ("dest_catalog", "${catalogue}"),
    ("dest_catalog", "a.b"),
    ("dest_schema", ""),
    ("dest_schema", "bronze_metadata"),
    ("dest_schema", "BRONZE_METADATA"),
    ("dest_schema", "Bronze_Metadata"),
    ("dest_schema", "heron_bronze"),
    ("dest_schema", "falcon"),
    ("dest_schema", "xfalcon_bronze"),
    ("dest_schema", "falcon_bronze.x"),
    ("dest_table", ""),
    ("dest_table", "a b"),
    ("dest_table", "t`; DROP TABLE x"),
    ("is_active", "1"),
    ("date_source", "path"),
    ("on_redelivery", "merge"),
    ("schema_drift", "maybe"),
    ("max_reject_percent", "-1"),
    ("max_reject_percent", "100.1"),
    ("max_reject_percent", "nan"),
    ("max_reject_percent", "5%"),
    ("max_reject_percent", "lots"),
    ("quality_rules", "amount > 0"),
    ("quality_rules", "a: x; a: y"),
    ("quality_rules", "a: x = 'open"),
    ("encoding", "utf-99"),
    ("encoding", "a\0b"),
    ("encoding", "base64"),
    ("encoding", "undefined"),
    ("encoding", "punycode"),
    ("encoding", "idna"),
    ("encoding", "unicode_escape"),
    ("encoding", "raw_unicode_escape"),
    ("encoding", "utf-7"),
    ("encoding", "cp500"),
    ("encoding", "cp932"),
    ("encoding", "iso-8859-10"),
    ("encoding", "mac_roman"),
    ("encoding", "é"),
    ("quote", "''"),
    ("quote", " "),
    ("quote", "\ufdd0"),
    ("escape", "\n"),
    ("escape", " "),
    ("escape", ","),
    ("multiline", "perhaps"),
]


@pytest.mark.parametrize(("column", "value"), BAD_CELLS)
def test_a_bad_cell_is_reported_with_line_column_value_and_remedy_and_the_good_rows_work_on(
    column: str, value: str
) -> None:
    other = {**GOOD, "subcategory": "debit"}
    parsed = parse(as_csv({**GOOD, column: value}, other))
    assert [feed.subcategory for feed in parsed.feeds] == ["debit"]
    assert [(error.line, error.column, error.value) for error in parsed.errors] == [(2, column, value)]
    assert parsed.errors[0].message
    assert parsed.errors[0].remedy
    assert parsed.readable


def test_all_bad_cells_of_a_row_are_reported() -> None:
    parsed = parse(as_csv({**GOOD, "file_format": "xls", "dest_table": "", "is_active": "x"}))
    assert {error.column for error in parsed.errors} == {"file_format", "dest_table", "is_active"}


def test_a_duplicate_key_is_reported_with_the_first_ones_line() -> None:
    parsed = parse(as_csv(GOOD, {**GOOD, "subcategory": "debit"}, {**GOOD, "dest_table": "other"}))
    assert [feed.dest_table for feed in parsed.feeds] == ["credit_transactions_raw"] * 2
    [error] = parsed.errors
    assert (error.line, error.column) == (4, "file_pattern")
    assert "line 2" in error.message


def test_the_key_is_lob_category_subcategory_and_file_pattern() -> None:
    parsed = parse(
        as_csv(GOOD, {**GOOD, "file_pattern": "x*.csv"}, {**GOOD, "category": "c"}, {**GOOD, "subcategory": "d"})
    )
    assert parsed.errors == ()
    assert len({feed.config_id for feed in parsed.feeds}) == 4


def test_lines_are_counted_from_the_header_and_a_record_with_line_breaks_has_its_firsts() -> None:
    rules = "a: x > 0;\nb: y > 0"
    parsed = parse(as_csv({**GOOD, "quality_rules": rules, "file_format": "xls"}, {**GOOD, "quality_rules": "?"}))
    assert [error.line for error in parsed.errors] == [2, 4]


def test_blank_lines_and_rows_of_commas_only_are_nothing() -> None:
    parsed = parse(f"{HEADER}\n\n{',' * 11}\n{config_row()}\n   \n")
    assert (len(parsed.feeds), parsed.errors) == (1, ())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_and_any_line_ends_are_taken(mark: str, end: str) -> None:
    parsed = parse(mark + end.join([HEADER, config_row(), config_row("debit")]))
    assert (len(parsed.feeds), parsed.errors) == (2, ())


def test_columns_may_stand_in_any_order_and_cells_may_have_spaces_round_them() -> None:
    row = dict(reversed([(name, f" {value} " if name != "delimiter" else value) for name, value in GOOD.items()]))
    text = ",".join(f" {name} " for name in row) + "\n" + ",".join(f'"{value}"' for value in row.values())
    [feed] = parse(text).feeds
    assert feed == only_feed(GOOD)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (HEADER.replace("dest_table,", ""), "dest_table"),
        (HEADER.replace("lob,", "LOB,"), "lob"),
        (f"{HEADER},owner", "owner"),
        (f"{HEADER},", ""),
        (f"{HEADER},lob", "lob"),
    ],
)
def test_a_header_that_is_not_ours_makes_the_whole_csv_unreadable(header: str, column: str) -> None:
    parsed = parse(f"{header}\n{config_row()}\n")
    assert (parsed.readable, parsed.feeds) == (False, ())
    assert column in [error.column for error in parsed.errors]
    assert {error.line for error in parsed.errors} == {1}


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "hello"])
def test_a_csv_without_a_header_is_unreadable(text: str) -> None:
    assert not parse(text).readable


def test_a_header_alone_is_a_config_without_feeds() -> None:
    parsed = parse(HEADER)
    assert (parsed.readable, parsed.feeds, parsed.errors) == (True, (), ())


@pytest.mark.parametrize("row", ["falcon,a", f"{config_row()},extra", config_row().replace('","', "a,b")])
def test_a_row_with_other_than_the_headers_number_of_cells_is_skipped(row: str) -> None:
    parsed = parse(f"{HEADER}\n{row}\n{config_row('debit')}\n")
    assert [feed.subcategory for feed in parsed.feeds] == ["debit"]
    assert [error.line for error in parsed.errors] == [2]


def test_a_row_whose_quotes_are_malformed_is_skipped() -> None:
    parsed = parse(f'{HEADER}\n"fal"con,{config_row()[7:]}\n{config_row("debit")}\n')
    assert [feed.subcategory for feed in parsed.feeds] == ["debit"]
    assert [(error.line, error.column) for error in parsed.errors] == [(2, "")]


def test_a_quote_that_swallows_rows_makes_the_csv_unreadable() -> None:
    parsed = parse(f'{HEADER}\n{config_row("debit")}\n"{config_row()}\n{config_row("x")}\n')
    assert (parsed.readable, parsed.feeds) == (False, ())


def test_two_stray_quotes_that_swallow_a_good_row_make_the_csv_unreadable_too() -> None:
    first, good, last, more = (config_row(name).replace('","', "|") for name in "abcd")
    rows = (first.replace(",a,", ',"a,', 1), good, last.replace(",c,", ',c",', 1), more)
    parsed = parse("\n".join((HEADER, *rows)))
    assert (parsed.readable, parsed.feeds) == (False, ())
    assert "a quote that is opened on line 2 is closed on line 4" in parsed.errors[0].sentence


def test_rules_may_take_several_lines_and_a_mistake_in_their_row_is_that_rows_own() -> None:
    header = f"{HEADER},quality_rules"
    good, bad = (f'{config_row(name)},"a: x > 1;\nb: y > 1"' for name in ("credit", "no name!"))
    parsed = parse("\n".join((header, good, bad)))
    assert (parsed.readable, len(parsed.feeds), [error.line for error in parsed.errors]) == (True, 1, [4])


def test_catalog_is_filled_in_and_a_catalog_that_is_named_stays() -> None:
    assert only_feed(GOOD, catalog="prod").dest_catalog == "prod"
    assert only_feed({**GOOD, "dest_catalog": "${catalog}_eu"}, catalog="prod").dest_catalog == "prod_eu"
    assert only_feed({**GOOD, "dest_catalog": "shared"}, catalog="prod").dest_catalog == "shared"


def test_the_content_hash_changes_with_the_text_and_with_what_it_means_here() -> None:
    text = as_csv(GOOD)
    hashes = [
        parse(text).content_hash,
        parse(text, catalog="prod").content_hash,
        parse(text.replace("credit", "debit")).content_hash,
        parse(text + "\n").content_hash,
    ]
    assert len(set(hashes)) == 4
    assert parse(text).content_hash == hashes[0]


ELSEWHERE = {"falcon": House((f"{ROOT}f/", "abfss://other@other.dfs.core.windows.net/f/"), ("F_*", "shared"))}


def test_hub_spokes_may_say_where_a_lob_lives() -> None:
    row = {**GOOD, "source_path": f"{ROOT}f/x/", "dest_schema": "shared"}
    assert only_feed(row, spokes=ELSEWHERE).dest_schema == "shared"
    assert only_feed({**row, "dest_schema": "f_bronze"}, spokes=ELSEWHERE).dest_schema == "f_bronze"
    assert only_error({**GOOD, "dest_schema": "shared"}, spokes=ELSEWHERE).column == "source_path"
    assert only_error({**row, "dest_schema": "falcon_bronze"}, spokes=ELSEWHERE).column == "dest_schema"


def test_hub_spokes_does_not_lead_out_of_the_allowed_roots() -> None:
    row = {**GOOD, "source_path": "abfss://other@other.dfs.core.windows.net/f/", "dest_schema": "shared"}
    assert only_error(row, spokes=ELSEWHERE).column == "source_path"


@pytest.mark.parametrize("schema", ["bronze_metadata", "BRONZE_metadata"])
@pytest.mark.parametrize("patterns", [("*",), ("bronze_metadata",), ()])
def test_bronze_metadata_is_never_a_destination_whatever_hub_spokes_says(
    schema: str, patterns: tuple[str, ...]
) -> None:
    spokes = {"falcon": House((f"{ROOT}falcon/",), patterns)}
    assert only_error({**GOOD, "dest_schema": schema}, spokes=spokes).column == "dest_schema"


def test_a_lob_that_hub_spokes_does_not_name_lives_in_its_own_folder() -> None:
    assert house_of("heron", [ROOT, f"abfss://other@{HOST}/in"], ELSEWHERE) == House(
        (f"{ROOT}heron/", f"abfss://other@{HOST}/in/heron/"), ("heron_*",)
    )


@pytest.mark.parametrize(
    ("name", "good"),
    [("falcon", True), ("a_1", True), ("Falcon", False), ("1a", False), ("a-b", False), ("", False), ("a\n", False)],
)
def test_a_lobs_name_can_stand_in_schema_and_file_names(name: str, good: bool) -> None:
    assert is_lob(name) is good


def test_bytes_that_are_not_utf_8_are_no_text() -> None:
    assert decode("\ufefflob".encode()) == "lob"
    assert decode("é".encode("latin-1")) is None


CELLS = st.sampled_from([*GOOD.values(), "", '"', "a,b", "x\ny", "${catalog}", "..", "nan", "\x00", ROOT]) | st.text(
    max_size=8
)
ROWS = st.lists(st.lists(CELLS, min_size=10, max_size=14), max_size=4)


@given(ROWS)
def test_any_rows_are_feeds_and_errors(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([HEADER.split(","), *rows])
    parsed = parse(out.getvalue())
    assert len(parsed.feeds) <= len(rows)
    for feed in parsed.feeds:
        assert feed.source_path.startswith(f"{ROOT}falcon/")
        assert feed.dest_schema.lower().startswith("falcon_")


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_no_text_makes_the_parser_fail(start: str, rest: str) -> None:
    parse(start)
    parse(f"{HEADER}\n{rest}")
    parse(f"{HEADER},encoding,null_value\n{config_row()},{start},{rest}")
