"""What nobody asks for: loads that stand still are moved on, and operators are told of those that need them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

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
    left: list[str] = field(default_factory=list)
    """The loads that this process's last round did not come to."""

    def reconcile(self) -> Reconciled:
        """Look at every open load once; one load's fault does not keep the others from being looked at.

        Which are overdue is found out of all of them first: it needs no dependency that may be silent. A round that
        takes too long is gone on with by the next.
        """
        planner, began = self.planner, self.planner.clock()
        opened, untold, requeued = list[str](), list[str](), list[str]()
        faulty: set[str] = set()
        broken: HubError | None = None
        try:
            for stored in planner.loads.open():
                opened.append(stored.load.id)
                _apart(stored.load.id, partial(self._watch, stored, untold), faulty)
                if planner.clock() - began > ROUND / 2:
                    break
        except HubError as error:
            broken = error  # those that were found until then go on
        waiting = list(dict.fromkeys((*self.left, *opened)))
        while waiting and planner.clock() - began <= ROUND:
            load_id = waiting.pop(0)
            _apart(load_id, partial(self._look, load_id, requeued), faulty)
        self.left[:] = waiting
        if waiting:
            log.warning("dependencies are slow; the next round begins with the others", extra={"left": len(waiting)})
        # Afterwards, and no more once the webhook has not answered: it keeps no load from going on.
        self._tell_all(untold)
        if broken is not None:
            raise broken
        return Reconciled(len(opened), len(requeued), len(faulty))

    def _watch(self, stored: Stored, untold: list[str]) -> None:
        if self._overdue(stored).load.alert_due:
            untold.append(stored.load.id)

    def _look(self, load_id: str, requeued: list[str]) -> None:
        stored = self.planner.loads.get(load_id)
        if stored is not None and stored.load.is_unfinished:
            with bound(load_id=load_id, lob=stored.load.lob, run_id=stored.load.run_id):
                self._move(stored, requeued)

    def _move(self, stored: Stored, requeued: list[str]) -> None:
        load = stored.load
        if load.state not in (LoadState.ACCEPTED, LoadState.SUBMITTING):
            self.planner.advance(stored, looks=NO_MORE_LOOKS)
            return
        now = self.planner.clock()
        moves_until = max(load.updated_at.timestamp(), load.put_back_until)
        if now.timestamp() - moves_until < STANDS_STILL.total_seconds():
            return
        # Touching the record first keeps two reconciles from both putting it back.
        self.planner.loads.update(stored, load.moved(now))
        self.planner.queue.put(LoadMessage(load_id=load.id, trace=load.trace).to_json())
        requeued.append(load.id)
        log.warning("the load stood still; put back on the queue", extra={"load_id": load.id, "state": load.state})

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


def _apart(load_id: str, step: Callable[[], None], faulty: set[str]) -> None:
    """Do `step`; where it fails, that is said, and the load is `faulty`."""
    faulty.add(load_id)
    with kept_apart(log, "reconcile", load_id=load_id):
        try:
            step()
        except Conflict:
            log.info("another process moved the load on", extra={"load_id": load_id})
        faulty.remove(load_id)
