"""Whole dependencies are away, or killed and started again, and so is the host: loads end by themselves."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_core.hub import Hub
from hub_core.model import LoadState
from local_stack.proxy import Fault, Kind, status
from tests.e2e.service import Service
from tests.long_outages.deliveries import all_loaded, assert_right, posted, until
from tests.outages.behind import Behind

AWAY = 40.0


@pytest.fixture
def host(calm: Behind, hub: Hub) -> Iterator[Behind]:
    if not calm.processes.runs("functions"):
        calm.start_host()
    yield calm
    calm.stack.start("databricks")


@pytest.fixture(autouse=True, scope="module")
def _last(through: Behind) -> Iterator[None]:
    yield
    through.processes.stop("functions")


def landed(service: Service, feed: str) -> None:
    service.configure(service.row(feed))
    for number in range(2):
        service.land(feed, f"{number}.csv")


def submitted(at: Behind, service: Service, load_id: str, runs: int, seconds: float) -> None:
    """Wait until the load's run of that number has begun: it is counted when the pause before it begins."""

    def begun() -> bool:
        load = at.load(load_id)
        return load.submissions >= runs and load.state is LoadState.RUNNING

    until(begun, seconds, f"run {runs}")


def test_a_warehouse_that_refuses_for_40_s(host: Behind, service: Service) -> None:
    """Bound: 40 s, the longest wait that has built up meanwhile (60 s), a minute for planning and the run."""
    landed(service, "refused")
    host.databricks.fault(status(503), when=lambda one: "/sql/" in one.target, times=None)
    posted(service)
    time.sleep(AWAY)
    host.databricks.calm()
    took = until(all_loaded(host, service, "refused", 2), 120, "after the warehouse came back")
    print(f"{took:.0f} s after the warehouse came back")
    assert_right(host, service, "refused", 2)


def test_databricks_that_cannot_be_reached_for_40_s(host: Behind, service: Service) -> None:
    """As above; the sessions that the service kept are gone with the endpoint."""
    landed(service, "unreached")
    host.stack.kill("databricks")
    posted(service)
    time.sleep(AWAY)
    host.stack.start("databricks")
    took = until(all_loaded(host, service, "unreached", 2), 120, "after Databricks came back")
    print(f"{took:.0f} s after Databricks came back")
    assert_right(host, service, "unreached", 2)


def test_a_run_that_ended_with_the_endpoint_is_submitted_again(host: Behind, service: Service) -> None:
    """Bound: 180 s: the minute timer, the pause of 30 s, a wait that has built up, a run."""
    landed(service, "again")
    load_id = posted(service)
    submitted(host, service, load_id, 1, 60)
    host.stack.kill("databricks")
    host.stack.start("databricks")
    took = until(all_loaded(host, service, "again", 2), 180, "after the restart")
    print(f"{took:.0f} s after the restart")
    assert_right(host, service, "again", 2, runs_a_load=2)


def test_runs_that_the_workspace_has_forgotten_are_submitted_three_times_and_no_more(
    host: Behind, service: Service
) -> None:
    """Bound: 150 s for each of the three, and the pause of 30 or 60 s before the next is part of it.

    The files are FAILED with the reason, and due again.
    """
    landed(service, "forgotten")
    load_id = posted(service)
    for number in (1, 2, 3):
        submitted(host, service, load_id, number, 150)
        host.stack.kill("databricks")
        shutil.rmtree(Path(host.stack.state_dir) / "databricks")
        host.stack.start("databricks")
    load = service.ended(load_id, 150)
    assert (load["state"], load["submissions"], load["run_state"]) == ("FAILED", 3, "LOST")
    assert {file["error_code"] for file in service.files(load_id)} == {"RUN_LOST"}
    again = posted(service)
    assert service.ended(again, 120)["state"] == "SUCCESS"
    assert service.bronze_count("forgotten") == 4


def test_storage_that_is_away_and_started_again(host: Behind, service: Service) -> None:
    """The service's own tables, queues and documents. Bound: 300 s after it is back.

    The load's message may have been lost with it; then `reconcile` finds the load, once it has stood still for 180 s.

    It is ended rather than killed: Azurite writes to disk every few seconds, and would forget what it has acknowledged.
    """
    landed(service, "stored")
    load_id = posted(service)
    host.processes.stop("azurite")
    time.sleep(15)
    host.start_storage()
    took = until(all_loaded(host, service, "stored", 2), 300, "after storage came back")
    print(f"{took:.0f} s after storage came back")
    assert host.load(load_id).state == "SUCCESS"
    assert_right(host, service, "stored", 2)


def test_a_host_that_is_killed_in_each_second_of_a_load(host: Behind, service: Service) -> None:
    """Bound: 30 s for each of three kills, two minutes for what follows the last."""
    landed(service, "killed")
    load_id = posted(service)
    for seconds in (0.5, 1.5, 3.0):
        time.sleep(seconds)
        host.processes.kill("functions")
        host.start_host()
    service.ended(load_id, 120)
    assert_right(host, service, "killed", 2)


def test_silent_dependencies_keep_an_operator_70_s_at_most(host: Behind, service: Service) -> None:
    for proxy in host.proxies.values():
        proxy.fault(Fault(Kind.STALL, seconds=90), times=None)
    for path in ("/api/loads/none", "/api/loads?limit=3", "/api/feeds"):
        start = time.monotonic()
        answer = service.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert time.monotonic() - start < 70
