"""Once a day: records of loads that ended long ago are dropped, with what belongs to them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub_core.logs import logger
from hub_core.model import iso
from hub_core.named_loads import paths_document
from hub_core.ports import Clock, Documents, Loads

log = logger(__name__)

DOCUMENT = "housekeeping.json"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 1_000
"""Records a run drops; what is more is left to the next run, a minute later."""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Keeps the records of loads from growing for ever. The tracker's rows stay: they say what was loaded."""

    loads: Loads
    documents: Documents
    clock: Clock
    keep: timedelta

    def is_due(self) -> bool:
        """Whether a day has passed since nothing was left to drop."""
        last = self.documents.read(DOCUMENT)
        if not isinstance(last, dict):
            return True
        return self.clock() - datetime.fromisoformat(str(last["as_of"])) >= timedelta(days=1)

    def run(self) -> int:
        """Drop at most `PAGE` loads that ended and were made before `keep`; how many."""
        now = self.clock()
        # Longer than the calendar goes back is for ever.
        dropped = self.loads.drop(now - min(self.keep, now - _LONG_AGO), PAGE)
        for load_id in dropped:
            self.documents.delete(paths_document(load_id))
        if len(dropped) < PAGE:
            self.documents.write(DOCUMENT, {"as_of": iso(now)})
        if dropped:
            log.info("dropped old loads", extra={"loads": len(dropped)})
        return len(dropped)
