"""Which file versions are due."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.codes import PASSING, FileError
from hub_core.feeds import parse_config
from hub_core.model import Claim, DateSource, Feed, FileStatus, SourceFile, TrackedFile, Trigger
from hub_core.request import EVERYTHING, Window
from hub_core.resolve import (
    MAX_UNATTENDED_ATTEMPTS,
    Candidate,
    Plan,
    Scope,
    candidates,
    date_in_path,
    file_date,
    files_due,
    folders_ruled_out,
    foreign_holders,
    settled_before,
)
from tests.unit.doubles import HEADER, NOW, ROOT, config_row

FOLDER = f"{ROOT}falcon/txn/credit/"
YESTERDAY = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("sales_20260131.csv", date(2026, 1, 31)),
        ("sales_2026-01-31.csv", date(2026, 1, 31)),
        ("2026/01/31/sales.csv", date(2026, 1, 31)),
        ("x/2026/01/31/sales_20250101.csv", date(2026, 1, 31)),  # the first
        ("sales_20260131235959.csv", date(2026, 1, 31)),
        ("sales_202601312359.csv", date(2026, 1, 31)),
        ("sales_20260131235959123.csv", date(2026, 1, 31)),
        ("sales_2026013100.csv", date(2026, 1, 31)),
        ("sales_2026013123.csv", date(2026, 1, 31)),
        ("sales_2026013124.csv", None),
        ("sales_1705312345.csv", None),  # seconds since 1970
        ("sales_20260131T235959Z.csv", date(2026, 1, 31)),
        ("sales_2026-01-31-07.csv", date(2026, 1, 31)),
        ("sales_20261399_20260131.csv", date(2026, 1, 31)),  # the first valid
        ("sales_20260230.csv", None),
        ("sales_20240229.csv", date(2024, 2, 29)),
        ("sales_20250229.csv", None),
        ("2026/13/01/x_2026-02-01.csv", date(2026, 2, 1)),
        ("2026/2026/01/31/x.csv", date(2026, 1, 31)),
        ("id_1234567890123456789.csv", None),  # the middle of a longer number is no date
        ("id_920260131.csv", None),
        ("id_2026013199.csv", None),
        ("id_92026-01-31.csv", None),
        ("id_2026-01-310.csv", None),
        ("2026/01/310/x.csv", None),
        ("sales_00000101.csv", None),
        ("sales_18991231.csv", None),
        ("sales_99991231.csv", None),
        ("sales_26-01-31.csv", None),
        ("sales_2026-1-31.csv", None),
        ("sales_2026/0131.csv", None),
        ("sales_٢٠٢٦٠١٣١.csv", None),
        ("", None),
    ],
)
def test_a_files_date_is_the_first_valid_one_in_its_path(path: str, found: date | None) -> None:
    assert date_in_path(path) == found


def oracle(path: str) -> date | None:
    """Every place of the path, and every way to write a date there."""
    for start in range(len(path)):
        if start and path[start - 1] in "0123456789":
            continue
        numbers = [(8, r"\d{8}"), (10, r"\d{8}([01]\d|2[0-3])"), *((n, rf"\d{{{n}}}") for n in (12, 14, 17))]
        for digits, form in [*numbers, (10, "-"), (10, "/")]:
            text = path[start : start + digits]
            pattern = rf"\d{{4}}{form}\d{{2}}{form}\d{{2}}" if form in "-/" else form
            after = path[start + digits : start + digits + 1]
            if not re.fullmatch(pattern, text, re.ASCII) or after in set("0123456789"):
                continue
            plain = text.replace("-", "").replace("/", "")
            try:
                found = date(int(plain[:4]), int(plain[4:6]), int(plain[6:8]))
            except ValueError:
                continue
            if 1900 <= found.year < 2200:
                return found
    return None


PIECES = st.sampled_from(
    ["2026", "01", "31", "13", "-", "/", "_", "20260131", "2026-01-31", "2026/02/30", "235959", "0", "9", "x", "1899"]
)


@given(st.lists(PIECES, max_size=7).map("".join) | st.text("0123-/_", max_size=20))
def test_the_date_in_a_path_agrees_with_looking_everywhere(path: str) -> None:
    assert date_in_path(path) == oracle(path)


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d"]))
def test_any_day_is_found_in_each_form(day: date, form: str) -> None:
    assert date_in_path(f"x_{day.strftime(form)}.csv") == day


@pytest.mark.parametrize(
    ("path", "source", "found"),
    [
        ("a_20260131.csv", DateSource.AUTO, date(2026, 1, 31)),
        ("a.csv", DateSource.AUTO, date(2026, 3, 10)),
        ("a_20260131.csv", DateSource.MODIFIED, date(2026, 3, 10)),
        ("a_20260131.csv", DateSource.NAME, date(2026, 1, 31)),
        ("a.csv", DateSource.NAME, None),
    ],
)
def test_date_source_pins_where_the_date_comes_from(path: str, source: DateSource, found: date | None) -> None:
    assert file_date(path, NOW, source) == found


def feed(subcategory: str = "credit", pattern: str = "*.csv", **changes: object) -> Feed:
    text = f"{HEADER}\n{config_row(subcategory, pattern)}\n"
    [parsed] = parse_config(text, lob="falcon", catalog="main", allowed_roots=(ROOT,)).feeds
    return replace(parsed, **changes)


def landed(name: str, **facts: object) -> SourceFile:
    return replace(SourceFile(f"{FOLDER}{name}", 10, YESTERDAY, "1"), **facts)


@pytest.mark.parametrize(
    ("name", "scope", "reason"),
    [
        ("a.csv", Scope(EVERYTHING), None),
        ("2026/01/a.csv", Scope(EVERYTHING), None),
        ("a.txt", Scope(EVERYTHING), "other_pattern"),
        ("_a.csv", Scope(EVERYTHING), "hidden"),
        ("_tmp/a.csv", Scope(EVERYTHING), "hidden"),
        (".a.csv", Scope(EVERYTHING), "hidden"),
        ("../debit/a.csv", Scope(EVERYTHING), "hidden"),
        ("x//a.csv", Scope(EVERYTHING), "bad_name"),
        ("x\\a.csv", Scope(EVERYTHING), "bad_name"),
        ("x\na.csv", Scope(EVERYTHING), "bad_name"),
        ("a.csv", Scope(EVERYTHING, "b.csv"), "other_name"),
        ("2026/a.csv", Scope(EVERYTHING, "a.csv"), None),
        ("2026/a.csv", Scope(EVERYTHING, "2026/*.csv"), None),
        ("2025/a.csv", Scope(EVERYTHING, "2026/*.csv"), "other_name"),
        ("a_20260101.csv", Scope(Window(date(2026, 1, 2), None)), "outside_window"),
        ("a_20260102.csv", Scope(Window(date(2026, 1, 2), None)), None),
        ("a_20260102.csv", Scope(Window(None, date(2026, 1, 1))), "outside_window"),
        ("a.csv", Scope(EVERYTHING, settled_before=YESTERDAY), None),
        ("a.csv", Scope(EVERYTHING, settled_before=YESTERDAY - timedelta(seconds=1)), "settling"),
    ],
)
def test_a_listed_file_is_wanted_or_says_why_not(name: str, scope: Scope, reason: str | None) -> None:
    found = candidates([landed(name)], [feed()], scope)
    assert found.skipped == Counter([reason] if reason else [])
    assert len(found.wanted) == (reason is None)


def test_candidates_come_while_the_listing_goes_on_and_all_of_them_however_often_they_are_gone_through() -> None:
    listed: list[str] = []

    def listing() -> Iterator[SourceFile]:
        for name in ("a.csv", "_hidden.csv", "b.csv"):
            listed.append(name)
            yield landed(name)

    found = candidates(listing(), [feed()], Scope(EVERYTHING))
    first = next(iter(found))
    assert (first.file, listed) == (landed("a.csv"), ["a.csv"])
    assert found.skipped == Counter(["hidden"])
    assert [one.file for one in found] == [one.file for one in found.wanted] == [landed("a.csv"), landed("b.csv")]
    assert listed == ["a.csv", "_hidden.csv", "b.csv"]


def test_two_feeds_may_want_the_same_file() -> None:
    feeds = [feed(), feed(pattern="a*")]
    assert len(candidates([landed("a.csv")], feeds, Scope(EVERYTHING)).wanted) == 2


def test_a_file_of_another_folder_is_no_feeds_business() -> None:
    found = candidates([replace(landed("a.csv"), path=f"{ROOT}falcon/txn/credit2/a.csv")], [feed()], Scope(EVERYTHING))
    assert (found.wanted, found.skipped) == ([], Counter())


MARCH = Window(date(2026, 3, 1), date(2026, 3, 31))


@pytest.mark.parametrize(
    ("below", "out"),
    [
        ("2026/02/28/", True),
        ("2026/03/01/", False),
        ("eu/20260401/", True),
        ("2026-02-01/20260301/", True),  # the first date counts
        ("2026/", False),
        ("2026/02/", False),  # perhaps no month: the file's name may have the first whole date
        ("20260299/", False),
        ("eu/", False),
    ],
)
def test_a_folder_with_a_date_outside_the_window_is_ruled_out(below: str, out: bool) -> None:
    ruled_out = folders_ruled_out([feed()], MARCH)
    assert ruled_out is not None
    assert ruled_out(FOLDER + below) is out


def test_no_folder_is_ruled_out_where_the_last_modified_date_counts() -> None:
    assert folders_ruled_out([feed()], EVERYTHING) is None
    assert folders_ruled_out([feed()], replace(MARCH, by_either=True)) is None
    assert folders_ruled_out([feed(date_source=DateSource.MODIFIED)], MARCH) is None
    both = folders_ruled_out([feed(), feed(date_source=DateSource.MODIFIED)], MARCH)
    assert both is not None
    assert not both(f"{FOLDER}2026/02/28/")


def test_a_folder_that_another_feed_reads_from_within_is_not_ruled_out() -> None:
    inner = replace(feed(), source_path=f"{FOLDER}2026/02/28/inner/")
    ruled_out = folders_ruled_out([feed(), inner], MARCH)
    assert ruled_out is not None
    assert not ruled_out(f"{FOLDER}2026/02/28/")


@given(
    st.lists(
        st.lists(st.sampled_from(["2026", "03", "02", "28", "20260228", "2026-03-05", "eu"]), max_size=5), max_size=12
    ),
    st.sampled_from(DateSource),
)
def test_what_is_wanted_is_the_same_with_and_without_the_folders_ruled_out(
    folders: list[list[str]], source: DateSource
) -> None:
    files = [landed("/".join([*parts, f"f{number}.csv"])) for number, parts in enumerate(folders)]
    mine = feed(date_source=source)
    ruled_out = folders_ruled_out([mine], MARCH) or (lambda _: False)

    def kept(path: str) -> bool:
        ends = [place + 1 for place, letter in enumerate(path) if letter == "/" and place >= len(FOLDER)]
        return not any(ruled_out(path[:end]) for end in ends)

    whole, pruned = (candidates(some, [mine], Scope(MARCH)) for some in (files, [f for f in files if kept(f.path)]))
    assert pruned.wanted == whole.wanted


def test_a_listing_ignores_files_younger_than_the_settle_time_and_none_where_writes_are_atomic() -> None:
    assert settled_before(NOW, 30) == NOW - timedelta(seconds=30)
    assert settled_before(NOW, 0) is None


def tracked(file: SourceFile, status: FileStatus, **facts: object) -> TrackedFile:
    row = TrackedFile(feed().config_id, file, status, attempt=1, batch_id="earlier")
    return replace(row, **facts)


def due(
    file: SourceFile, *rows: TrackedFile, trigger: Trigger = Trigger.REQUEST, force: bool = False, batch: str = "mine"
) -> Plan:
    return files_due([Candidate(feed(), file)], rows, batch_id=batch, trigger=trigger, force=force)


FILE = landed("a.csv")
NEWER = replace(FILE, modified=NOW, etag="2")


@pytest.mark.parametrize(
    ("status", "force", "is_due"),
    [
        (FileStatus.SUCCESS, False, False),
        (FileStatus.QUARANTINED, False, False),
        (FileStatus.CLAIMED, False, False),
        (FileStatus.FAILED, False, True),
        (FileStatus.SUCCESS, True, True),
        (FileStatus.QUARANTINED, True, True),
        (FileStatus.CLAIMED, True, False),
        (FileStatus.FAILED, True, True),
    ],
)
def test_only_versions_that_are_not_success_quarantined_or_claimed_are_due_and_force_takes_the_first_two(
    status: FileStatus, force: bool, is_due: bool
) -> None:
    plan = due(FILE, tracked(FILE, status), force=force)
    assert [claim.attempt for claim in plan.claims] == ([2] if is_due else [])


def test_a_file_that_nobody_knows_is_due_with_attempt_one() -> None:
    assert due(FILE).claims == [Claim(feed(), FILE, 1)]


@pytest.mark.parametrize("trigger", [Trigger.EVENT, Trigger.SWEEP])
@pytest.mark.parametrize("code", list(FileError))
def test_a_failed_file_is_due_again_unattended_only_if_the_error_is_a_passing_one(
    code: FileError, trigger: Trigger
) -> None:
    plan = due(FILE, tracked(FILE, FileStatus.FAILED, error_code=code), trigger=trigger)
    assert bool(plan.claims) is (code in PASSING)


def test_unattended_a_version_is_tried_three_times_at_most_and_on_request_as_often_as_asked() -> None:
    for attempt in range(1, 6):
        row = tracked(FILE, FileStatus.FAILED, error_code=FileError.RUN_LOST, attempt=attempt)
        assert bool(due(FILE, row, trigger=Trigger.EVENT).claims) is (attempt < MAX_UNATTENDED_ATTEMPTS)
        assert due(FILE, row).claims[0].attempt == attempt + 1
    assert MAX_UNATTENDED_ATTEMPTS == 3


@pytest.mark.parametrize("trigger", [Trigger.REQUEST, Trigger.EVENT, Trigger.SWEEP])
def test_a_file_overwritten_in_place_is_a_new_version_with_attempts_of_its_own(trigger: Trigger) -> None:
    rows = [tracked(FILE, FileStatus.SUCCESS), tracked(FILE, FileStatus.FAILED, attempt=7)]
    assert [claim.attempt for claim in due(NEWER, *rows, trigger=trigger).claims] == [1]


def test_a_claim_says_whether_a_version_was_loaded_before() -> None:
    assert [claim.again for claim in due(NEWER, tracked(FILE, FileStatus.SUCCESS)).claims] == [True]
    assert [claim.again for claim in due(FILE, tracked(FILE, FileStatus.SUCCESS), force=True).claims] == [True]
    assert [claim.again for claim in due(NEWER, tracked(FILE, FileStatus.FAILED)).claims] == [False]


def test_a_newer_version_waits_while_an_older_one_is_claimed() -> None:
    plan = due(NEWER, tracked(FILE, FileStatus.CLAIMED, run_id="7"))
    assert (plan.claims, plan.held_by) == ([], {"earlier": "7"})
    assert plan.skipped == Counter(claimed=1)


def test_the_loads_own_claims_are_neither_due_nor_waited_for() -> None:
    plan = due(FILE, tracked(FILE, FileStatus.CLAIMED, batch_id="mine"))
    assert (plan.claims, plan.held_by) == ([], {})


@pytest.mark.parametrize("status", [FileStatus.SUCCESS, FileStatus.FAILED, FileStatus.QUARANTINED])
def test_what_the_load_itself_has_ended_is_not_due_again_even_with_force(status: FileStatus) -> None:
    assert due(FILE, tracked(FILE, status, batch_id="mine"), force=True).claims == []


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("1", "1", True), ("1", "2", False), ("1", None, True), (None, "1", True), (None, None, True)],
)
def test_etags_count_only_where_both_sides_know_them(ours: str | None, theirs: str | None, same: bool) -> None:
    known = tracked(replace(FILE, etag=theirs), FileStatus.SUCCESS)
    assert bool(due(replace(FILE, etag=ours), known).claims) is not same


@pytest.mark.parametrize(
    "other",
    [
        replace(FILE, size=11),
        replace(FILE, modified=FILE.modified + timedelta(seconds=1)),
    ],
)
def test_another_size_or_second_is_another_version(other: SourceFile) -> None:
    assert due(other, tracked(FILE, FileStatus.SUCCESS)).claims


def test_fractions_of_a_second_and_zones_do_not_make_a_version() -> None:
    zoned = FILE.modified.astimezone(UTC).replace(microsecond=999_999)
    assert not due(replace(FILE, modified=zoned), tracked(FILE, FileStatus.SUCCESS)).claims


def test_the_newest_attempt_of_a_version_decides_whoever_made_it() -> None:
    rows = [
        tracked(replace(FILE, etag=None), FileStatus.SUCCESS, attempt=2),
        tracked(FILE, FileStatus.FAILED, attempt=1),
    ]
    assert due(FILE, *rows).claims == []
    assert due(FILE, *reversed(rows)).claims == []


def test_another_feeds_rows_for_the_same_file_do_not_count() -> None:
    assert due(FILE, tracked(FILE, FileStatus.SUCCESS, config_id="other")).claims


def test_claims_lost_in_the_race_name_who_won_them() -> None:
    lost, won = Claim(feed(), FILE, 1), Claim(feed(), landed("b.csv"), 1)
    rows = [
        tracked(FILE, FileStatus.CLAIMED, batch_id="theirs", run_id="9"),
        tracked(landed("b.csv"), FileStatus.CLAIMED, batch_id="mine"),
        tracked(landed("c.csv"), FileStatus.CLAIMED, batch_id="third"),
        tracked(FILE, FileStatus.SUCCESS, batch_id="fourth"),
    ]
    assert foreign_holders([lost, won], {(feed().config_id, won.file.path)}, rows, "mine") == {"theirs": "9"}


VERSIONS = st.builds(
    lambda size, second, etag: replace(
        FILE, size=size, modified=datetime(2026, 3, 1, 0, 0, second, tzinfo=UTC), etag=etag
    ),
    st.integers(1, 2),
    st.integers(0, 1),
    st.sampled_from([None, "1", "2"]),
)
ROWS = st.builds(
    lambda file, status, attempt, batch, code: tracked(file, status, attempt=attempt, batch_id=batch, error_code=code),
    VERSIONS,
    st.sampled_from(FileStatus),
    st.integers(1, 4),
    st.sampled_from(["mine", "theirs"]),
    st.sampled_from([None, *FileError]),
)


@given(VERSIONS, st.lists(ROWS, max_size=5), st.sampled_from(Trigger), st.booleans())
def test_a_claim_is_never_one_that_the_trackers_merge_would_refuse(
    file: SourceFile, rows: list[TrackedFile], trigger: Trigger, force: bool
) -> None:
    plan = due(file, *rows, trigger=trigger, force=force)
    assert len(plan.claims) + sum(plan.skipped.values()) == 1
    for claim in plan.claims:
        assert not any(
            row.status is FileStatus.CLAIMED or (row.file.same_version(file) and row.attempt >= claim.attempt)
            for row in rows
        )
