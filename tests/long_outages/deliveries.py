"""Files of LOBs of their own that reach the hub by request or by event, and what must have become of them."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable

import httpx

from hub_core.adapters.queue import StorageEvents
from hub_core.adapters.storage_accounts import HostStorage
from hub_core.load import Load
from hub_core.paths import parse_abfss
from local_stack.event_grid import blob_event
from tests.e2e.service import FINAL, Service
from tests.outages.behind import Behind

ROWS = 2


def tell(at: Behind, service: Service, *paths: str) -> None:
    """Event Grid's events of these files, straight in the queue."""
    events = StorageEvents(HostStorage(at.direct).queues())
    for path in paths:
        events.put(json.dumps(blob_event(parse_abfss(path))))


def posted(service: Service, seconds: float = 120) -> str:
    """The id of a load that was asked for until the hub took it, as a scheduler would: with one key."""
    deadline, key = time.monotonic() + seconds, uuid.uuid4().hex
    while True:
        try:
            answer = service.http.post("/api/loads", json={"lob": service.lob}, headers={"Idempotency-Key": key})
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.status_code == 503, answer.text
        except httpx.TransportError:
            pass  # a host that is just being started
        assert time.monotonic() < deadline, "the load was never taken"
        time.sleep(1)


def loads_of(at: Behind, service: Service) -> list[Load]:
    """Every load of the LOB, newest first, past all proxies."""
    return list(at.loads.page(service.lob, None, 200, None)[0])


def until(done: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for it; the seconds that it took."""
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.25)
    return time.monotonic() - start


def all_loaded(at: Behind, service: Service, feed: str, files: int) -> Callable[[], bool]:
    """Whether every file is SUCCESS in the tracker, and every load of the LOB has ended."""

    def done() -> bool:
        if any(load.state not in FINAL for load in loads_of(at, service)):
            return False
        statuses = Counter(row["load_status"] for row in service.tracker_rows(feed))
        return statuses["SUCCESS"] == files

    return done


def assert_right(at: Behind, service: Service, feed: str, files: int, *, runs_a_load: int = 1) -> None:
    """Nothing is lost, nothing is there twice, and no load was submitted more often than that."""
    rows = service.tracker_rows(feed)
    assert Counter(row["load_status"] for row in rows) == {"SUCCESS": files}
    assert len({row["source_path"] for row in rows}) == files
    assert service.bronze_count(feed) == files * ROWS
    for load in loads_of(at, service):
        assert load.state in ("SUCCESS", "EMPTY"), load
        assert len(service.runs_of(load.id)) <= runs_a_load
