"""The loader on the real stack: one batch of many feeds is loaded once, each test looks at one of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hub_core.model import Feed, FileStatus, SourceFile, digest
from spark_jobs import spark_paths
from spark_jobs.claims import OpenClaim
from spark_jobs.loader import LoadResult
from spark_jobs.reading import claimed_rows, well_formed_rows
from tests.lake import Lake

pytestmark = pytest.mark.stack

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


def _feeds(lake: Lake) -> Iterator[tuple[Feed, dict[str, bytes | str]]]:
    yield lake.feed("many"), {f"f{i:03}.csv": f"id,name\n{i},x\n{i},y\n" for i in range(100)}
    yield lake.feed("bad_one"), {"good.csv": TWO, "short.csv": "id,name\n1,ann\n2\n3,a,b\n", "good2.csv": TWO}
    yield lake.feed("torn"), {"a.csv": 'id,name\n1,"x\n2,y"\n3,z\n', "b.csv": 'id,name\n1,5" pipe\n2,"a ""b"""\n'}
    yield (
        lake.feed("some_bad", max_reject_percent=30.0),
        {"few.csv": "id,name\n1,a\n2,b\n3,c\n4\n", "most.csv": "id,name\n1\n2\n3,c\n"},
    )
    yield (
        lake.feed("ruled", quality_rules="positive: CAST(amount AS INT) > 0; named: name <> ''", max_reject_percent=50),
        {
            "a.csv": "amount,name\n1,x\n-1,y\n,z\n",
            "lacks.csv": "name\nq\n",
            "uncast.csv": "amount,name\nten,v\n2,w\n",
        },
    )
    yield lake.feed("strict_rule", quality_rules="ok: amount <> 'x'"), {"a.csv": "amount\n1\n", "b.csv": "amount\nx\n"}
    yield lake.feed("wide_table"), {"a.csv": ",".join(f"c{i}" for i in range(150)) + "\n" + ",".join("1" * 150) + "\n"}


@pytest.fixture(scope="module")
def loaded(lake: Lake) -> Loaded:
    feeds: dict[str, Feed] = {}
    for feed, contents in _feeds(lake):
        feeds[feed.category.removeprefix(lake.name + "_")] = feed
        for name, content in contents.items():
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


def test_within_the_limit_good_rows_load_and_bad_ones_are_quarantined(loaded: Loaded) -> None:
    few, most = loaded.file("some_bad", "few.csv"), loaded.file("some_bad", "most.csv")
    assert (few.status, few.row_count, few.rejected_count) == (FileStatus.SUCCESS, 3, 1)
    assert (most.status, most.rejected_count) == (FileStatus.QUARANTINED, 2)
    assert [row[0] for row in loaded.lake.quarantined(loaded.feeds["some_bad"])] == ["1", "2", "4"]


def test_only_false_breaks_a_rule_and_a_missing_column_fails_the_file(loaded: Loaded) -> None:
    assert loaded.rows("ruled", "amount", "name") == [(None, "z"), ("1", "x"), ("2", "w")]
    lacks = loaded.file("ruled", "lacks.csv")
    assert (lacks.status, lacks.error_code) == (FileStatus.FAILED, "RULE_ERROR")
    assert loaded.lake.quarantined(loaded.feeds["ruled"]) == [
        ('-1,y', "positive", "positive: CAST(amount AS INT) > 0 is false"),
        ('ten,v', "positive", "positive: CAST(amount AS INT) > 0: a value is not of the type it is cast to"),
    ]  # fmt: skip
    assert loaded.file("strict_rule", "b.csv").status is FileStatus.QUARANTINED
    assert loaded.rows("strict_rule", "amount") == [("1",)]


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


def test_a_few_large_files_which_are_read_one_by_one_end_as_small_ones_do(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, next_second: Callable[[], None]
) -> None:
    monkeypatch.setattr(spark_paths, "LARGE_FILE", 0)
    feeds = lake.feed("large"), lake.feed("large_some_bad", max_reject_percent=50.0)
    contents = {"a.csv": TWO, "b #1.csv": "name,id\ncy,3\n", "bad.csv": "id,name\n4\n5,eve\n"}
    for feed in feeds:
        for name, content in contents.items():
            lake.put(feed, name, content)
    lake.put(feeds[0], "changed.csv", "id,name\n6,fay\n")
    lake.sync(*feeds)
    batch = lake.claim(*feeds)
    next_second()
    lake.put(feeds[0], "changed.csv", "id,name\n7,gus\n")
    assert lake.load(batch).files == {"SUCCESS": 5, "QUARANTINED": 1, "FAILED": 1}
    assert lake.files(batch, feeds[0])["changed.csv"].error_code == "FILE_CHANGED"
    for feed, rows in ((feeds[0], [("1", "ann"), ("2", "bob"), ("3", "cy")]), (feeds[1], [("5", "eve")])):
        loaded = lake.rows(feed, "id", "name")
        assert loaded[-len(rows) :] == rows
        found = {one.file_name: one.row_count for one in lake.files(batch, feed).values()}
        assert (found["a.csv"], found["b #1.csv"]) == (2, 1)
    [row] = lake.spark.table(feeds[0].table).where("id = '3'").select("_source_file").collect()
    assert row["_source_file"].endswith("/large/b #1.csv")


def test_large_files_of_any_second_share_the_code_that_spark_generates(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, next_second: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spark_paths, "LARGE_FILE", 0)
    feed = lake.feed("one_code")
    lake.put(feed, "a.csv", TWO)
    next_second()
    lake.put(feed, "b.csv", TWO)

    def generated(file: SourceFile) -> list[str]:
        claim = OpenClaim(digest(file.path), file.path, file.size, int(file.modified.timestamp()), "", feed)
        rows = claimed_rows(
            lake.spark, [claim], lambda some, version: well_formed_rows(lake.spark, some, ("id", "name"), version)
        )
        rows.drop("_metadata").explain(mode="codegen")
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("/* ")]

    # The tests' stack does without generated code.
    generating = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    before = {setting: lake.spark.conf.get(setting) for setting in generating}
    for setting, value in generating.items():
        lake.spark.conf.set(setting, value)
    try:
        one, other = [generated(file) for file in lake.listed(feed)]
    finally:
        for setting, value in before.items():
            lake.spark.conf.set(setting, value)
    assert one == other
    assert any("GeneratedIterator" in line for line in one)
