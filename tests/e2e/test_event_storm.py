"""Thousands of events, most of them of nothing new: no file lost, none loaded twice, one load per LOB and drain.

`make bench` does the same with 10,000 (benchmarks/events.py).
"""

import time
from collections import Counter
from typing import Any

import httpx
import pytest

from hub_core.paths import Location, parse_abfss
from local_stack.event_grid import Event, blob_event, cloud_event, deliver_all, deliver_to_queue, storm
from tests.e2e.service import Service

EVENTS = 1_200
FILES = 90
GONE = 30
SECONDS = 300
"""The bound: from the last event to the last load's end, beside the other tests' work."""


@pytest.fixture(scope="module", autouse=True)
def _feeds(service: Service) -> None:
    service.configure(*(service.row(name) for name in ("eventgrid", "cloudevents", "queue")))


def _landed(service: Service, feed: str) -> list[Location]:
    return [
        parse_abfss(service.land(feed, f"file {number:03} #+%.csv", f"id,name\n{number},x\n"))
        for number in range(FILES)
    ]


def _gone(service: Service, feed: str) -> list[Location]:
    folder = f"{service.stack.landing_root}/{service.lob}/{feed}"
    return [parse_abfss(f"{folder}/gone {number:03}.csv") for number in range(GONE)]


def _event_loads(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url: str | None = f"/api/loads?lob={service.lob}&limit=100"
    while url:
        page = service.http.get(url).json()
        found += [load for load in page["value"] if load["trigger"] == "event"]
        url = page["nextLink"]
    return found


def _settled(service: Service, feed: str) -> list[dict[str, Any]]:
    """The event loads, once all files of the feed are in the tracker and every load has ended."""
    deadline = time.monotonic() + SECONDS
    while True:
        loads = _event_loads(service)
        done = Counter(row["load_status"] for row in service.tracker_rows(feed))
        if done["SUCCESS"] >= FILES and all(load["finished_at"] for load in loads):
            return loads
        assert time.monotonic() < deadline, (done, loads)
        time.sleep(2)


@pytest.mark.parametrize("way", ["eventgrid", "cloudevents", "queue"])
def test_a_storm_of_events_ends_as_each_file_loaded_once(service: Service, way: str) -> None:
    files = _landed(service, way)
    weather = storm(files, _gone(service, way), count=EVENTS, seed=len(way))
    events: list[Event] = weather.events
    if way == "queue":
        deliver_to_queue(service.stack.storage_connection_string, "blob-events", events)
    else:
        deliver_all(service.stack.event_grid_url, [cloud_event(e) for e in events] if way == "cloudevents" else events)
    loads = _settled(service, way)
    rows = service.tracker_rows(way)
    assert Counter(row["source_path"] for row in rows) == Counter(str(place) for place in files)
    assert {row["load_status"] for row in rows} == {"SUCCESS"}
    assert service.bronze_count(way) == FILES
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
