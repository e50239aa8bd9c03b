"""When a timer fires next: NCRONTAB (seconds first) or a TimeSpan, in UTC."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter

from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.host_json import time_span

# croniter knows more (L, #, ?, random and hashed fields) than NCRONTAB does.
_FIELD = re.compile(r"[0-9A-Za-z*,/-]+$")
_NAMES = re.compile(r"JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cron:
    """An NCRONTAB expression of six fields."""

    expression: str

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence later than the moment."""
        # NCRONTAB wants day of month and day of week both to match; croniter's default is either.
        times = croniter(self.expression, moment, second_at_beginning=True, day_or=False)
        found: datetime = times.get_next(datetime)
        return found


@dataclass(frozen=True, slots=True)
class Every:
    """A constant interval, counted from the end of the run before."""

    interval: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """The moment plus the interval."""
        return moment + self.interval


type Schedule = Cron | Every


def parse_schedule(text: str) -> Schedule:
    """A timer's schedule; five fields mean second 0, as the host reads them."""
    text = text.strip()
    if ":" in text:
        try:
            interval = time_span(text)
        except ValueError as error:
            raise StartFailed(f"timer schedule: {error}") from error
        if interval <= timedelta(0):
            raise StartFailed(f"timer schedule {text!r} must be longer than nothing")
        return Every(interval)
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    plain = all(_FIELD.match(field) and not _NAMES.sub("", field).strip("0123456789*,/-") for field in fields)
    if len(fields) != 6 or not plain:
        raise StartFailed(f"timer schedule {text!r} is not NCRONTAB: second minute hour day month day-of-week")
    expression = " ".join(fields)
    if not croniter.is_valid(expression, second_at_beginning=True):
        raise StartFailed(f"timer schedule {text!r} is not NCRONTAB: a field is out of its range")
    return Cron(expression)


def is_monitored(schedule: Schedule, now: datetime) -> bool:
    """Whether past runs are remembered: the host does so only for schedules of a minute or more."""
    first = schedule.next_after(now)
    return schedule.next_after(first) - first >= timedelta(minutes=1)
