"""The Functions host: when a timer fires next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.host_json import time_span
from local_stack.functions_host.schedule import is_monitored, parse_schedule
from local_stack.functions_host.timers import NEVER, StatusFile, TimerStatus

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("schedule", "then"),
    [
        ("*/15 * * * * *", datetime(2026, 3, 4, 5, 6, 15, tzinfo=UTC)),
        ("0 * * * * *", datetime(2026, 3, 4, 5, 7, 0, tzinfo=UTC)),
        ("30 5 4 * * *", datetime(2026, 3, 5, 4, 5, 30, tzinfo=UTC)),
        ("0 0 9 * * 1-5", datetime(2026, 3, 4, 9, 0, 0, tzinfo=UTC)),
        ("0 0 9 * Jan Mon", datetime(2027, 1, 4, 9, 0, 0, tzinfo=UTC)),
        ("0 0 0 13 * 5", datetime(2026, 3, 13, 0, 0, 0, tzinfo=UTC)),
        ("*/5 * * * *", datetime(2026, 3, 4, 5, 10, 0, tzinfo=UTC)),
        ("00:00:30", NOW + timedelta(seconds=30)),
        ("01:30:00", NOW + timedelta(minutes=90)),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, then: datetime) -> None:
    assert parse_schedule(schedule).next_after(NOW) == then


def test_a_day_of_month_and_of_week_must_both_match() -> None:
    friday_the_13th = parse_schedule("0 0 0 13 * 5")
    first = friday_the_13th.next_after(NOW)
    assert friday_the_13th.next_after(first) == datetime(2026, 11, 13, tzinfo=UTC)


@pytest.mark.parametrize("schedule", ["", "* * *", "61 * * * * *", "0 0 0 L * *", "@hourly", "0 0 0 ? * 1", "00:00:00"])
def test_what_the_host_does_not_take_is_refused(schedule: str) -> None:
    with pytest.raises(StartFailed, match="timer schedule"):
        parse_schedule(schedule)


def test_24_hours_and_more_are_days_as_dotnet_reads_them() -> None:
    assert time_span("23:59:59") == timedelta(hours=23, minutes=59, seconds=59)
    assert time_span("24:00:00") == timedelta(days=24)
    assert time_span("1.02:00:00.5") == timedelta(days=1, hours=2, milliseconds=500)
    with pytest.raises(ValueError, match="hh:mm:ss"):
        time_span("30")


def test_only_schedules_of_a_minute_and_more_are_remembered() -> None:
    assert not is_monitored(parse_schedule("*/15 * * * * *"), NOW)
    assert is_monitored(parse_schedule("0 * * * * *"), NOW)


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = StatusFile(tmp_path, "reconcile")
    assert file.read() is None
    status = TimerStatus(NEVER, NOW + timedelta(minutes=1), NOW)
    file.write(status)
    assert file.read() == status


def test_a_broken_status_is_as_none(tmp_path: Path) -> None:
    file = StatusFile(tmp_path, "reconcile")
    file.write(TimerStatus(NEVER, NOW, NOW))
    (tmp_path / "timers" / "reconcile.json").write_text("{")
    assert file.read() is None
