"""What nobody asks for: loads that stand still are moved on, and the feeds are looked over once an hour."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_core.alerts import headline
from hub_core.errors import Conflict, HubError
from hub_core.feeds import ParsedConfig
from hub_core.gather import ConfigReader, find_files
from hub_core.messages import LoadMessage
from hub_core.model import Claim, Feed, LoadState, SourceFile, Trigger, iso
from hub_core.planning import Planner
from hub_core.ports import Alerts, Stored
from hub_core.request import EVERYTHING
from hub_core.resolve import Candidate, Scope, files_due, settled_before

log = logging.getLogger(__name__)

STANDS_STILL = timedelta(minutes=3)
ALERT_FOR = timedelta(days=1)
SWEEP_DOCUMENT = "sweep.json"


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconcile found among the open loads."""

    open: int = 0
    requeued: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class Overseer:
    """The timers' work."""

    planner: Planner
    configs: ConfigReader
    sweep_minutes: int
    """0: never."""
    alerts: Alerts | None = None
    """None: the log alone."""

    def reconcile(self) -> Reconciled:
        """Look at every open load once; one load's fault does not keep the others from being looked at."""
        seen = requeued = faults = 0
        for stored in self.planner.loads.open():
            seen += 1
            try:
                requeued += self._look(stored)
            except Conflict:
                log.info("another process moved the load on", extra={"load_id": stored.load.id})
            except HubError as error:
                faults += 1
                log.warning("reconcile: %s", error.message, extra={"load_id": stored.load.id, "code": error.code})
        return Reconciled(seen, requeued, faults)

    def _look(self, stored: Stored) -> bool:
        if stored.load.alert_due:
            stored = self._tell(stored)
        load = stored.load
        if not load.is_unfinished:
            return False
        if load.state not in (LoadState.ACCEPTED, LoadState.SUBMITTING):
            self.planner.advance(stored, looks=1_000)
            return False
        now = self.planner.clock()
        if now - load.updated_at < STANDS_STILL:
            return False
        # Touching the record first keeps two reconciles from both putting it back.
        self.planner.loads.update(stored, load.moved(now))
        self.planner.queue.put(LoadMessage(load_id=load.id).to_json())
        log.warning("the load stood still; put back on the queue", extra={"load_id": load.id, "state": load.state})
        return True

    def _tell(self, stored: Stored) -> Stored:
        """Raise the load's alert: at least once, and again each minute for a day where it is not taken.

        That it isn't taken never keeps the load from going on.
        """
        load, now = stored.load, self.planner.clock()
        extra = {"load_id": load.id, "lob": load.lob, "code": load.error.code if load.error else ""}
        try:
            if self.alerts is not None:
                self.alerts.send(load)
        except HubError as error:
            log.warning("alert: %s", error.message, extra={**extra, "code": error.code})
            if now - (load.finished_at or now) < ALERT_FOR:
                return stored
        log.error("%s: %s", headline(load), load.error.message if load.error else "", extra=extra)
        return self.planner.loads.update(stored, load.moved(now, alert_due=False))

    def sweep_is_due(self) -> bool:
        """Whether the last sweep is older than the setting allows."""
        if not self.sweep_minutes or not self.configs.lobs():
            return False
        last = self.planner.documents.read(SWEEP_DOCUMENT)
        if not isinstance(last, dict):
            return True
        then = datetime.fromisoformat(str(last["as_of"]))
        return self.planner.clock() - then >= timedelta(minutes=self.sweep_minutes)

    def sweep(self) -> None:
        """List every feed's folder and write down what is due, and since when. Nothing is loaded.

        A LOB whose folders cannot be listed keeps no other from being looked over; its feeds stay without a count.
        """
        now = self.planner.clock()
        feeds: list[dict[str, object]] = []
        for lob in sorted(self.configs.lobs()):
            try:
                config = self.configs.read(lob)
                feeds += self._look_over(lob, config, now)
            except HubError as error:
                log.warning("sweep: %s", error.message, extra={"lob": lob, "code": error.code})
        self.planner.documents.write(SWEEP_DOCUMENT, {"as_of": iso(now), "value": feeds})
        log.info("swept the feeds", extra={"feeds": len(feeds)})

    def _look_over(self, lob: str, config: ParsedConfig, now: datetime) -> list[dict[str, object]]:
        active = [feed for feed in config.feeds if feed.is_active]
        settled = settled_before(now, self.planner.settle_seconds)
        found = find_files(self.planner.landing, active, Scope(EVERYTHING, settled_before=settled))
        tracked = self.planner.tracker.tracked(lob, found.wanted)
        plan = files_due(found.wanted, tracked, batch_id="", trigger=Trigger.REQUEST)
        files, due, last = _by_feed(found.wanted), _by_feed(plan.claims), self.planner.tracker.last_loads(lob)
        return [
            feed_report(feed, Seen(files[feed.key], due[feed.key], now, last.get(feed.config_id)))
            for feed in config.feeds
        ]


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
        **dict.fromkeys(("files", "due", "oldest_due_at", "lag_seconds", "newest_file", "newest_file_at")),
        **dict.fromkeys(("last_load", "last_load_at")),
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
        "oldest_due_at": iso(oldest) if oldest else None,
        "lag_seconds": int((seen.at - oldest).total_seconds()) if oldest else 0,
        "last_load": load_id,
        "last_load_at": iso(claimed_at) if claimed_at else None,
        "newest_file": newest.name if newest else None,
        "newest_file_at": iso(newest.modified) if newest else None,
    }
