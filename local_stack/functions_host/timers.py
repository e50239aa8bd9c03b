"""Timer triggers: one run at a time, the last one remembered on disk so that a missed one is made up for."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local_stack.functions_host import protos
from local_stack.functions_host.index import Function, TimerTrigger
from local_stack.functions_host.pause import pause
from local_stack.functions_host.schedule import is_monitored, parse_schedule
from local_stack.functions_host.worker import Worker

log = logging.getLogger(__name__)

type Clock = Callable[[], datetime]

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimerStatus:
    """When a timer last fired (NEVER: not yet), when it fires next, and when this was written."""

    last: datetime
    next: datetime
    updated: datetime

    def to_json(self) -> dict[str, str]:
        """In the names that the real host gives to TimerRequest.schedule_status."""
        return {
            "Last": self.last.isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }


class StatusFile:
    """A timer's status as a file, replaced whole so that a crash leaves the old or the new one."""

    def __init__(self, state: Path, function: str) -> None:
        self._path = state / "timers" / f"{function}.json"

    def read(self) -> TimerStatus | None:
        """The status; None when there is none, or none that can be read."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return TimerStatus(*(datetime.fromisoformat(document[name]) for name in ("Last", "Next", "LastUpdated")))
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s is not a timer's status, so it is ignored: %s", self._path, error)
            return None

    def write(self, status: TimerStatus) -> None:
        """Keep the status."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(status.to_json()), encoding="utf-8")
        part.replace(self._path)


class Timer:
    """Fires one function by its schedule until told to stop."""

    def __init__(
        self,
        function: Function,
        trigger: TimerTrigger,
        *,
        state: Path,
        worker: Worker,
        stop: asyncio.Event,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._function = function
        self._run_on_startup = trigger.run_on_startup
        self._schedule = parse_schedule(trigger.schedule)
        self._worker = worker
        self._stop = stop
        self._clock = clock
        monitored = trigger.use_monitor and is_monitored(self._schedule, clock())
        self._file = StatusFile(state, function.name) if monitored else None

    async def run(self) -> None:
        """Fire until stopped. A run that takes longer than the interval makes the next one late, not parallel."""
        now = self._clock()
        status = self._file.read() if self._file else None
        past_due = status is not None and status.next <= now
        if status is None or past_due:
            status = TimerStatus(status.last if status else NEVER, self._schedule.next_after(now), now)
        if past_due or self._run_on_startup:
            status = await self._fire(status, now, past_due=past_due)
        else:
            self._keep(status)
        while not await pause(self._stop, (status.next - self._clock()).total_seconds()):
            # The event loop may wake a moment early.
            if self._clock() >= status.next:
                status = await self._fire(status, status.next, past_due=False)

    async def _fire(self, status: TimerStatus, due: datetime, *, past_due: bool) -> TimerStatus:
        await self._worker.invoke(self._function, timer_data(status, past_due=past_due))
        now = self._clock()
        status = TimerStatus(last=due, next=self._schedule.next_after(now), updated=now)
        self._keep(status)
        return status

    def _keep(self, status: TimerStatus) -> None:
        if self._file:
            self._file.write(status)


def timer_data(status: TimerStatus | None, *, past_due: bool) -> protos.TypedData:
    """The argument of a timer function."""
    schedule_status = status.to_json() if status else None
    document = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": schedule_status, "IsPastDue": past_due}
    return protos.TypedData(json=json.dumps(document))
