"""Loads whose dependencies break while they are planned, submitted and followed, by real runs."""

import time

from hub_core.errors import Transient
from hub_core.hub import Hub
from hub_core.load import Load
from hub_core.model import LoadState
from local_stack.proxy import Fault, Kind, call, holding, status
from tests.e2e.service import Service
from tests.outages.behind import Behind, once

FILES, ROWS = 3, 2
LOST = Fault(Kind.LOST)


def configured(service: Service, feed: str) -> None:
    service.configure(service.row(feed))
    for number in range(FILES):
        service.land(feed, f"{number}.csv")


def accepted(hub: Hub, service: Service, key: str | None = None) -> Load:
    load = hub.accept(b'{"lob": "%s"}' % service.lob.encode(), idempotency_key=key)
    assert isinstance(load, Load)
    return load


def assert_loaded_once(service: Service, feed: str, load: Load) -> None:
    """Each file and each row is there once, by one run."""
    assert (load.state, load.files.success, load.error) == (LoadState.SUCCESS, FILES, None)
    rows = service.tracker_rows(feed)
    assert once(rows)
    assert {(row["batch_id"], row["load_status"]) for row in rows} == {(load.id, "SUCCESS")}
    assert service.bronze_count(feed) == FILES * ROWS
    assert len(service.runs_of(load.id)) == 1


def test_lost_answers_do_nothing_twice(calm: Behind, hub: Hub, service: Service) -> None:
    """Of every write: the work is done, its answer is not heard. Bound: 120 s, of which the run takes some ten."""
    configured(service, "lost")
    calm.table.fault(LOST, when=call("POST /devstoreaccount1/loads"), times=2)  # the key, then the record
    key = f"key-{service.lob}"
    answers = []
    while not answers or isinstance(answers[-1], Transient):
        assert len(answers) < 5
        try:
            answers.append(accepted(hub, service, key))
        except Transient as refused:
            answers.append(refused)
    load = answers[-1]
    assert isinstance(load, Load)
    calm.queue.fault(LOST, when=call("POST /devstoreaccount1/loads/messages"))
    calm.table.fault(LOST, when=call("POST /devstoreaccount1/$batch"))  # → SUBMITTING
    calm.table.fault(LOST, when=holding(load.id, lambda one: one.method == "PUT"))  # → RUNNING
    claim = "MERGE INTO `spark_catalog`.`bronze_metadata`.`load_tracker`"
    calm.databricks.fault(LOST, when=holding(claim, call("ExecuteStatement")))
    calm.databricks.fault(LOST, when=call("jobs/run-now"))
    start = time.monotonic()
    calm.work(hub, calm.final(load.id), 120)
    print(f"{time.monotonic() - start:.0f} s")
    lost = [one.call for proxy in calm.proxies.values() for one in proxy.struck()]
    assert sum(proxy.waiting() for proxy in calm.proxies.values()) == 0, lost
    runs = calm.databricks.asked(call("jobs/run-now"))
    assert len(runs) >= 2
    assert len({run.body for run in runs}) == 1
    assert_loaded_once(service, "lost", calm.load(load.id))


def test_a_throttled_submission_comes_back_when_the_jobs_api_said(calm: Behind, hub: Hub, service: Service) -> None:
    """Bound: what it asked for, a minute for the rest. No call of the Jobs API comes before."""
    configured(service, "throttled")
    load = accepted(hub, service)
    calm.databricks.fault(status(429, retry_after=15), when=call("jobs/run-now"))
    calm.work(hub, calm.final(load.id), 15 + 60)
    jobs = calm.databricks.asked(lambda one: "/jobs/" in one.target)
    [refused] = [one for one in jobs if one.fault]
    later = [one for one in jobs if one.at > refused.at]
    assert later[0].call.endswith("run-now")
    assert 15 <= later[0].at - refused.at < 25
    assert_loaded_once(service, "throttled", calm.load(load.id))


def test_a_warehouse_that_asks_to_wait_is_left_alone_meanwhile(calm: Behind, hub: Hub, service: Service) -> None:
    """A wait of up to a minute is kept to within the call. Bound: the wait, and a minute."""
    configured(service, "waited")
    load = accepted(hub, service)
    tracked = holding("load_tracker", call("ExecuteStatement"))
    calm.databricks.fault(status(503, retry_after=4), when=tracked)
    calm.work(hub, calm.final(load.id), 4 + 60)
    statements = calm.databricks.asked(tracked)
    assert statements[0].fault
    assert statements[1].at - statements[0].at >= 4
    assert_loaded_once(service, "waited", calm.load(load.id))
