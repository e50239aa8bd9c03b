"""What nobody asks for: loads that stand still are moved on, and the feeds are looked over once an hour."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_core.errors import Conflict, HubError
from hub_core.feeds import ParsedConfig
from hub_core.gather import ConfigReader, find_files
from hub_core.load import ConfigProblem
from hub_core.messages import LoadMessage
from hub_core.model import Feed, LoadState, Trigger
from hub_core.planning import Planner
from hub_core.ports import Stored
from hub_core.request import EVERYTHING
from hub_core.resolve import Candidates, Plan, Scope, files_due, settled_before

log = logging.getLogger(__name__)

STANDS_STILL = timedelta(minutes=3)
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
        load = stored.load
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

    def sweep_is_due(self) -> bool:
        """Whether the last sweep is older than the setting allows."""
        last = self.planner.documents.read(SWEEP_DOCUMENT)
        if not self.sweep_minutes or not self.configs.lobs():
            return False
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
        errors: list[dict[str, object]] = []
        for lob in sorted(self.configs.lobs()):
            try:
                config = self.configs.read(lob)
                errors += [{"lob": lob, **ConfigProblem.of(error).model_dump()} for error in config.errors]
                feeds += self._look_over(config, now)
            except HubError as error:
                log.warning("sweep: %s", error.message, extra={"lob": lob, "code": error.code})
        self.planner.documents.write(SWEEP_DOCUMENT, {"as_of": iso(now), "value": feeds, "config_errors": errors[:500]})
        log.info("swept the feeds", extra={"feeds": len(feeds)})

    def _look_over(self, config: ParsedConfig, now: datetime) -> list[dict[str, object]]:
        active = [feed for feed in config.feeds if feed.is_active]
        settled = settled_before(now, self.planner.settle_seconds)
        found = find_files(self.planner.landing, active, Scope(EVERYTHING, settled_before=settled))
        tracked = self.planner.tracker.tracked(found.wanted) if found.wanted else []
        plan = files_due(found.wanted, tracked, batch_id="", trigger=Trigger.REQUEST)
        return [_feed_report(feed, found, plan, now) for feed in config.feeds]


def _feed_report(feed: Feed, found: Candidates, plan: Plan, now: datetime) -> dict[str, object]:
    files = [candidate.file for candidate in found.wanted if candidate.feed.key == feed.key]
    due = [claim.file for claim in plan.claims if claim.feed.key == feed.key]
    oldest = min((file.modified for file in due), default=None)
    newest = max(files, key=lambda file: file.modified, default=None)
    return {
        "lob": feed.lob,
        "category": feed.category,
        "subcategory": feed.subcategory,
        "file_pattern": feed.file_pattern,
        "source_path": feed.source_path,
        "file_format": feed.file_format,
        "dest_table": feed.table,
        "is_active": feed.is_active,
        "files": len(files),
        "due": len(due),
        "oldest_due_at": iso(oldest) if oldest else None,
        "lag_seconds": int((now - oldest).total_seconds()) if oldest else 0,
        "newest_file": newest.name if newest else None,
        "newest_file_at": iso(newest.modified) if newest else None,
    }


def iso(moment: datetime) -> str:
    """`moment` (UTC) as ISO 8601 with a Z."""
    return moment.isoformat().replace("+00:00", "Z")
