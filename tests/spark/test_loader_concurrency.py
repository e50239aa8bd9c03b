"""Loads that meet in one table, tables that are loaded side by side, and readers that look on."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from hub_core.model import Feed, SchemaDrift
from spark_jobs.destination import Destination
from spark_jobs.loader import TABLES_AT_ONCE, Loader
from spark_jobs.loading import GroupLoader
from tests.lake import Lake

pytestmark = pytest.mark.stack


class Spans:
    """When calls of a method began and ended."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, float]] = []

    def watch(
        self, patch: pytest.MonkeyPatch, owner: type, method: str, name: Callable[..., str], together: int
    ) -> None:
        """From now on; the first `together` calls begin at the same instant."""
        original = getattr(owner, method)
        barrier, calls = threading.Barrier(together), iter(range(together))

        def watched(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is not None:
                barrier.wait(timeout=60)
            began = time.monotonic()
            try:
                return original(*arguments, **options)
            finally:
                self.seen.append((name(*arguments), began, time.monotonic()))

        patch.setattr(owner, method, watched)

    def most_at_once(self) -> int:
        """The largest number of calls at one instant."""
        return max(sum(other <= began < ended for _, other, ended in self.seen) for _, began, _ in self.seen)

    def of(self, name: str) -> "Spans":
        """Those of one name."""
        some = Spans()
        some.seen = [span for span in self.seen if span[0] == name]
        return some


@pytest.fixture
def load_at_once(lake: Lake, new_session: Callable[[], Any]) -> Callable[[Sequence[str]], None]:
    """Loads batches at once, each in a session of its own."""

    def load(batches: Sequence[str]) -> None:
        loaders = [Loader(new_session(), lake.catalog, batch) for batch in batches]
        with ThreadPoolExecutor(len(loaders)) as pool:
            for done in [pool.submit(loader.run) for loader in loaders]:
                done.result()

    return load


def _claimed(lake: Lake, feed: Feed, **files: str) -> list[str]:
    """A batch for each of the files."""
    batches = []
    for name, content in files.items():
        lake.put(feed, f"{name}.csv", content)
        batches.append(lake.claim(feed))
    return batches


def _states(lake: Lake, batches: Sequence[str]) -> list[dict[str, int]]:
    return [{str(status): count for status, count in lake.tracker.outcome(batch).files.items()} for batch in batches]


def test_loads_that_make_one_table_at_once_both_end_well_and_neither_drifts_where_the_feed_forbids_it(
    lake: Lake, load_at_once: Callable[[Sequence[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, fail = feeds = [
        lake.feed(f"made_{drift}", schema_drift=drift) for drift in (SchemaDrift.ADD, SchemaDrift.FAIL)
    ]
    lake.sync(*feeds)
    batches = [_claimed(lake, feed, left="id,left\n2,l\n", right="right,id\nr,3\n") for feed in feeds]
    spans = Spans()
    spans.watch(monkeypatch, Destination, "_create", lambda table, _: table.table, together=4)
    load_at_once([*batches[0], *batches[1]])
    assert spans.most_at_once() == 4
    assert _states(lake, batches[0]) == [{"SUCCESS": 1}] * 2
    assert lake.rows(add, "id", "left", "right") == [("2", "l", None), ("3", None, "r")]
    assert sorted(_states(lake, batches[1]), key=str) == [{"FAILED": 1}, {"SUCCESS": 1}]
    assert {file.error_code for batch in batches[1] for file in lake.files(batch).values()} == {None, "SCHEMA_DRIFT"}
    assert len(lake.rows(fail, "id")) == 1


def test_loads_that_add_different_columns_to_one_table_at_once_both_end_well(
    lake: Lake, load_at_once: Callable[[Sequence[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = lake.feed("columns")
    lake.sync(feed)
    lake.put(feed, "a.csv", "id\n1\n")
    lake.load(lake.claim(feed))
    batches = _claimed(lake, feed, left="id,left\n2,l\n", right="right,id\nr,3\n")
    spans = Spans()
    spans.watch(monkeypatch, Destination, "append", lambda table, *_: table.table, together=2)
    load_at_once(batches)
    assert spans.most_at_once() == 2
    assert _states(lake, batches) == [{"SUCCESS": 1}] * 2
    assert lake.rows(feed, "id", "left", "right") == [("1", None, None), ("2", "l", None), ("3", None, "r")]


def test_a_load_that_appends_to_a_table_and_one_that_replaces_in_it_at_once_both_end_well(
    lake: Lake,
    load_at_once: Callable[[Sequence[str]], None],
    monkeypatch: pytest.MonkeyPatch,
    next_second: Callable[[], None],
) -> None:
    feed = lake.feed("met")
    lake.sync(feed)
    lake.put(feed, "again.csv", "id\n1\n2\n")
    lake.load(lake.claim(feed))
    next_second()
    batches = _claimed(lake, feed, again="id\n3\n", one="id\n4\n")
    spans = Spans()
    spans.watch(monkeypatch, Destination, "append", lambda table, *_: table.table, together=2)
    load_at_once(batches)
    assert spans.most_at_once() == 2
    assert _states(lake, batches) == [{"SUCCESS": 1}] * 2
    assert lake.rows(feed, "id") == [("3",), ("4",)]


def test_a_run_loads_some_tables_at_once_and_the_groups_of_one_table_in_turn(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = [lake.feed(f"side{number}") for number in range(TABLES_AT_ONCE + 2)]
    feeds.append(replace(lake.feed("shared"), dest_table=feeds[0].dest_table))
    lake.sync(*feeds)
    for feed in feeds:
        lake.put(feed, "a.csv", "id\n1\n")
    spans = Spans()
    spans.watch(monkeypatch, GroupLoader, "load", lambda _, group: group.dest_table, together=TABLES_AT_ONCE)
    result = lake.load(lake.claim(*feeds))
    assert result.files == {"SUCCESS": len(feeds)}
    assert spans.most_at_once() == TABLES_AT_ONCE
    assert len(spans.of(feeds[0].table).seen) == 2
    assert spans.of(feeds[0].table).most_at_once() == 1


class Reader:
    """Reads a table again and again, beside what the test does with it."""

    def __init__(self, session: Any, feed: Feed) -> None:
        self._session = session
        self._statement = f"SELECT id, name, _tracker_id FROM {feed.table}"  # noqa: S608 — the test's own name
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.seen: list[tuple[Any, ...]] = []

    def read(self) -> tuple[Any, ...]:
        """The table's rows, now."""
        return tuple(sorted(tuple(row) for row in self._session.sql(self._statement).collect()))

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stopped.is_set():
            self.seen.append(self.read())


def test_a_reader_sees_the_old_rows_of_a_redelivered_file_or_the_new_ones_and_nothing_else(
    lake: Lake, new_session: Callable[[], Any], next_second: Callable[[], None]
) -> None:
    feed = lake.feed("watched")
    lake.sync(feed)
    lake.put(feed, "again.csv", "id,name\n" + "1,old\n" * 1000)
    lake.put(feed, "other.csv", "id,name\n2,other\n")
    lake.load(lake.claim(feed))
    next_second()
    lake.put(feed, "again.csv", "id,name\n" + "1,new\n" * 900)
    newer = lake.claim(feed)
    seen = [
        _watched(lake, new_session(), feed, newer),
        _watched(lake, new_session(), feed, lake.claim(feed, attempt=2)),
    ]
    assert [Counter(name for _, name, _ in rows) for rows in seen] == [{"new": 900, "other": 1}] * 2


def _watched(lake: Lake, session: Any, feed: Feed, batch: str) -> tuple[Any, ...]:
    """The table's rows after the load, which a reader has seen as they were before or as they are after."""
    reader = Reader(session, feed)
    old = reader.read()
    with reader:
        lake.load(batch)
    new = reader.read()
    assert new != old  # the same content again has other tracker_ids
    assert set(reader.seen) == {old, new}
    assert len(reader.seen) > 5
    return new
