"""Each kind of fault hits each dependency once while two loads go their way, one asked for and one told of by an event.

Bounds: 240 s for the load that was asked for. A fault that the call itself does not mend puts its message back after
5, 10, 20, … s, so that four of them take 75 s and a stall its timeout besides. 480 s for the other: the events of a
drain that failed, or was not answered, are hidden for 300 s.
"""

import pytest

from hub_core.hub import Hub
from local_stack.proxy import Fault, Kind, Proxy, When, call, holding, status
from tests.long_outages.deliveries import all_loaded, assert_right, posted, tell, until
from tests.outages.behind import Behind

SECONDS, EVENT_SECONDS = 240, 480
FAULTS = (
    status(429),
    status(500),
    status(503, retry_after=6),
    Fault(Kind.RESET),
    Fault(Kind.LOST),
    Fault(Kind.HALF),
    Fault(Kind.DRIP, seconds=5),
    Fault(Kind.STALL, seconds=70),
)


def hits(at: Behind) -> list[tuple[Proxy, When]]:
    """A request of each call that a load makes of a dependency."""
    tracker = "`spark_catalog`.`bronze_metadata`.`load_tracker`"
    execute = call("ExecuteStatement")
    return [
        (at.blob, lambda one: "comp=list" in one.target and "landing" in one.target),
        (at.blob, lambda one: one.method == "HEAD"),
        (at.blob, lambda one: one.method == "GET" and "_config.csv" in one.target),
        (at.documents, lambda one: one.method == "PUT" and "/paths/" in one.target),
        (at.documents, lambda one: one.method == "GET" and "/paths/" in one.target),
        (at.table, call("POST /devstoreaccount1/loads")),
        (at.table, call("POST /devstoreaccount1/$batch")),
        (at.table, lambda one: one.method == "PUT"),
        (at.queue, call("POST /devstoreaccount1/loads/messages")),
        (at.queue, call("GET /devstoreaccount1/loads/messages")),
        (at.queue, lambda one: one.method == "DELETE" and "/loads/messages/" in one.target),
        (at.queue, call("GET /devstoreaccount1/blob-events/messages")),
        (at.queue, lambda one: one.method == "DELETE" and "/blob-events/messages/" in one.target),
        (at.databricks, lambda one: execute(one) and f"FROM {tracker}".encode() in one.body),
        (at.databricks, holding(f"MERGE INTO {tracker}", execute)),
        (at.databricks, call("jobs/run-now")),
        (at.databricks, call("jobs/runs/get")),
    ]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_both_loads_end_right_by_themselves(fault: Fault, host: Behind, calm: Behind, hub: Hub) -> None:
    asked, told = host.service(hub), host.service(hub)
    try:
        asked.configure(asked.row("asked"))
        told.configure(told.row("told"))
        asked.land("asked", "a.csv")
        asked.land("asked", "b.csv")
        path = told.land("told", "c.csv")
        for proxy, when in hits(host):
            proxy.fault(fault, when=when)
        tell(host, told, path)
        posted(asked)
        took = until(all_loaded(host, asked, "asked", 2), SECONDS, "the load that was asked for")
        took += until(all_loaded(host, told, "told", 1), EVENT_SECONDS - took, "the load that an event told of")
        print(f"{fault}: {took:.0f} s")
        assert {name: proxy.waiting() for name, proxy in host.proxies.items() if proxy.waiting()} == {}
        assert_right(host, asked, "asked", 2)
        assert_right(host, told, "told", 1)
    finally:
        asked.close()
        told.close()
