"""Planning on the real stack, killed between any two steps, redelivered and raced: each file is loaded once."""

import signal
import time
from collections import Counter

import pytest

from tests.e2e.service import Service

pytestmark = pytest.mark.stack

# Between any two of sync, claim, record, submit and record again: the message's whole way.
STEPS = [
    "tracker.sync 1 after",
    "tracker.claim 1 after",
    "loads.update 1 after",
    "jobs.submit 1 after",
    "loads.update 2 after",
]
FILES = 3


@pytest.fixture(scope="module")
def killed(service: Service) -> dict[str, str]:
    """A load for each step, whose planner was killed there and whose message then came again; load ids by step."""
    feeds = {step: f"feed{number}" for number, step in enumerate(STEPS)}
    service.configure(*(service.row(feed) for feed in feeds.values()))
    loads: dict[str, str] = {}
    for step, feed in feeds.items():
        for number in range(FILES):
            service.land(feed, f"{number}.csv")
        loads[step] = service.record(subcategory=feed)
        method, nth, when = step.split()
        process = service.planner_process(loads[step], "--kill", method, "--nth", nth, "--when", when)
        assert process.wait(120) == -signal.SIGKILL, step
        service.redeliver(loads[step])
    for load_id in loads.values():
        service.ended(load_id)
    return loads


@pytest.mark.parametrize("step", STEPS)
def test_a_load_killed_at_a_step_and_delivered_again_loads_each_file_once(
    step: str, killed: dict[str, str], service: Service
) -> None:
    load = service.get(killed[step])
    feed = load["request"]["subcategory"]
    assert (load["state"], load["files"]["success"], load["rows"]["loaded"]) == ("SUCCESS", FILES, 2 * FILES)
    assert len(service.runs_of(load["id"])) == 1
    rows = service.tracker_rows(feed)
    assert Counter(row["source_path"] for row in rows).most_common(1)[0][1] == 1
    assert {(row["batch_id"], row["load_status"]) for row in rows} == {(load["id"], "SUCCESS")}
    assert service.bronze_count(feed) == 2 * FILES


def test_two_loads_planned_at_the_same_instant_share_no_file_and_both_end(service: Service) -> None:
    service.configure(service.row("raced"))
    for number in range(30):
        service.land("raced", f"{number}.csv")
    loads = [service.record(subcategory="raced") for _ in range(2)]
    start = str(time.time() + 6)
    processes = [service.planner_process(load_id, "--start-at", start) for load_id in loads]
    assert [process.wait(120) for process in processes] == [0, 0]
    ended = [service.ended(load_id) for load_id in loads]
    rows = service.tracker_rows("raced")
    assert len(rows) == 30
    assert {row["load_status"] for row in rows} == {"SUCCESS"}
    assert len({row["source_path"] for row in rows}) == 30
    assert sum(load["files"]["total"] for load in ended) == 30
    assert {load["state"] for load in ended} <= {"SUCCESS", "EMPTY"}
    assert service.bronze_count("raced") == 60


def test_one_message_handled_by_two_processes_at_once_is_one_run(service: Service) -> None:
    service.configure(service.row("twice"))
    service.land("twice", "a.csv")
    load_id = service.record(subcategory="twice")
    start = str(time.time() + 6)
    processes = [service.planner_process(load_id, "--start-at", start) for _ in range(2)]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert service.ended(load_id)["state"] == "SUCCESS"
    assert len(service.runs_of(load_id)) == 1
    assert service.bronze_count("twice") == 2
