"""The loader on the real stack: one batch of many feeds is loaded once, each test looks at one of them."""

import bz2
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest

from hub_core.model import Feed, FileFormat, FileStatus, SchemaDrift
from spark_jobs.loader import LoadResult
from tests.spark.conftest import Lake

pytestmark = pytest.mark.stack

ODD_NAMES = (
    "a b.csv", "h#1.csv", "p%20q.csv", "p%.csv", "pl+us.csv", "e=1,2.csv", "ünï.csv", "日本.csv", "q?.csv", "st*r.csv",
    "br[1].csv", "cu{a,b}.csv", "o'k.csv", "am&p;x.csv", "t~i^d`e.csv", "nb\u00a0sp.csv", "pipe|x.csv", 'quo"te.csv',
    "col:on.csv", "(p)!.csv", "sub [x]/deep.csv",
)  # fmt: skip
UNSUPPORTED = pa.table({"id": pa.array([1], pa.int32()), "t": pa.array([1], pa.time64("us"))})
TWO = "id,name\n1,ann\n2,bob\n"


@dataclass
class Loaded:
    """A batch after its load."""

    lake: Lake
    feeds: dict[str, Feed]
    batch: str
    result: LoadResult

    def file(self, feed: str, name: str) -> Any:
        return self.lake.files(self.batch, self.feeds[feed])[name]

    def rows(self, feed: str, *columns: str) -> list[tuple[Any, ...]]:
        return self.lake.rows(self.feeds[feed], *columns)


def _delimited(lake: Lake) -> Iterator[tuple[Feed, dict[str, bytes | str]]]:
    yield lake.feed("many"), {f"f{i:03}.csv": f"id,name\n{i},x\n{i},y\n" for i in range(100)}
    yield (
        lake.feed("headers"),
        {"a.csv": "id,name,city\n1,ann,rome\n", "b.csv": "name,id,city\nbob,2,oslo\n", "c.csv": "id,zip\n3,0150\n"},
    )
    yield lake.feed("bad_one"), {"good.csv": TWO, "short.csv": "id,name\n1,ann\n2\n3,a,b\n", "good2.csv": TWO}
    yield lake.feed("torn"), {"a.csv": 'id,name\n1,"x\n2,y"\n3,z\n', "b.csv": 'id,name\n1,5" pipe\n2,"a ""b"""\n'}
    yield lake.feed("multi", multiline=True), {"a.csv": 'id,name\n1,"x\n2,y"\n3,z\n'}
    yield lake.feed("odd"), {name: f"id,name\n1,{index}\n" for index, name in enumerate(ODD_NAMES)}
    yield lake.feed("odd_many"), {f"{i} {name}": "id\n1\n" for i in range(2) for name in ODD_NAMES}
    yield lake.feed("empty_or_null", null_value="NA"), {"a.csv": 'a,b,c\n,"",NA\n x , y,"z"\n'}
    yield (
        lake.feed("packed"),
        {"a.csv.gz": gzip.compress(TWO.encode()), "b.csv.bz2": bz2.compress(TWO.encode()), "broken.csv.gz": b"no gzip"},
    )
    yield lake.feed("nothing"), {"zero.csv": b"", "header.csv": "id,name\n", "rows.csv": TWO}
    yield (
        lake.feed("bad_headers"),
        {"empty.csv": "id,,x\n1,2,3\n", "twice.csv": "id,ID\n1,2\n", "own.csv": "id,_batch_id\n1,2\n", "ok.csv": TWO},
    )
    yield lake.feed("no_header", has_header=False), {"a.csv": "1,2\n3,4\n", "b.csv": "5,6,7\n"}
    yield lake.feed("names"), {"a.csv": "unit price (EUR),b.c,d[0],e`f\n1,2,3,4\n"}
    yield lake.feed("wide", delimiter="||", encoding="UTF-16"), {"a.csv": "id||name\n1||é\n".encode("utf-16")}
    yield lake.feed("tabs", delimiter="\\t", encoding="ISO-8859-1"), {"a.csv": "id\tname\n1\té\n".encode("latin-1")}
    yield lake.feed("undecodable"), {"a.csv": b"id,name\n1,\xff\xfe\n", "bom.csv": b"\xef\xbb\xbfid,name\n1,x\n"}
    yield (
        lake.feed("some_bad", max_reject_percent=30.0),
        {"few.csv": "id,name\n1,a\n2,b\n3,c\n4\n", "most.csv": "id,name\n1\n2\n3,c\n"},
    )
    yield (
        lake.feed("ruled", quality_rules="positive: CAST(amount AS INT) > 0; named: name <> ''", max_reject_percent=50),
        {"a.csv": "amount,name\n1,x\n-1,y\n,z\n", "lacks.csv": "name\nq\n"},
    )
    yield lake.feed("strict_rule", quality_rules="ok: amount <> 'x'"), {"a.csv": "amount\n1\n", "b.csv": "amount\nx\n"}
    yield lake.feed("wide_table"), {"a.csv": ",".join(f"c{i}" for i in range(150)) + "\n" + ",".join("1" * 150) + "\n"}


def _parquet(lake: Lake) -> Iterator[tuple[Feed, dict[str, Any]]]:
    def feed(name: str, **options: Any) -> Feed:
        return lake.feed(name, file_format=FileFormat.PARQUET, **options)

    small = pa.table({"id": pa.array([1], pa.int32()), "name": ["a"]})
    more = pa.table({"name": ["b"], "zip": ["0150"], "id": pa.array([2], pa.int32())})
    yield feed("pq_names"), {"a.parquet": small, "b.parquet": more}
    wide = pa.table({"id": pa.array([2**40], pa.int64()), "name": ["w"]})
    yield feed("pq_widened"), {"a.parquet": small, "b.parquet": wide}
    text = pa.table({"id": ["x"], "name": ["t"]})
    yield feed("pq_conflict"), {"a.parquet": small, "b.parquet": more, "z.parquet": text}
    yield feed("pq_broken"), {"a.parquet": small, "broken.parquet": b"PAR1 no footer", "zero.parquet": b""}
    yield feed("pq_time"), {"a.parquet": small, "time.parquet": UNSUPPORTED}


@pytest.fixture(scope="module")
def loaded(lake: Lake) -> Loaded:
    feeds: dict[str, Feed] = {}
    for feed, contents in [*_delimited(lake), *_parquet(lake)]:
        feeds[feed.category.removeprefix(lake.name + "_")] = feed
        for name, content in contents.items():
            if isinstance(content, pa.Table):
                lake.parquet(feed, name, content)
            else:
                lake.put(feed, name, content)
    lake.sync(*feeds.values())
    batch = lake.claim(*feeds.values())
    return Loaded(lake, feeds, batch, lake.load(batch))


def test_every_claim_ends_and_row_counts_are_what_the_tables_hold(loaded: Loaded) -> None:
    assert loaded.lake.tracker.claimed(loaded.batch) == set()
    counted = 0
    for feed in loaded.feeds.values():
        found = loaded.lake.spark.table(feed.table).groupBy("_source_file").count().collect()
        tracked = {one.path: one.row_count for one in loaded.lake.files(loaded.batch, feed).values() if one.row_count}
        assert {row["_source_file"]: row["count"] for row in found} == tracked, feed.category
        counted += sum(tracked.values())
    assert loaded.result.rows == counted


def test_a_hundred_small_files_are_one_commit(loaded: Loaded) -> None:
    assert len(loaded.lake.commits(loaded.feeds["many"])) == 1
    assert len(loaded.rows("many", "id")) == 200
    assert loaded.file("many", "f042.csv").row_count == 2


def test_columns_are_matched_by_name_whatever_their_order(loaded: Loaded) -> None:
    assert loaded.rows("headers", "id", "name", "city", "zip") == [
        ("1", "ann", "rome", None),
        ("2", "bob", "oslo", None),
        ("3", None, None, "0150"),
    ]


def test_a_malformed_file_is_quarantined_and_its_siblings_load(loaded: Loaded) -> None:
    short = loaded.file("bad_one", "short.csv")
    assert (short.status, short.error_code, short.rejected_count) == (FileStatus.QUARANTINED, "TOO_MANY_REJECTS", 2)
    assert short.error_message.startswith("2 of 3 records (66.67 %) were refused; the feed allows 0 %. First: ")
    assert len(loaded.rows("bad_one", "id")) == 4
    assert [row[:2] for row in loaded.lake.quarantined(loaded.feeds["bad_one"])] == [
        ("2", "malformed"),
        ("3,a,b", "malformed"),
    ]


def test_a_quoted_line_break_is_malformed_and_the_reason_names_the_option(loaded: Loaded) -> None:
    assert loaded.file("torn", "a.csv").status is FileStatus.QUARANTINED
    found = loaded.lake.quarantined(loaded.feeds["torn"])
    assert [row[0] for row in found] == ['1,"x', '2,y"']
    assert all("multiline" in row[2] for row in found)
    assert loaded.rows("torn", "id", "name") == [("1", '5" pipe'), ("2", 'a "b"')]


def test_with_multiline_a_quoted_line_break_is_part_of_the_value(loaded: Loaded) -> None:
    assert loaded.rows("multi", "id", "name") == [("1", "x\n2,y"), ("3", "z")]


def test_file_names_are_literal_whether_few_or_many(loaded: Loaded) -> None:
    assert {file.status for file in loaded.lake.files(loaded.batch, loaded.feeds["odd"]).values()} == {"SUCCESS"}
    assert {row[0] for row in loaded.rows("odd", "name")} == {str(index) for index in range(len(ODD_NAMES))}
    base = loaded.feeds["odd"].source_path
    assert {row[0] for row in loaded.rows("odd", "_source_file")} == {base + name for name in ODD_NAMES}
    assert {file.row_count for file in loaded.lake.files(loaded.batch, loaded.feeds["odd_many"]).values()} == {1}


def test_unquoted_empty_is_null_quoted_empty_is_text_and_nothing_is_trimmed(loaded: Loaded) -> None:
    assert loaded.rows("empty_or_null", "a", "b", "c") == [(None, "", None), (" x ", " y", "z")]


def test_packed_files_load_by_suffix_and_a_broken_one_is_unreadable(loaded: Loaded) -> None:
    assert len(loaded.rows("packed", "id")) == 4
    broken = loaded.file("packed", "broken.csv.gz")
    assert (broken.status, broken.error_code) == (FileStatus.FAILED, "UNREADABLE_FILE")


def test_files_without_records_are_success_with_no_rows(loaded: Loaded) -> None:
    for name, rows in (("zero.csv", 0), ("header.csv", 0), ("rows.csv", 2)):
        file = loaded.file("nothing", name)
        assert (file.status, file.row_count) == (FileStatus.SUCCESS, rows), name


@pytest.mark.parametrize(("name", "part"), [("empty", "column 2"), ("twice", "'id' and 'ID'"), ("own", "_batch_id")])
def test_a_bad_header_is_quarantined_naming_the_names(loaded: Loaded, name: str, part: str) -> None:
    file = loaded.file("bad_headers", f"{name}.csv")
    assert (file.status, file.error_code) == (FileStatus.QUARANTINED, "BAD_HEADER")
    assert part in file.error_message
    assert len(loaded.rows("bad_headers", "id")) == 2


def test_without_a_header_columns_are_numbered_and_counted_per_file(loaded: Loaded) -> None:
    assert loaded.rows("no_header", "_c0", "_c1", "_c2") == [("1", "2", None), ("3", "4", None), ("5", "6", "7")]


def test_column_names_are_kept_as_sent(loaded: Loaded) -> None:
    assert loaded.lake.spark.table(loaded.feeds["names"].table).columns[:4] == [
        "unit price (EUR)", "b.c", "d[0]", "e`f"
    ]  # fmt: skip


def test_encodings_and_delimiters_of_any_length(loaded: Loaded) -> None:
    assert loaded.rows("wide", "id", "name") == [("1", "é")]
    assert loaded.rows("tabs", "id", "name") == [("1", "é")]
    assert loaded.file("undecodable", "a.csv").status is FileStatus.QUARANTINED
    assert "does not decode as UTF-8" in loaded.lake.quarantined(loaded.feeds["undecodable"])[0][2]
    assert loaded.rows("undecodable", "id", "name") == [("1", "x")]


def test_within_the_limit_good_rows_load_and_bad_ones_are_quarantined(loaded: Loaded) -> None:
    few, most = loaded.file("some_bad", "few.csv"), loaded.file("some_bad", "most.csv")
    assert (few.status, few.row_count, few.rejected_count) == (FileStatus.SUCCESS, 3, 1)
    assert (most.status, most.rejected_count) == (FileStatus.QUARANTINED, 2)
    assert [row[0] for row in loaded.lake.quarantined(loaded.feeds["some_bad"])] == ["1", "2", "4"]


def test_only_false_breaks_a_rule_and_a_missing_column_fails_the_file(loaded: Loaded) -> None:
    assert loaded.rows("ruled", "amount", "name") == [(None, "z"), ("1", "x")]
    lacks = loaded.file("ruled", "lacks.csv")
    assert (lacks.status, lacks.error_code) == (FileStatus.FAILED, "RULE_ERROR")
    assert loaded.lake.quarantined(loaded.feeds["ruled"]) == [
        ('-1,y', "positive", "positive: CAST(amount AS INT) > 0 is false")
    ]  # fmt: skip
    assert loaded.file("strict_rule", "b.csv").status is FileStatus.QUARANTINED
    assert loaded.rows("strict_rule", "amount") == [("1",)]


def test_parquet_columns_are_matched_by_name_and_none_is_dropped(loaded: Loaded) -> None:
    assert loaded.rows("pq_names", "id", "name", "zip") == [(1, "a", None), (2, "b", "0150")]


def test_parquet_types_are_widened_without_loss(loaded: Loaded) -> None:
    assert loaded.rows("pq_widened", "id", "name") == [(1, "a"), (2**40, "w")]


def test_a_parquet_type_conflict_fails_that_file_naming_column_and_types(loaded: Loaded) -> None:
    outcomes = loaded.lake.files(loaded.batch, loaded.feeds["pq_conflict"])
    failed = [file for file in outcomes.values() if file.status is FileStatus.FAILED]
    assert [(file.file_name, file.error_code) for file in failed] == [("z.parquet", "SCHEMA_CONFLICT")]
    assert "'id' is string in the file and int in the table" in failed[0].error_message


def test_broken_parquet_is_unreadable_and_its_siblings_load(loaded: Loaded) -> None:
    assert loaded.file("pq_broken", "broken.parquet").error_code == "UNREADABLE_FILE"
    assert loaded.file("pq_broken", "zero.parquet").error_code == "UNREADABLE_FILE"
    assert loaded.rows("pq_broken", "id") == [(1,)]


def test_a_parquet_type_that_delta_cannot_hold_is_named(loaded: Loaded) -> None:
    assert loaded.file("pq_time", "time.parquet").error_code == "UNSUPPORTED_TYPE"
    assert loaded.rows("pq_time", "id") == [(1,)]


def test_schema_drift_of_a_later_load(lake: Lake, next_second: Callable[[], None]) -> None:
    feeds = [lake.feed(f"drift_{drift}", schema_drift=drift) for drift in SchemaDrift]
    lake.sync(*feeds)
    for feed in feeds:
        lake.put(feed, "a.csv", "id\n1\n")
    lake.load(lake.claim(*feeds))
    for feed in feeds:
        lake.put(feed, "b.csv", "id,extra\n2,x\n")
    batch = lake.claim(*feeds)
    lake.load(batch)
    add, fail, ignore = feeds
    assert lake.rows(add, "id", "extra") == [("1", None), ("2", "x")]
    failed = lake.files(batch, fail)["b.csv"]
    assert (failed.error_code, "extra" in (failed.error_message or "")) == ("SCHEMA_DRIFT", True)
    assert lake.rows(ignore, "id") == [("1",), ("2",)]
    assert "extra" in (lake.files(batch, ignore)["b.csv"].error_message or "")


def test_a_file_that_changed_or_went_since_its_claim_is_not_read(lake: Lake, next_second: Callable[[], None]) -> None:
    feed = lake.feed("changing")
    lake.sync(feed)
    for name in ("same.csv", "changed.csv", "gone.csv"):
        lake.put(feed, name, TWO)
    batch = lake.claim(feed)
    next_second()
    lake.put(feed, "changed.csv", "id,name\n8,z\n9,z\n")
    lake.delete(feed, "gone.csv")
    lake.load(batch)
    found = {name: file.error_code or file.status for name, file in lake.files(batch, feed).items()}
    assert found == {"same.csv": "SUCCESS", "changed.csv": "FILE_CHANGED", "gone.csv": "FILE_GONE"}
    assert lake.rows(feed, "id") == [("1",), ("2",)]
