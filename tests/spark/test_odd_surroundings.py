"""What the loader finds rather than makes: sessions of other zones, tables and views that others made, odd rules."""

from collections.abc import Callable, Iterator

import pytest

from hub_core.model import FileStatus
from spark_jobs import spark_paths
from tests.lake import Lake

pytestmark = pytest.mark.stack

TWO = "id,name\n1,ann\n2,bob\n"
BAD = "id,name\n1,ann\n2\n"


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files are as large as those that are read one by one."""
    monkeypatch.setattr(spark_paths, "LARGE_FILE", 0)


@pytest.fixture
def far_west(lake: Lake) -> Iterator[None]:
    lake.spark.conf.set("spark.sql.session.timeZone", "America/Los_Angeles")
    yield
    lake.spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.usefixtures("one_by_one", "far_west")
def test_large_files_are_read_and_replaced_whatever_the_sessions_zone_is(
    lake: Lake, next_second: Callable[[], None]
) -> None:
    feed = lake.feed("zoned")
    lake.sync(feed)
    lake.put(feed, "a.csv", TWO)
    assert lake.load(lake.claim(feed)).files == {"SUCCESS": 1}
    assert lake.rows(feed, "id") == [("1",), ("2",)]
    next_second()
    lake.put(feed, "a.csv", "id,name\n3,cy\n")
    assert lake.load(lake.claim(feed)).files == {"SUCCESS": 1}
    assert lake.rows(feed, "id") == [("3",)]


@pytest.mark.usefixtures("one_by_one")
def test_a_large_file_that_changed_is_told_of_where_it_is_alone_too(
    lake: Lake, next_second: Callable[[], None]
) -> None:
    feed = lake.feed("changed_alone")
    lake.sync(feed)
    lake.put(feed, "a.csv", TWO)
    batch = lake.claim(feed)
    next_second()
    lake.put(feed, "a.csv", "id,name\n3,cy\n")
    lake.load(batch)
    assert lake.files(batch, feed)["a.csv"].error_code == "FILE_CHANGED"


def test_a_table_without_the_hubs_columns_takes_the_good_files_and_not_the_bad_one(lake: Lake) -> None:
    feed = lake.feed("made_by_a_dba")
    lake.sync(feed)
    lake.sql.execute("CREATE SCHEMA IF NOT EXISTS falcon_bronze", {})
    lake.sql.execute(f"CREATE TABLE {feed.table} (id STRING, name STRING) USING DELTA", {})
    lake.put(feed, "good.csv", TWO)
    lake.put(feed, "bad.csv", BAD)
    batch = lake.claim(feed)
    lake.load(batch)
    found = {name: (file.status, file.row_count) for name, file in lake.files(batch, feed).items()}
    assert found == {"good.csv": (FileStatus.SUCCESS, 2), "bad.csv": (FileStatus.QUARANTINED, 0)}
    assert lake.rows(feed, "id", "name") == [("1", "ann"), ("2", "bob")]


def test_a_destination_that_is_a_view_fails_its_files_and_no_others(lake: Lake) -> None:
    view, table = lake.feed("a_view"), lake.feed("a_table")
    lake.sync(view, table)
    lake.sql.execute("CREATE SCHEMA IF NOT EXISTS falcon_bronze", {})
    lake.sql.execute(f"CREATE VIEW {view.table} AS SELECT '1' AS id, 'x' AS name", {})
    for feed in (view, table):
        lake.put(feed, "a.csv", TWO)
    batch = lake.claim(view, table)
    lake.load(batch)
    assert lake.files(batch, table)["a.csv"].status is FileStatus.SUCCESS
    failed = lake.files(batch, view)["a.csv"]
    assert (failed.status, failed.error_code) == (FileStatus.FAILED, "DESTINATION")


RULE = (
    "later: CAST(n AS INT) > 0 AND datediff(b, a) = 1 AND get_json_object(doc, '$.x') = '1'; "
    "tried: bigint(n) > 0 AND coalesce(try_cast(b AS INT), 1) = 1"
)
GOOD = 'n,a,b,doc\n1,2026-01-01 23:00:00,2026-01-02 01:00:00,"{""x"": 1}"\n'


def test_a_rule_means_the_same_beside_a_bad_file_as_alone(lake: Lake) -> None:
    alone, beside = lake.feed("rule_alone", quality_rules=RULE), lake.feed("rule_beside", quality_rules=RULE)
    lake.sync(alone, beside)
    for feed in (alone, beside):
        lake.put(feed, "good.csv", GOOD)
    lake.put(beside, "bad.csv", GOOD + 'many,2026-01-01,2026-01-02,"{""x"": 1}"\n')
    batch = lake.claim(alone, beside)
    lake.load(batch)
    found = {
        (feed.category, name): file.status for feed in (alone, beside) for name, file in lake.files(batch, feed).items()
    }
    assert found == {
        (alone.category, "good.csv"): FileStatus.SUCCESS,
        (beside.category, "good.csv"): FileStatus.SUCCESS,
        (beside.category, "bad.csv"): FileStatus.QUARANTINED,
    }
