"""Once an hour, a look over all feeds: what is due, since when, and what nobody told of."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_core.feeds import ParsedConfig
from hub_core.gather import ConfigReader, find_files
from hub_core.logs import kept_apart, logger
from hub_core.model import Claim, Feed, SourceFile, Trigger, iso
from hub_core.named_loads import start_named
from hub_core.planning import Planner
from hub_core.request import EVERYTHING, LoadRequest, window_of
from hub_core.resolve import Candidate, Scope, files_due, overlooked, settled_before
from hub_core.telemetry import FEED_FACTS

log = logger(__name__)

DOCUMENT = "sweep.json"
BEGUN = "sweep-begun.json"
ADOPT_OVERLAP = timedelta(hours=1)
"""So much longer ago than the last sweep may a notebook have claimed whose load is not known yet."""

SWEPT = (
    "files", "due", "missed", "oldest_due_at", "lag_seconds", "newest_file", "newest_file_at", "last_load",
    "last_load_at",
)  # fmt: skip
"""What of a feed's report a sweep has found; the rest is the CSV's."""

type Report = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Lists every feed's folder, writes down what is due, and has loaded what was missed.

    Events may be lost. A due file in the window of a request without dates, whose event has had a whole interval to
    become a load and has not, is one that nobody told of. Loads that notebooks planned get their records here.
    """

    planner: Planner
    configs: ConfigReader
    minutes: int
    """Between two sweeps; 0: never."""
    loads: bool
    """Whether missed files are loaded, or only reported."""

    def is_due(self) -> bool:
        """Whether the last sweep is older than the setting allows."""
        if not self.minutes or not self.configs.lobs():
            return False
        now, interval = self.planner.clock(), timedelta(minutes=self.minutes)
        # One that was begun and never ended was too much for its process: begun again at once, it would be so for ever.
        times = [_as_of(self.planner.documents.read(document)) for document in (DOCUMENT, BEGUN)]
        return all(then is None or now - then >= interval for then in times)

    def run(self) -> list[str]:
        """Sweep now; the loads made.

        A LOB whose folders cannot be listed keeps no other from being looked over; its feeds stay without a count.
        """
        documents, now = self.planner.documents, self.planner.clock()
        before = documents.read(DOCUMENT)
        documents.write(BEGUN, {"as_of": iso(now)})
        feeds: list[Report] = []
        made: list[str] = []
        swept: set[str] = set()
        lobs = self.configs.lobs()
        adopted = {lob: self._adopt(lob, _adopted(before, lob) or now, now) for lob in sorted(lobs)}
        for lob in sorted(lobs):
            with kept_apart(log, "sweep", lob=lob):
                reports, missed = self._look_over(lob, self.configs.read(lob), now)
                feeds += reports
                swept.add(lob)
                made += self._load(lob, missed, now)
        documents.write(DOCUMENT, {"as_of": iso(now), "value": feeds, "adopted": adopted})
        for feed in feeds:
            self._measure(feed)
        for left in _left(before, feeds, lobs - swept):
            self._measure({**left, "due": 0, "lag_seconds": 0, "missed": 0})
        log.info("swept the feeds", extra={"feeds": len(feeds), "loads": len(made)})
        return made

    def _adopt(self, lob: str, since: datetime, now: datetime) -> str:
        """Give what notebooks have claimed since then its records; until when that was done."""
        with kept_apart(log, "sweep", lob=lob):
            for batch in self.planner.tracker.recent_batches(lob, since - ADOPT_OVERLAP):
                self.planner.adopt(batch, lob)
            return iso(now)
        return iso(since)

    def _measure(self, report: Report) -> None:
        facts = {name: str(report[name]) for name in FEED_FACTS}
        for metric, name in (("hub.feed.due", "due"), ("hub.feed.lag", "lag_seconds"), ("hub.feed.missed", "missed")):
            self.planner.telemetry.measure(metric, float(str(report[name])), **facts)

    def _look_over(self, lob: str, config: ParsedConfig, now: datetime) -> tuple[list[Report], list[Claim]]:
        planner = self.planner
        active = [feed for feed in config.feeds if feed.is_active]
        settled = settled_before(now, planner.settle_seconds)
        found = find_files(planner.landing, active, Scope(EVERYTHING, settled_before=settled))
        tracked = planner.tracker.tracked(lob, found)
        plan = files_due(found, tracked, batch_id="", trigger=Trigger.REQUEST)
        window = window_of(LoadRequest(lob=lob), now, planner.lookback_days)
        old = overlooked(found.wanted, window, now - timedelta(minutes=self.minutes))
        missed = files_due(old, tracked, batch_id="", trigger=Trigger.SWEEP).claims
        last = planner.tracker.last_loads(lob)
        files, due, old_due = _by_feed(found.wanted), _by_feed(plan.claims), _by_feed(missed)
        reports = [
            feed_report(feed, Seen(files[feed.key], due[feed.key], now, old_due[feed.key], last.get(feed.config_id)))
            for feed in config.feeds
        ]
        return reports, missed

    def _load(self, lob: str, missed: Sequence[Claim], now: datetime) -> list[str]:
        paths = sorted({claim.file.path for claim in missed})
        if not paths:
            return []
        log.warning("files that nobody told of", extra={"lob": lob, "files": len(paths), "first": paths[0]})
        if not self.loads:
            return []
        planner = self.planner
        return [
            start_named(
                planner.loads,
                planner.queue,
                planner.documents,
                lob=lob,
                trigger=Trigger.SWEEP,
                paths=paths,
                now=now,
                trace=planner.telemetry.trace(),
            )
        ]


def _adopted(document: object, lob: str) -> datetime | None:
    """Until when `lob`'s notebooks were looked after, as the last sweep has it."""
    if not isinstance(document, dict):
        return None
    then = document.get("adopted", {}).get(lob)
    return datetime.fromisoformat(then) if then else _as_of(document)


def _as_of(document: object) -> datetime | None:
    return datetime.fromisoformat(str(document["as_of"])) if isinstance(document, dict) else None


def _left(before: object, feeds: Sequence[Report], unseen: Collection[str]) -> list[Report]:
    """Feeds of the last sweep that are gone: a gauge keeps its last value until it is told another."""
    here = {tuple(feed[name] for name in FEED_FACTS) for feed in feeds}
    known = before["value"] if isinstance(before, dict) else []
    return [one for one in known if one["lob"] not in unseen and tuple(one[name] for name in FEED_FACTS) not in here]


def _by_feed(items: Sequence[Candidate] | Sequence[Claim]) -> Mapping[tuple[str, ...], list[SourceFile]]:
    grouped: defaultdict[tuple[str, ...], list[SourceFile]] = defaultdict(list)
    for item in items:
        grouped[item.feed.key].append(item.file)
    return grouped


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sweep saw of a feed."""

    files: Sequence[SourceFile]
    due: Sequence[SourceFile]
    at: datetime
    missed: Sequence[SourceFile]
    """Of the due ones those that nobody told of; see `Sweep`."""
    last_load: tuple[str, datetime] | None
    """The load that claimed for it last, and when."""


def feed_report(feed: Feed, seen: Seen | None = None) -> dict[str, object]:
    """A feed as `GET feeds` shows it; without a sweep nothing is known of its files."""
    report: dict[str, object] = {
        "lob": feed.lob,
        "category": feed.category,
        "subcategory": feed.subcategory,
        "file_pattern": feed.file_pattern,
        "source_path": feed.source_path,
        "file_format": feed.file_format,
        "dest_table": feed.table,
        "is_active": feed.is_active,
        **dict.fromkeys(SWEPT),
    }
    if seen is None:
        return report
    oldest = min((file.modified for file in seen.due), default=None)
    newest = max(seen.files, key=lambda file: file.modified, default=None)
    load_id, claimed_at = seen.last_load or (None, None)
    return {
        **report,
        "files": len(seen.files),
        "due": len(seen.due),
        "missed": len(seen.missed),
        "oldest_due_at": iso(oldest) if oldest else None,
        "lag_seconds": int((seen.at - oldest).total_seconds()) if oldest else 0,
        "last_load": load_id,
        "last_load_at": iso(claimed_at) if claimed_at else None,
        "newest_file": newest.name if newest else None,
        "newest_file_at": iso(newest.modified) if newest else None,
    }
