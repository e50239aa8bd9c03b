"""What travels in the queue `loads`: which load to move on, and how often that was tried."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from hub_core.errors import Broken
from hub_core.load import Load
from hub_core.logs import logger
from hub_core.ports import Loads, Queue

log = logger(__name__)

LONGEST_DELAY_SECONDS = 300
GIVE_UP_SECONDS = 3600


class LoadMessage(BaseModel):
    """A nudge: the load's record says what to do, so that a message may come twice, late or never."""

    model_config = ConfigDict(frozen=True)

    load_id: str
    looks: int = 0
    """How often this chain of messages has looked at the load's run."""
    faults: int = 0
    """How many passing faults it has met."""
    trace: str | None = None
    """The load's; see `Load.trace`."""
    since: float | None = None
    """When it met the first one: seconds since the epoch."""

    def to_json(self) -> str:
        """For the queue."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the queue; Broken `BAD_MESSAGE` if it is nothing that `to_json` wrote."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise Broken("BAD_MESSAGE", "a message in the queue loads is not the hub's") from error

    def after_fault(self, now: float) -> Self | None:
        """The message to put back, or None after an hour of faults."""
        since = self.since if self.since is not None else now
        if now - since > GIVE_UP_SECONDS:
            return None
        return self.model_copy(update={"faults": self.faults + 1, "since": since})

    @property
    def delay_seconds(self) -> int:
        """How long to wait after `faults` faults."""
        return int(min(LONGEST_DELAY_SECONDS, 5 * 2 ** max(0, self.faults - 1)))


def start(loads: Loads, queue: Queue, load: Load) -> bool:
    """Have `load` planned; False where its id is taken.

    The record is what counts, so its message is not waited for: a record whose message was lost is found by
    `reconcile`. A taken id gets a message too, since it may be taken by this very insert, whose first answer was lost.
    """
    try:
        inserted = loads.insert(load)
        log.info("accepted a load", extra={"load_id": load.id, "lob": load.lob, "trigger": load.trigger.value})
        return inserted
    finally:
        # Also where it failed: that may be its answer alone, and a message of a load that is not there is harmless.
        queue.put_soon(LoadMessage(load_id=load.id, trace=load.trace).to_json())
