"""The real Functions host behind the proxies: what operators hear, and what becomes of a load whose host is killed."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from hub_core.model import LoadState
from local_stack.proxy import Fault, Kind, call, holding, status
from tests.e2e.service import Service
from tests.outages.behind import Behind
from tests.outages.test_loads import assert_loaded_once, configured

ANSWERS_WITHIN = 35.0
"""Of a GET whose dependency refuses or breaks; one that stays silent takes 70 s."""


@pytest.fixture
def ended(host: Behind, calm: Behind, service: Service) -> str:
    """A load that has ended."""
    service.configure(service.row("seen"))
    load = service.ended(service.post()["id"], 60)
    assert load["state"] == "EMPTY"
    return str(load["id"])


def asked(service: Service, path: str) -> tuple[httpx.Response, float]:
    start = time.monotonic()
    return service.http.get(path), time.monotonic() - start


@pytest.mark.parametrize("fault", [status(503), status(500), Fault(Kind.LOST), Fault(Kind.HALF)], ids=str)
def test_operators_hear_503_and_when_to_ask_again(fault: Fault, ended: str, calm: Behind, service: Service) -> None:
    """Final loads come from memory for a while, so the load that is asked for is one that is not there."""
    paths = [f"/api/loads/{ended}x", "/api/loads?limit=3", f"/api/loads/{ended}/files", "/api/feeds"]
    for proxy in calm.proxies.values():
        # What the timers ask meanwhile is broken as well.
        proxy.fault(fault, times=None)
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: asked(service, path), paths))
    for path, (answer, seconds) in zip(paths, answers, strict=True):
        assert answer.status_code == 503, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["code"] in ("STORAGE_UNAVAILABLE", "WAREHOUSE_UNAVAILABLE")
        assert seconds < ANSWERS_WITHIN, path
    calm.calm()
    # Nothing has stuck.
    assert service.http.get(paths[1]).status_code == 200


def test_slow_answers_are_slow_and_right(ended: str, calm: Behind, service: Service) -> None:
    for proxy in calm.proxies.values():
        proxy.fault(Fault(Kind.DRIP, seconds=1), times=None)
    answer, seconds = asked(service, "/api/loads?limit=3")
    assert (answer.status_code, answer.json()["value"][0]["id"]) == (200, ended)
    assert 0.8 <= seconds < ANSWERS_WITHIN  # of the ten pauses the last follows the last piece


def test_a_load_whose_host_is_killed_while_it_plans_is_loaded_once(
    host: Behind, calm: Behind, service: Service
) -> None:
    """Bound: 120 s, of which the message's lease takes ten, a host's start and the run some ten each."""
    configured(service, "killed")
    # The claim's answer trickles in, so that the host dies between the claim and what follows.
    claim = holding("MERGE INTO `spark_catalog`.`bronze_metadata`.`load_tracker`", call("ExecuteStatement"))
    calm.databricks.fault(Fault(Kind.DRIP, seconds=10), when=claim)
    load_id = service.post()["id"]
    deadline = time.monotonic() + 60
    while not calm.databricks.asked(claim):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    host.processes.kill("functions")
    start = time.monotonic()
    assert calm.load(load_id).state is LoadState.ACCEPTED
    host.start_host()
    service.ended(load_id, 120)
    print(f"{time.monotonic() - start:.0f} s")
    assert_loaded_once(service, "killed", calm.load(load_id))
