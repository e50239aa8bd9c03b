"""`Tracker`: one suite for the stand-in and for the tables themselves, through the SQL warehouse."""

import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub_core.codes import FileError
from hub_core.feeds import parse_config
from hub_core.model import Claim, Feed, FileStatus, SourceFile
from hub_core.ports import Tracker
from hub_core.resolve import Candidate
from hub_core.sql import Sql
from tests.unit.doubles import HEADER, NOW, ROOT, MemoryTracker, config_row


@pytest.fixture
def lob() -> str:
    """Of its own for each test: the tables are shared."""
    return f"lob{uuid.uuid4().hex[:12]}"


@pytest.fixture
def feed(lob: str) -> Feed:
    return parse_config(
        f"{HEADER}\n{config_row(lob=lob)}\n", lob=lob, catalog="spark_catalog", allowed_roots=[ROOT]
    ).feeds[0]


@pytest.fixture
def sql(request: pytest.FixtureRequest) -> Sql:
    return request.getfixturevalue("warehouse_sql")


@pytest.fixture(params=["memory", pytest.param("warehouse", marks=pytest.mark.stack)])
def tracker(request: pytest.FixtureRequest) -> Tracker:
    if request.param == "memory":
        return MemoryTracker()
    from hub_core.tracker import SqlTracker

    return SqlTracker(request.getfixturevalue("warehouse_sql"), request.getfixturevalue("stack").catalog)


def _file(name: str = "a.csv", *, size: int = 10, seconds: int = 0, etag: str | None = "e1") -> SourceFile:
    return SourceFile(f"{ROOT}x/{name}", size, NOW + timedelta(seconds=seconds), etag)


def _known(tracker: Tracker, feed: Feed, file: SourceFile) -> list[tuple[FileStatus, int, str]]:
    rows = tracker.tracked(feed.lob, [Candidate(feed, file)])
    return sorted((row.status, row.attempt, row.batch_id) for row in rows)


def test_a_claim_is_read_back_as_it_was_made(tracker: Tracker, feed: Feed) -> None:
    file = _file("päth with, 'odd' #1 %41.csv")
    tracker.claim(feed.lob, "b1", [Claim(feed, file, 1)])
    assert tracker.claimed("b1") == {(feed.config_id, file.path)}
    [row] = tracker.tracked(feed.lob, [Candidate(feed, file)])
    assert (row.file, row.status, row.attempt, row.batch_id) == (file, FileStatus.CLAIMED, 1, "b1")


@pytest.mark.stack
def test_a_runs_open_batches_and_the_batches_of_late_are_found(sql: Sql, feed: Feed) -> None:
    from hub_core.tracker import SqlTracker

    tracker = SqlTracker(sql, "spark_catalog")
    batch, before = uuid.uuid4().hex, datetime.now(UTC) - timedelta(hours=1)
    tracker.claim(feed.lob, batch, [Claim(feed, _file(), 1)], run_id="77")
    assert tracker.open_batches(feed.lob, "77") == [batch]
    [found] = [one for one in tracker.recent_batches(feed.lob, before) if one.batch_id == batch]
    assert (found.run_id, found.claimed_at >= before) == ("77", True)
    assert tracker.recent_batches(feed.lob, datetime.now(UTC) + timedelta(hours=1)) == []
    tracker.settle(feed.lob, batch, FileError.RELEASED, "over")
    assert tracker.open_batches(feed.lob, "77") == []


def test_claiming_again_in_the_same_batch_changes_nothing(tracker: Tracker, feed: Feed) -> None:
    claims = [Claim(feed, _file(name), 1) for name in ("a.csv", "b.csv")]
    batch = uuid.uuid4().hex
    tracker.claim(feed.lob, batch, claims)
    tracker.claim(feed.lob, batch, claims)
    assert len(tracker.tracked(feed.lob, [Candidate(feed, claim.file) for claim in claims])) == 2


def test_a_file_that_is_claimed_is_not_claimed_by_another(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    tracker.claim(feed.lob, first, [Claim(feed, _file(), 1)])
    tracker.claim(feed.lob, second, [Claim(feed, _file(), 1)])
    assert tracker.claimed(second) == set()


def test_a_newer_version_waits_for_the_claim_on_its_path(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    tracker.claim(feed.lob, first, [Claim(feed, _file(), 1)])
    tracker.claim(feed.lob, second, [Claim(feed, _file(size=11, seconds=60, etag="e2"), 1)])
    assert tracker.claimed(second) == set()
    tracker.settle(feed.lob, first, FileError.RUN_LOST, "lost")
    tracker.claim(feed.lob, second, [Claim(feed, _file(size=11, seconds=60, etag="e2"), 1)])
    assert len(tracker.claimed(second)) == 1


def test_an_attempt_that_was_taken_is_not_taken_again_but_the_next_one_is(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    tracker.claim(feed.lob, first, [Claim(feed, _file(), 1)])
    tracker.settle(feed.lob, first, FileError.RUN_LOST, "lost")
    tracker.claim(feed.lob, second, [Claim(feed, _file(), 1)])
    assert tracker.claimed(second) == set()
    tracker.claim(feed.lob, second, [Claim(feed, _file(), 2)])
    assert len(tracker.claimed(second)) == 1
    assert (FileStatus.CLAIMED, 2, second) in _known(tracker, feed, _file())


def test_an_etag_that_one_side_cannot_see_does_not_tell_versions_apart(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    tracker.claim(feed.lob, first, [Claim(feed, _file(etag=None), 1)])
    tracker.settle(feed.lob, first, FileError.RUN_LOST, "lost")
    tracker.claim(feed.lob, second, [Claim(feed, _file(etag="e1"), 1)])
    assert tracker.claimed(second) == set()


def test_two_feeds_may_claim_the_same_file(tracker: Tracker, feed: Feed) -> None:
    batch = uuid.uuid4().hex
    other = replace(feed, subcategory="other")
    tracker.claim(feed.lob, batch, [Claim(feed, _file(), 1), Claim(other, _file(), 1)])
    assert len(tracker.claimed(batch)) == 2


def test_a_feed_knows_the_batch_that_claimed_for_it_last(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    assert tracker.last_loads(feed.lob) == {}
    for batch, name in ((first, "a.csv"), (second, "b.csv")):
        tracker.claim(feed.lob, batch, [Claim(feed, _file(name), 1)])
    [(config_id, (last, claimed_at))] = tracker.last_loads(feed.lob).items()
    assert (config_id, last) == (feed.config_id, second)
    assert claimed_at.tzinfo is not None


def test_settling_ends_the_open_claims_of_that_batch_only(tracker: Tracker, feed: Feed) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    tracker.claim(feed.lob, first, [Claim(feed, _file("a.csv"), 1)])
    tracker.claim(feed.lob, second, [Claim(feed, _file("b.csv"), 1)])
    tracker.settle(feed.lob, first, FileError.CANCELED, "canceled")
    assert tracker.outcome(first).files == {FileStatus.FAILED: 1}
    assert tracker.outcome(second).files == {FileStatus.CLAIMED: 1}


def test_loads_that_race_for_the_same_files_share_none(tracker: Tracker, feed: Feed) -> None:
    files = [_file(f"race_{number}.csv") for number in range(40)]
    batches = [uuid.uuid4().hex for _ in range(3)]
    barrier = threading.Barrier(len(batches))

    def race(batch: str) -> None:
        barrier.wait()
        tracker.claim(feed.lob, batch, [Claim(feed, file, 1) for file in files])

    threads = [threading.Thread(target=race, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [tracker.claimed(batch) for batch in batches]
    assert sum(len(claims) for claims in won) == len(files)
    assert len(set().union(*won)) == len(files)


@pytest.mark.stack
class TestTables:
    """What only the tables show."""

    @pytest.fixture
    def tables(self, request: pytest.FixtureRequest) -> Tracker:
        from hub_core.tracker import SqlTracker

        return SqlTracker(request.getfixturevalue("warehouse_sql"), request.getfixturevalue("stack").catalog)

    def test_a_config_is_merged_once_and_rows_that_left_it_become_inactive(
        self, tables: Tracker, lob: str, sql: Sql
    ) -> None:
        def config(*rows: str):
            text = "\n".join((HEADER, *rows))
            return parse_config(text, lob=lob, catalog="spark_catalog", allowed_roots=[ROOT])

        def active() -> dict[str, bool]:
            rows = sql.query(
                "SELECT subcategory, is_active FROM bronze_metadata.file_config WHERE lob = :lob", {"lob": lob}
            )
            return {str(row["subcategory"]): bool(row["is_active"]) for row in rows}

        both = config(config_row("a", lob=lob), config_row("b", lob=lob))
        assert tables.sync(lob, both, deactivate=True)
        assert not tables.sync(lob, both, deactivate=True)
        one = config(config_row("a", lob=lob), config_row("c", lob=lob))
        assert tables.sync(lob, one, deactivate=False)
        assert active() == {"a": True, "b": True, "c": True}
        assert tables.sync(lob, one, deactivate=True)
        assert active() == {"a": True, "b": False, "c": True}
        assert tables.sync(lob, both, deactivate=True)
        assert active() == {"a": True, "b": True, "c": False}

    def test_a_batchs_files_are_paged_and_filtered(self, tables: Tracker, feed: Feed) -> None:
        batch = uuid.uuid4().hex
        tables.claim(feed.lob, batch, [Claim(feed, _file(f"{number}.csv"), 1) for number in range(5)])
        seen: list[str] = []
        while page := tables.files(batch, None, seen[-1] if seen else "", 2):
            seen += [file.tracker_id for file in page]
        assert len(set(seen)) == 5
        assert tables.files(batch, FileStatus.SUCCESS, "", 10) == []
        assert len(tables.files(batch, FileStatus.CLAIMED, "", 10)) == 5

    def test_what_is_claimed_at_once_of_a_feed_comes_in_one_commit_apart_from_what_was_loaded_before(
        self, tables: Tracker, feed: Feed, sql: Sql
    ) -> None:
        other = replace(feed, subcategory="other")
        batch = uuid.uuid4().hex
        first = [Claim(feed, _file("a.csv"), 1), Claim(feed, _file("b.csv"), 1), Claim(other, _file("a.csv"), 1)]
        tables.claim(feed.lob, batch, [*first, Claim(feed, _file("again.csv"), 1, again=True)])
        tables.claim(feed.lob, batch, [*first, Claim(feed, _file("later.csv"), 1)])
        rows = sql.query(
            "SELECT commit_id, count(*) AS files FROM bronze_metadata.load_tracker "
            "WHERE lob = :lob AND batch_id = :batch GROUP BY commit_id",
            {"lob": feed.lob, "batch": batch},
        )
        assert sorted(int(str(row["files"])) for row in rows) == [1, 1, 1, 2]
        assert all(row["commit_id"] for row in rows)

    def test_twenty_thousand_files_are_claimed_by_one_statement(self, tables: Tracker, feed: Feed) -> None:
        batch = uuid.uuid4().hex
        tables.claim(feed.lob, batch, [Claim(feed, _file(f"many/{number:06d}.csv"), 1) for number in range(20_000)])
        assert len(tables.claimed(batch)) == 20_000
