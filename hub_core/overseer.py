"""What nobody asks for: loads that stand still are moved on, and operators are told of those that need them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from hub_core.alerts import OVERDUE, headline, reason
from hub_core.errors import Conflict, HubError, Transient
from hub_core.load import Load
from hub_core.logs import bound, kept_apart, logger
from hub_core.messages import LoadMessage
from hub_core.model import LoadState
from hub_core.planning import NO_MORE_LOOKS, Planner
from hub_core.ports import Alerts, Stored

log = logger(__name__)

STANDS_STILL = timedelta(minutes=3)
ALERT_FOR = timedelta(days=1)
ROUND = timedelta(minutes=4)
"""A round of looks stops after so long: the host ends a function after ten minutes, and all that runs beside it."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconcile found among the open loads."""

    open: int = 0
    requeued: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class Overseer:
    """Looks after the open loads."""

    planner: Planner
    overdue_after: timedelta
    """Loads that take longer are said to be overdue."""
    alerts: Alerts | None = None
    """None: the log alone."""

    def reconcile(self) -> Reconciled:
        """Look at every open load once; one load's fault does not keep the others from being looked at."""
        seen = done = requeued = 0
        began, untold = self.planner.clock(), list[str]()
        for stored in self.planner.loads.open():
            if self.planner.clock() - began > ROUND:
                log.warning("dependencies are slow; the other open loads wait for the next round", extra={"seen": seen})
                break
            seen += 1
            with kept_apart(log, "reconcile", load_id=stored.load.id):
                try:
                    with bound(load_id=stored.load.id, lob=stored.load.lob, run_id=stored.load.run_id):
                        current = self._overdue(stored)
                        untold += [current.load.id] if current.load.alert_due else []
                        requeued += self._look(current)
                except Conflict:
                    log.info("another process moved the load on", extra={"load_id": stored.load.id})
                done += 1
        # Afterwards, and no more once the webhook has not answered: it keeps no load from going on.
        self._tell_all(untold)
        return Reconciled(seen, requeued, faults=seen - done)

    def _look(self, stored: Stored) -> bool:
        load = stored.load
        if not load.is_unfinished:
            return False
        if load.state not in (LoadState.ACCEPTED, LoadState.SUBMITTING):
            self.planner.advance(stored, looks=NO_MORE_LOOKS)
            return False
        now = self.planner.clock()
        moves_until = max(load.updated_at.timestamp(), load.put_back_until)
        if now.timestamp() - moves_until < STANDS_STILL.total_seconds():
            return False
        # Touching the record first keeps two reconciles from both putting it back.
        self.planner.loads.update(stored, load.moved(now))
        self.planner.queue.put(LoadMessage(load_id=load.id, trace=load.trace).to_json())
        log.warning("the load stood still; put back on the queue", extra={"load_id": load.id, "state": load.state})
        return True

    def _overdue(self, stored: Stored) -> Stored:
        """Say it, once, of a load that takes longer than any should, be it only to release its claims."""
        load, now = stored.load, self.planner.clock()
        since = load.finished_at or load.created_at
        said = load.overdue_at is not None and load.overdue_at >= since
        if not load.is_unfinished or said or now - since < self.overdue_after:
            return stored
        stored = self.planner.loads.update(stored, load.moved(now, overdue_at=now, alert_due=True))
        # At once, whatever the webhook does.
        self._say(stored.load)
        return stored

    def _tell_all(self, load_ids: Sequence[str]) -> None:
        for load_id in load_ids:
            with kept_apart(log, "alert", load_id=load_id):
                stored = self.planner.loads.get(load_id)
                if stored is not None and stored.load.alert_due and not self._tell(stored):
                    return

    def _tell(self, stored: Stored) -> bool:
        """Raise the load's alert: at least once, and again each minute for a day where it is not taken.

        False where the webhook cannot be reached.
        """
        load, now = stored.load, self.planner.clock()
        try:
            if self.alerts is not None:
                self.alerts.send(load)
        except HubError as error:
            log.warning("alert: %s", error.message, extra={"load_id": load.id, "lob": load.lob, "code": error.code})
            if now - max(load.overdue_at or load.created_at, load.finished_at or load.created_at) < ALERT_FOR:
                return not isinstance(error, Transient)
        if load.overdue_at is None or reason(load)[0] != OVERDUE:
            self._say(load)
        self.planner.loads.update(stored, load.moved(now, alert_due=False))
        return True

    def _say(self, load: Load) -> None:
        code, message = reason(load)
        extra = {"load_id": load.id, "lob": load.lob, "code": code}
        log.error("%s: %s", headline(load), message, extra=extra)
