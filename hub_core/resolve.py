"""Which file versions are due: files in storage, less those that the tracker is done with. No I/O."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from hub_core.codes import PASSING
from hub_core.model import Claim, DateSource, Feed, FileStatus, SourceFile, TrackedFile, Trigger
from hub_core.paths import is_hidden, is_plain
from hub_core.patterns import matches
from hub_core.request import Window

# A date may be followed by a time (HH, HHMM, HHMMSS, with milliseconds), but is never the middle of a longer number.
_DATES = re.compile(
    r"(?<!\d)(?=(?P<compact>\d{8})(?:[01]\d|2[0-3]|\d{4}|\d{6}|\d{9})?(?!\d)|(?P<dashed>\d{4}-\d{2}-\d{2})(?!\d)"
    r"|(?P<folders>\d{4}/\d{2}/\d{2})(?!\d))",
    re.ASCII,
)
_YEARS = range(1900, 2200)
MAX_UNATTENDED_ATTEMPTS = 3


def date_in_path(path_below: str) -> date | None:
    """The first valid YYYYMMDD, YYYY-MM-DD or YYYY/MM/DD in a path below a feed's folder (years 1900 to 2199)."""
    for match in _DATES.finditer(path_below):
        digits = re.sub(r"\D", "", match["compact"] or match["dashed"] or match["folders"])
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if year in _YEARS:
            return found
    return None


def file_date(path_below: str, modified: datetime, source: DateSource) -> date | None:
    """A file's date; None only for `name` where the path holds none."""
    if source is DateSource.MODIFIED:
        return modified.date()
    named = date_in_path(path_below)
    return named if named is not None or source is DateSource.NAME else modified.date()


@dataclass(frozen=True, slots=True)
class Scope:
    """What limits a load, beside its feeds."""

    window: Window
    file_name: str | None = None
    settled_before: datetime | None = None
    """Files modified later may still be being written; None where a close event named them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file in storage that a feed wants."""

    feed: Feed
    file: SourceFile


class Candidates:
    """Files that feeds want, and how many they do not, by reason.

    A listing is read no further than it is asked for: who goes through the candidates has the first ones while the
    last are still being listed. `wanted` and `skipped` are of all of it.
    """

    def __init__(self, found: Iterable["Candidate | str"] = ()) -> None:
        """Of candidates, and the reasons why other files are none."""
        self._found = iter(found)
        self._wanted: list[Candidate] = []
        self._skipped: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Candidate]:
        """All of them, from the first."""
        yield from self._wanted
        for one in self._found:
            if isinstance(one, str):
                self._skipped[one] += 1
            else:
                self._wanted.append(one)
                yield one

    @property
    def wanted(self) -> list[Candidate]:
        """All that are wanted."""
        return list(self)

    @property
    def skipped(self) -> Counter[str]:
        """How many are not, by reason."""
        for _ in self:
            pass
        return self._skipped


def candidates(listed: Iterable[SourceFile], feeds: Sequence[Feed], scope: Scope) -> Candidates:
    """The pairs of feed and file that `scope` lets through; a file may be wanted by several feeds."""
    return Candidates(
        _why_not(file, feed, scope) or Candidate(feed, file)
        for file in listed
        for feed in feeds
        if file.path.startswith(feed.source_path)
    )


def _in_window(file: SourceFile, feed: Feed, window: Window) -> bool:
    return window.holds(file_date(feed.below(file.path), file.modified, feed.date_source), file.modified)


def _why_not(file: SourceFile, feed: Feed, scope: Scope) -> str | None:
    below = feed.below(file.path)
    if is_hidden(below):
        return "hidden"
    if not is_plain(below):
        return "bad_name"
    if not matches(feed.file_pattern, below):
        return "other_pattern"
    if scope.file_name is not None and not matches(scope.file_name, below, sets=False):
        return "other_name"
    if not _in_window(file, feed, scope.window):
        return "outside_window"
    if scope.settled_before is not None and file.modified > scope.settled_before:
        return "settling"
    return None


def folders_ruled_out(feeds: Sequence[Feed], window: Window) -> Callable[[str], bool] | None:
    """Which folders (paths that end in `/`) hold nothing of `window` for any of `feeds`; None where that can't be told.

    A date in a folder's path is the date of every file in it. Where a file is in by its last-modified date too, or
    whatever its date, no folder is ruled out.
    """
    if window.by_either or (window.begin is None and window.end is None):
        return None
    if all(feed.date_source is DateSource.MODIFIED for feed in feeds):
        return None

    def ruled_out(folder: str) -> bool:
        concerned = [one for one in feeds if folder.startswith(one.source_path) or one.source_path.startswith(folder)]
        return bool(concerned) and all(_rules_out(feed, folder, window) for feed in concerned)

    return ruled_out


def _rules_out(feed: Feed, folder: str, window: Window) -> bool:
    if feed.date_source is DateSource.MODIFIED or not folder.startswith(feed.source_path):
        return False
    found = date_in_path(feed.below(folder))
    return found is not None and not window.has(found)


def settled_before(now: datetime, settle_seconds: int) -> datetime | None:
    """The youngest a listed file may be; None where writes are atomic (0 seconds)."""
    return now - timedelta(seconds=settle_seconds) if settle_seconds else None


def overlooked(found: Sequence[Candidate], window: Window, before: datetime) -> list[Candidate]:
    """Of `found` those of `window` that have lain there since `before` or longer."""
    return [one for one in found if one.file.modified <= before and _in_window(one.file, one.feed, window)]


@dataclass(slots=True)
class Plan:
    """What a load claims, which batches it must wait for, and why other candidates are not due."""

    claims: list[Claim] = field(default_factory=list)
    held_by: dict[str, str | None] = field(default_factory=dict)
    """Batches with claims on candidates, and the run that holds them if the claim names one."""
    skipped: Counter[str] = field(default_factory=Counter)


def files_due(
    found: Iterable[Candidate],
    tracked: Iterable[TrackedFile],
    *,
    batch_id: str,
    trigger: Trigger,
    force: bool = False,
) -> Plan:
    """Decide each candidate by what the tracker knows of its path.

    `tracked` holds the newest attempt of each version of the candidates' paths, and all claims. Rows of `batch_id`
    itself are never due again, so that planning twice is the same plan.
    """
    known = _by_path(tracked)
    plan = Plan()
    for candidate in found:
        rows = known.get((candidate.feed.config_id, candidate.file.path), ())
        claimed = [row for row in rows if row.status is FileStatus.CLAIMED]
        if claimed:
            for row in claimed:
                if row.batch_id != batch_id:
                    plan.held_by[row.batch_id] = plan.held_by.get(row.batch_id) or row.run_id
            plan.skipped["claimed"] += 1
            continue
        last = _newest(rows, candidate.file)
        reason = None if last is None else _done(last, batch_id, trigger, force=force)
        if reason is not None:
            plan.skipped[reason] += 1
        else:
            again = any(row.status is FileStatus.SUCCESS for row in rows)
            plan.claims.append(Claim(candidate.feed, candidate.file, last.attempt + 1 if last else 1, again))
    return plan


def _done(last: TrackedFile, batch_id: str, trigger: Trigger, *, force: bool) -> str | None:
    if last.batch_id == batch_id:
        return "own"
    if last.status is FileStatus.SUCCESS:
        return None if force else "loaded"
    if last.status is FileStatus.QUARANTINED:
        return None if force or trigger is Trigger.RETRY else "quarantined"
    if trigger in (Trigger.EVENT, Trigger.SWEEP) and (
        last.error_code not in PASSING or last.attempt >= MAX_UNATTENDED_ATTEMPTS
    ):
        return "failed"
    return None


def _by_path(tracked: Iterable[TrackedFile]) -> dict[tuple[str, str], list[TrackedFile]]:
    known: dict[tuple[str, str], list[TrackedFile]] = {}
    for row in tracked:
        known.setdefault((row.config_id, row.file.path), []).append(row)
    return known


def _newest(rows: Iterable[TrackedFile], file: SourceFile) -> TrackedFile | None:
    """The last attempt at this version of the file."""
    same = (row for row in rows if row.file.same_version(file))
    return max(same, key=lambda row: row.attempt, default=None)


def failed_by(found: Iterable[Candidate], tracked: Iterable[TrackedFile], batches: Collection[str]) -> set[str]:
    """Of `batches` those whose attempt at a candidate, as storage has it now, is the newest, and did not end well."""
    known = _by_path(tracked)
    failed: set[str] = set()
    for candidate in found:
        last = _newest(known.get((candidate.feed.config_id, candidate.file.path), ()), candidate.file)
        if last is not None and last.batch_id in batches and last.status in (FileStatus.FAILED, FileStatus.QUARANTINED):
            failed.add(last.batch_id)
    return failed


def foreign_holders(
    claims: Sequence[Claim], ours: Collection[tuple[str, str]], tracked: Iterable[TrackedFile], batch_id: str
) -> Mapping[str, str | None]:
    """Batches that won claims which we wanted (`ours` are those we got), as `Plan.held_by`."""
    lost = {claim.key for claim in claims} - set(ours)
    return {
        row.batch_id: row.run_id
        for row in tracked
        if row.status is FileStatus.CLAIMED and row.batch_id != batch_id and (row.config_id, row.file.path) in lost
    }
