"""10,000 blob events: taken in, drained, and the way of one from its arrival to its run; against bare queue calls."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from azure.storage.queue import QueueClient

from benchmarks.bench import FINAL, LOB, Bench, BenchFeed
from benchmarks.results import Result, at_least, at_most, told
from hub_core.paths import parse_abfss
from local_stack.event_grid import blob_event, deliver, deliver_all, deliver_to_queue, storm

EVENTS = 10_000
FILES = 500
GONE = 200
BARE = 7_000
"""About as many as are kept of the storm: the longer its queue, the longer Azurite takes for each message."""
DRAIN_SECONDS = 15
_PER_CALL = 32
_DELETERS = 8
_SWITCH = "AzureWebJobs.drain_events.Disabled"


def measure(bench: Bench) -> list[Result]:
    """The figures; raises where a file of the storm is lost or loaded twice."""
    places = [parse_abfss(f"{bench.folder('storm')}/s_{number:04d}.csv") for number in range(FILES + GONE)]
    bench.upload("storm", ((f"s_{number:04d}.csv", b"id\n1\n") for number in range(FILES)))
    bench.configure([BenchFeed("storm", "storm"), BenchFeed("one", "one")])
    sent, deleted = _bare(bench)
    weather = storm(places[:FILES], places[FILES:], count=EVENTS, seed=4711)
    # Without its drain's timer, so that intake and drain are measured one after the other.
    with bench.app_settings(**{_SWITCH: "true"}):
        with bench.lap(f"{EVENTS:,} events to the webhook"):
            deliver_all(bench.stack.event_grid_url, weather.events)
        with bench.lap("drain"):
            drained = bench.hub.drain()
        _require_each_once(bench, drained.loads)
    taken, emptied = EVENTS / bench.laps[f"{EVENTS:,} events to the webhook"], drained.events / bench.laps["drain"]
    until_drain, until_run = _one_event(bench)
    return [
        told("events: bare sends", sent, "1/s"),
        told("events: bare receives with delete", deleted, "1/s"),
        told("events: taken in", taken, "1/s"),
        told(f"events: kept of {EVENTS:,}, the others being of nothing of ours", drained.events, "events"),
        told("events: loads that they became", len(drained.loads), "loads"),
        at_least("events: taken in / bare sends", taken / sent, "ratio", 0.6),
        at_least("events: drained / bare receives with delete", emptied / deleted, "ratio", 0.8),
        told("events: one event until its load is made, by a drain each 15 s", until_drain, "s"),
        told("events: one event, from its load to its run", until_run, "s"),
        at_most("events: one event to its run", until_drain + until_run, "s", DRAIN_SECONDS + 6),
    ]


def _bare(bench: Bench) -> tuple[float, float]:
    """Sends, and receives with delete, a second: as many at once as the hub has, and nothing else."""
    event = blob_event(parse_abfss(f"{bench.folder('bare')}/x.csv"))
    connection = bench.stack.storage_connection_string
    client = QueueClient.from_connection_string(connection, "bench-bare")
    client.create_queue()
    with bench.lap(f"{BARE:,} bare sends"):
        deliver_to_queue(connection, "bench-bare", [event] * BARE)
    with bench.lap(f"{BARE:,} bare receives and deletes"):
        messages = list(client.receive_messages(messages_per_page=_PER_CALL, visibility_timeout=300))
        with ThreadPoolExecutor(_DELETERS) as pool:
            list(pool.map(client.delete_message, messages))
    if len(messages) != BARE:
        raise RuntimeError(f"{len(messages)} messages of {BARE}")
    return BARE / bench.laps[f"{BARE:,} bare sends"], BARE / bench.laps[f"{BARE:,} bare receives and deletes"]


def _require_each_once(bench: Bench, load_ids: tuple[str, ...]) -> None:
    [load_id] = load_ids
    load = _ended(bench, load_id)
    if load["state"] != "SUCCESS" or load["files"]["success"] != FILES or bench.rows("storm") != FILES:
        raise RuntimeError(f"of {FILES} files {bench.rows('storm')} rows are in the table: {load}")


def _ended(bench: Bench, load_id: str) -> dict[str, Any]:
    while (load := bench.http.get(f"/api/loads/{load_id}").json())["state"] not in FINAL:
        time.sleep(0.5)
    found: dict[str, Any] = load
    return found


def _one_event(bench: Bench) -> tuple[float, float]:
    """Seconds from an event's delivery to its load's record, and from there to the submitted run."""
    bench.upload("one", [("o.csv", b"id\n1\n")])
    known = {load["id"] for load in bench.http.get("/api/loads", params={"lob": LOB}).json()["value"]}
    sent = datetime.now(UTC)
    status = deliver(bench.stack.event_grid_url, [blob_event(parse_abfss(f"{bench.folder('one')}/o.csv"))])
    if status >= 300:
        raise RuntimeError(f"the webhook answered {status}")
    while True:
        loads = bench.http.get("/api/loads", params={"lob": LOB}).json()["value"]
        new = [load for load in loads if load["id"] not in known and load["submitted_at"]]
        if new:
            made, submitted = (datetime.fromisoformat(new[0][name]) for name in ("created_at", "submitted_at"))
            return (made - sent).total_seconds(), (submitted - made).total_seconds()
        if (datetime.now(UTC) - sent).total_seconds() > 120:
            raise RuntimeError("the event made no run within two minutes")
        time.sleep(0.2)
