"""Thousands of events, most of them of nothing new: no file lost, none loaded twice, one load per LOB and drain.

`make bench` does the same with 10,000 (benchmarks/events.py).
"""

import time
from collections import Counter
from typing import Any

import httpx
import pytest

from hub_core.events import FOLDER_RENAMED
from hub_core.paths import Location, parse_abfss
from local_stack.event_grid import Event, blob_event, cloud_event, deliver_all, deliver_to_queue, storm
from tests.e2e.service import Service

EVENTS = 3_000
FILES = 150
GONE = 50
SECONDS = 300
"""The bound: from the last event to the last load's end, beside the other tests' work."""


@pytest.fixture(scope="module")
def places(service: Service) -> tuple[list[Location], list[Location]]:
    """Files that are there, and places of files that are gone again."""
    service.configure(service.row("storm"))
    files = [service.land("storm", f"file {number:03} #+%.csv", f"id,name\n{number},x\n") for number in range(FILES)]
    folder = f"{service.stack.landing_root}/{service.lob}/storm"
    gone = [f"{folder}/gone {number:03}.csv" for number in range(GONE)]
    return [parse_abfss(path) for path in files], [parse_abfss(path) for path in gone]


def _event_loads(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url: str | None = f"/api/loads?lob={service.lob}&limit=100"
    while url:
        page = service.http.get(url).json()
        found += [load for load in page["value"] if load["trigger"] == "event"]
        url = page["nextLink"]
    return found


def _settled(service: Service) -> list[dict[str, Any]]:
    """The event loads, once all files are in the tracker and every load has ended."""
    deadline = time.monotonic() + SECONDS
    while True:
        loads = _event_loads(service)
        done = Counter(row["load_status"] for row in service.tracker_rows("storm"))
        if done["SUCCESS"] >= FILES and all(load["finished_at"] for load in loads):
            return loads
        assert time.monotonic() < deadline, (done, loads)
        time.sleep(2)


def test_a_storm_of_events_by_all_ways_ends_as_each_file_loaded_once(
    service: Service, places: tuple[list[Location], list[Location]]
) -> None:
    """A third of the events each in Event Grid's own schema, as CloudEvents, and straight into the queue."""
    files, gone = places
    events: list[Event] = storm(files, gone, count=EVENTS, seed=4711).events
    deliver_all(service.stack.event_grid_url, events[::3])
    deliver_all(service.stack.event_grid_url, [cloud_event(event) for event in events[1::3]])
    deliver_to_queue(service.stack.storage_connection_string, "blob-events", events[2::3])
    loads = _settled(service)
    rows = service.tracker_rows("storm")
    assert Counter(row["source_path"] for row in rows) == Counter(str(place) for place in files)
    assert {row["load_status"] for row in rows} == {"SUCCESS"}
    assert service.bronze_count("storm") == FILES
    # The loads of one drain are made at one moment.
    assert len({load["created_at"] for load in loads}) == len(loads)
    assert [len(service.runs_of(load["id"])) for load in loads] == [int(load["files"]["total"] > 0) for load in loads]


def test_the_webhook_shakes_hands_in_both_schemas(service: Service) -> None:
    event = blob_event(Location("raw", "acct.dfs.core.windows.net", "x"))
    validation = {**event, "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}
    validation["data"] = {"validationCode": "512d"}
    kind = {"aeg-event-type": "SubscriptionValidation"}
    own = httpx.post(service.stack.event_grid_url, json=[validation], headers=kind)
    assert (own.status_code, own.json()) == (200, {"validationResponse": "512d"})
    asking = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    cloud = httpx.options(service.stack.event_grid_url, headers=asking)
    assert (cloud.status_code, cloud.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")


def test_a_folder_that_was_renamed_into_place_brings_its_files(service: Service) -> None:
    service.configure(service.row("moved"))
    files = [service.land("moved", f"day/{number}.csv", f"id,name\n{number},x\n") for number in range(3)]
    folder = parse_abfss(files[0].rpartition("/")[0])
    deliver_all(service.stack.event_grid_url, [blob_event(folder, "RenameDirectory", kind=FOLDER_RENAMED)])
    deadline = time.monotonic() + SECONDS
    while Counter(row["load_status"] for row in service.tracker_rows("moved")) != {"SUCCESS": 3}:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert service.bronze_count("moved") == 3
