"""A path that comes again: replaced in one commit, skipped or appended, as the feed wants it."""

import bz2
from collections.abc import Callable

import pytest

from hub_core.model import OnRedelivery
from tests.lake import Lake

pytestmark = pytest.mark.stack

OLD, NEW = "id,name\n1,old\n2,old\n", "id,name\n2,new\n3,new\n4,new\n"


def test_a_newer_version_replaces_is_skipped_or_is_appended(lake: Lake, next_second: Callable[[], None]) -> None:
    replace, skip, append = feeds = [lake.feed(f"again_{mode}", on_redelivery=mode) for mode in (
        OnRedelivery.REPLACE, OnRedelivery.SKIP, OnRedelivery.APPEND
    )]  # fmt: skip
    lake.sync(*feeds)
    for feed in feeds:
        lake.put(feed, "a.csv", OLD)
        lake.put(feed, "other.csv", "id,name\n9,other\n")
    lake.load(lake.claim(*feeds))
    next_second()
    for feed in feeds:
        lake.put(feed, "a.csv", NEW)
    batch = lake.claim(*feeds)
    lake.load(batch)
    new = [("2", "new"), ("3", "new"), ("4", "new")]
    assert lake.rows(replace, "id", "name") == [*new, ("9", "other")]
    assert len(lake.commits(replace)) == 2
    assert lake.rows(skip, "id", "name") == [("1", "old"), ("2", "old"), ("9", "other")]
    skipped = lake.files(batch, skip)["a.csv"]
    assert (skipped.status, skipped.row_count, "skip" in (skipped.error_message or "")) == ("SUCCESS", 0, True)
    assert lake.rows(append, "id", "name") == sorted([("1", "old"), ("2", "old"), *new, ("9", "other")])


def test_a_newer_version_that_is_quarantined_leaves_the_old_rows(lake: Lake, next_second: Callable[[], None]) -> None:
    feed = lake.feed("again_bad")
    lake.sync(feed)
    lake.put(feed, "a.csv", OLD)
    lake.load(lake.claim(feed))
    next_second()
    lake.put(feed, "a.csv", "id,name\n1\n")
    batch = lake.claim(feed)
    lake.load(batch)
    assert lake.files(batch, feed)["a.csv"].status == "QUARANTINED"
    assert lake.rows(feed, "id", "name") == [("1", "old"), ("2", "old")]


def test_the_same_version_again_replaces_its_rows(lake: Lake) -> None:
    feed = lake.feed("again_forced", on_redelivery=OnRedelivery.APPEND)
    lake.sync(feed)
    lake.put(feed, "a.csv", OLD)
    lake.load(lake.claim(feed))
    lake.load(lake.claim(feed, attempt=2))
    assert lake.rows(feed, "id", "name") == [("1", "old"), ("2", "old")]


def test_a_newer_version_that_spark_reads_as_empty_takes_no_rows_out(
    lake: Lake, next_second: Callable[[], None]
) -> None:
    feed = lake.feed("again_unpacked")
    lake.sync(feed)
    lake.put(feed, "a.csv.bz2", bz2.compress(OLD.encode()))
    lake.load(lake.claim(feed))
    next_second()
    lake.put(feed, "a.csv.bz2", NEW)
    batch = lake.claim(feed)
    lake.load(batch)
    assert lake.files(batch, feed)["a.csv.bz2"].error_code == "UNREADABLE_FILE"
    assert lake.rows(feed, "id", "name") == [("1", "old"), ("2", "old")]


def test_a_version_that_was_skipped_is_loaded_with_force(lake: Lake, next_second: Callable[[], None]) -> None:
    feed = lake.feed("again_wanted", on_redelivery=OnRedelivery.SKIP)
    lake.sync(feed)
    lake.put(feed, "a.csv", OLD)
    lake.load(lake.claim(feed))
    next_second()
    lake.put(feed, "a.csv", NEW)
    lake.load(lake.claim(feed))
    assert lake.rows(feed, "id", "name") == [("1", "old"), ("2", "old")]
    lake.load(lake.claim(feed, attempt=2))
    assert lake.rows(feed, "id", "name") == [("2", "new"), ("3", "new"), ("4", "new")]
