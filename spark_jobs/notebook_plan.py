"""What a notebook's load claims: the service's own decisions, on Spark's listing and the tracker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hub_core.errors import Transient
from hub_core.gather import find_files
from hub_core.model import Feed, FileStatus, TrackedFile, Trigger
from hub_core.ports import Claimed
from hub_core.request import LoadRequest, window_of
from hub_core.resolve import Candidates, Scope, files_due, settled_before
from hub_core.settings import Settings
from hub_core.tracker import SqlTracker
from spark_jobs.landing import SparkLanding

type Held = Mapping[tuple[str, str, str], str]
"""Batches of other loads that have claimed files which are wanted here, by category, subcategory and path."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at storage and the tracker found."""

    found: Candidates = field(default_factory=Candidates)
    skipped: Mapping[str, int] = field(default_factory=dict)
    ours: Claimed = frozenset()
    held: Held = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotebookPlanner:
    """Gather → decide → claim, for one batch."""

    tracker: SqlTracker
    landing: SparkLanding
    request: LoadRequest
    lob: str
    feeds: list[Feed]
    batch_id: str
    run_id: str | None
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def look(self, *, newer_only: bool = False) -> Looked:
        """Claim what is due; with `newer_only`, no version that another load has tried."""
        found = find_files(self.landing, self.feeds, self._scope())
        tracked = self.tracker.tracked(self.lob, found)
        plan = files_due(found, tracked, batch_id=self.batch_id, trigger=Trigger.NOTEBOOK, force=self.request.force)
        wanted = [claim for claim in plan.claims if claim.attempt == 1 or not newer_only]
        ours = self.tracker.claim(self.lob, self.batch_id, wanted, self.run_id)
        if any(claim.key not in ours for claim in wanted):
            tracked = self.tracker.tracked(self.lob, found)
        feeds = {feed.config_id: feed for feed in self.feeds}
        held = {
            (feeds[row.config_id].category, feeds[row.config_id].subcategory, row.file.path): row.batch_id
            for row in tracked
            if self._is_held(row)
        }
        return Looked(found, found.skipped + plan.skipped, ours, held)

    def still_held(self, looked: Looked) -> bool:
        """Whether another load has not ended all the claims that were met."""
        waiting = [
            one
            for one in looked.found.wanted
            if (one.feed.category, one.feed.subcategory, one.file.path) in looked.held
        ]
        return any(map(self._is_held, self.tracker.tracked(self.lob, waiting)))

    def _is_held(self, row: TrackedFile) -> bool:
        return row.status is FileStatus.CLAIMED and row.batch_id != self.batch_id

    def _scope(self) -> Scope:
        settled = settled_before(datetime.now(UTC), Settings.one("settle_seconds"))
        window = window_of(self.request, self.asked_at, Settings.one("lookback_days"))
        return Scope(window, self.request.file_name, settled)


def some(held: Held) -> str:
    """The batches' ids, a few of them."""
    batches = sorted(set(held.values()))
    return ", ".join(batches[:3]) + (f" and {len(batches) - 3} more" if len(batches) > 3 else "")


def still_claimed(held: Held) -> Transient:
    """What to raise where one has waited for them for too long."""
    said = (
        f"{len(held):,} due files are still claimed by {some(held)}. If that load is dead, cancel it "
        "(POST /api/loads/{id}/cancel), which frees its files, or bring it to its end with params batch_id"
    )
    return Transient("STILL_CLAIMED", said)
