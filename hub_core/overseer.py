"""What nobody asks for: loads that stand still are moved on, and operators are told of those that need them."""

from dataclasses import dataclass
from datetime import timedelta

from hub_core.alerts import headline, reason
from hub_core.errors import Conflict, HubError
from hub_core.logs import bound, kept_apart, logger
from hub_core.messages import LoadMessage
from hub_core.model import LoadState
from hub_core.planning import NO_MORE_LOOKS, Planner
from hub_core.ports import Alerts, Stored

log = logger(__name__)

STANDS_STILL = timedelta(minutes=3)
ALERT_FOR = timedelta(days=1)


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
        for stored in self.planner.loads.open():
            seen += 1
            with kept_apart(log, "reconcile", load_id=stored.load.id):
                try:
                    with bound(load_id=stored.load.id, lob=stored.load.lob, run_id=stored.load.run_id):
                        requeued += self._look(stored)
                except Conflict:
                    log.info("another process moved the load on", extra={"load_id": stored.load.id})
                done += 1
        return Reconciled(seen, requeued, faults=seen - done)

    def _look(self, stored: Stored) -> bool:
        stored = self._overdue(stored)
        if stored.load.alert_due:
            stored = self._tell(stored)
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
        """Say it, once, of a load that takes longer than any should."""
        load, now = stored.load, self.planner.clock()
        if load.state.is_final or load.overdue_at is not None or now - load.created_at < self.overdue_after:
            return stored
        return self.planner.loads.update(stored, load.moved(now, overdue_at=now, alert_due=True))

    def _tell(self, stored: Stored) -> Stored:
        """Raise the load's alert: at least once, and again each minute for a day where it is not taken.

        That it isn't taken never keeps the load from going on.
        """
        load, now = stored.load, self.planner.clock()
        code, message = reason(load)
        extra = {"load_id": load.id, "lob": load.lob, "code": code}
        try:
            if self.alerts is not None:
                self.alerts.send(load)
        except HubError as error:
            log.warning("alert: %s", error.message, extra={**extra, "code": error.code})
            if now - (load.finished_at or load.overdue_at or now) < ALERT_FOR:
                return stored
        log.error("%s: %s", headline(load), message, extra=extra)
        return self.planner.loads.update(stored, load.moved(now, alert_due=False))
