"""Alerts: one a load that went wrong, never at the cost of the load."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from hub_core.adapters.webhook import Webhook
from hub_core.alerts import AlertFormat, alert_body
from hub_core.errors import Broken, Transient
from hub_core.load import Load
from hub_core.model import FileStatus, LoadState, Run
from hub_core.overseer import Overseer
from hub_core.ports import Stored
from tests.unit.doubles import Failing, World


class Told:
    """Alerts that were sent, or are refused."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.loads: list[Load] = []
        self.tries = 0
        self.fault = fault

    def send(self, load: Load) -> None:
        self.tries += 1
        if self.fault:
            raise self.fault
        self.loads.append(load)


def _ended(world: World, status: FileStatus) -> Load:
    """A load of two files, one of which ended as `status`."""
    world.land("transactions_1.csv")
    world.land("transactions_2.csv")
    load = world.ask()
    world.work()
    world.tracker.end(load.id, status, only="_1")
    world.finish(load)
    world.work()
    return world.load(load)


def _reconcile(world: World, alerts: Told) -> None:
    Overseer(world.hub.planner, timedelta(hours=6), alerts).reconcile()


@pytest.mark.parametrize("status", [FileStatus.FAILED, FileStatus.QUARANTINED])
def test_a_load_with_files_that_were_not_loaded_is_told_once(status: FileStatus) -> None:
    world, told = World(), Told()
    load = _ended(world, status)
    assert load.state is LoadState.PARTIAL
    for _ in range(3):
        _reconcile(world, told)
    assert [one.id for one in told.loads] == [load.id]
    assert list(world.loads.open()) == []


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        (None, None),
        (FileStatus.SUCCESS, None),
        (FileStatus.FAILED, "the load was canceled; 1 of its 2 files had FAILED or were QUARANTINED"),
        (FileStatus.QUARANTINED, "the load was canceled; 1 of its 2 files had FAILED or were QUARANTINED"),
    ],
)
def test_a_canceled_load_is_told_only_where_files_had_a_reason_of_their_own(
    ended: FileStatus | None, message: str | None
) -> None:
    world, told = World(), Told()
    world.land("transactions_1.csv")
    world.land("transactions_2.csv")
    load = world.ask()
    world.work()
    if ended is not None:
        world.tracker.end(load.id, ended, "LOAD_ERROR" if ended is FileStatus.FAILED else None, only="_1")
    world.hub.cancel(load.id)
    for _ in range(4):
        world.work()
        _reconcile(world, told)
    assert world.load(load).state is LoadState.CANCELED
    assert [one.error and one.error.message for one in told.loads] == ([message] if message else [])
    assert not world.load(load).is_open


def test_a_load_that_went_well_is_not_told() -> None:
    world, told = World(), Told()
    assert _ended(world, FileStatus.SUCCESS).state is LoadState.SUCCESS
    _reconcile(world, told)
    assert told.tries == 0


@pytest.mark.parametrize("fault", [Transient("ALERT_NOT_SENT", "503"), Broken("ALERT_REFUSED", "404")])
def test_an_alert_that_is_not_taken_is_sent_again_for_a_day_and_the_load_stays_as_it_is(fault: Exception) -> None:
    world, away = World(), Told(fault)
    load = _ended(world, FileStatus.FAILED)
    for _ in range(3):
        _reconcile(world, away)
    assert away.tries == 3
    assert world.load(load).model_dump() == load.model_dump()
    told = Told()
    _reconcile(world, told)
    assert len(told.loads) == 1


def test_after_a_day_it_is_left_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    world, away = World(), Told(Transient("ALERT_NOT_SENT", "503"))
    _ended(world, FileStatus.FAILED)
    world.clock.pass_(minutes=25 * 60)
    _reconcile(world, away)
    _reconcile(world, away)
    assert away.tries == 1
    assert "Load of falcon ended PARTIAL" in caplog.text


def test_without_a_webhook_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    _ended(world, FileStatus.FAILED)
    world.hub.reconcile()
    assert "Load of falcon ended PARTIAL: of 2 files 1 FAILED" in caplog.text
    assert list(world.loads.open()) == []


def test_the_bodies_say_what_became_of_the_load() -> None:
    load = _ended(World(), FileStatus.FAILED)
    plain = alert_body(load, AlertFormat.JSON)
    assert (plain["load_id"], plain["state"], plain["code"]) == (load.id, "PARTIAL", "FILES_NOT_LOADED")
    assert (plain["files"]["failed"], plain["files_route"]) == (1, f"/api/loads/{load.id}/files")
    [attachment] = alert_body(load, AlertFormat.TEAMS)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    facts = {fact["title"]: fact["value"] for fact in card["body"][2]["facts"]}
    assert facts["Files"] == "1 failed, 0 quarantined, 1 loaded of 2"
    assert facts["Load"] == load.id


class Receiver(BaseHTTPRequestHandler):
    """Answers with the statuses that wait, then with 202."""

    statuses: ClassVar[list[int]] = []
    bodies: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.statuses.pop(0) if self.statuses else 202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — http.server's name
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    Receiver.statuses, Receiver.bodies = [], []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/workflows/x?sig=s3cret"
    server.shutdown()
    server.server_close()


def test_a_webhook_that_stumbles_gets_the_alert_at_the_second_try(receiver: str) -> None:
    load = _ended(World(), FileStatus.FAILED)
    Receiver.statuses = [503]
    Webhook(receiver, AlertFormat.JSON).send(load)
    assert [body["load_id"] for body in Receiver.bodies] == [load.id] * 2


@pytest.mark.parametrize(
    ("statuses", "error"), [([503] * 3, Transient), ([429] * 3, Transient), ([404], Broken), ([302], Broken)]
)
def test_what_the_webhook_refuses_is_said_without_its_address(
    receiver: str, statuses: list[int], error: type[Exception]
) -> None:
    Receiver.statuses = list(statuses)
    with pytest.raises(error) as refused:
        Webhook(receiver, AlertFormat.TEAMS).send(_ended(World(), FileStatus.FAILED))
    assert str(statuses[0]) in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert len(Receiver.bodies) == len(statuses)


def test_a_webhook_that_nobody_answers_is_a_passing_fault_without_its_address() -> None:
    with pytest.raises(Transient) as away:
        Webhook("http://127.0.0.1:9/x?sig=s3cret", AlertFormat.JSON).send(_ended(World(), FileStatus.FAILED))
    assert "s3cret" not in str(away.value)
    assert away.value.__cause__ is None


def test_the_webhooks_tries_reach_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Transient):
        Webhook("http://127.0.0.1:9/x?sig=s3cret", AlertFormat.JSON).send(_ended(World(), FileStatus.FAILED))
    assert "s3cret" not in caplog.text


def test_a_webhook_that_does_not_answer_is_tried_once_a_round_and_keeps_no_load_from_going_on() -> None:
    world, away = World(), Told(Transient("ALERT_NOT_SENT", "no answer"))
    for _ in range(3):
        _ended(world, FileStatus.FAILED)
    world.land("transactions_9.csv")
    going = world.ask()
    world.work()
    world.tracker.end(going.id, FileStatus.SUCCESS)
    world.finish(going)
    _reconcile(world, away)
    assert away.tries == 1
    assert world.load(going).state is LoadState.SUCCESS


def test_a_round_of_slow_reads_stops_before_the_host_ends_it() -> None:
    world = World()
    for _ in range(5):
        world.ask()
    looked: list[str] = []

    class Slow:
        """Every load that is read takes two minutes."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.loads, name)

        def open(self) -> Iterator[Stored]:
            for stored in world.loads.open():
                looked.append(stored.load.id)
                yield stored
                world.clock.pass_(minutes=2)

    Overseer(world.build(loads=Slow()).planner, timedelta(hours=6)).reconcile()
    assert len(looked) == 3


def test_silent_dependencies_keep_no_load_from_being_found_overdue_nor_from_its_turn() -> None:
    world, told = World(), Told()
    for number in range(6):
        world.land(f"transactions_{number}.csv")
        world.ask()
        world.work()
    runs = [str(stored.load.run_id) for stored in world.loads.open()]
    assert len(set(runs)) == 6
    looked: list[str] = []

    class Silent:
        """Every question takes two minutes, and has no answer."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.jobs, name)

        def get(self, run_id: str) -> Run:
            looked.append(run_id)
            world.clock.pass_(minutes=2)
            raise Transient("JOBS_UNAVAILABLE", "silent")

    overseer = Overseer(world.build(jobs=Silent()).planner, timedelta(hours=6), told)
    assert overseer.reconcile().faults == 3
    assert len(set(looked)) == 3
    overseer.reconcile()
    assert sorted(looked) == sorted(runs)
    world.clock.pass_(hours=7)
    overseer.reconcile()
    assert len(told.loads) == 6


def test_a_table_that_breaks_off_keeps_none_of_those_it_gave_from_going_on() -> None:
    world = World()
    for number in range(2):
        world.land(f"transactions_{number}.csv")
        world.ask()
        world.work()

    class Breaking:
        def __getattr__(self, name: str) -> object:
            return getattr(world.loads, name)

        def open(self) -> Iterator[Stored]:
            yield next(iter(world.loads.open()))
            raise Transient("STORAGE_UNAVAILABLE", "503")

    first = next(iter(world.loads.open())).load
    world.finish(first)
    overseer = Overseer(world.build(loads=Breaking()).planner, timedelta(hours=6))
    with pytest.raises(Transient):
        overseer.reconcile()
    assert world.load(first).state is LoadState.SUCCESS


def test_slow_reads_leave_time_for_looks() -> None:
    world = World()
    for number in range(200):
        world.land(f"transactions_{number}.csv")
        world.ask()
        world.work()
    looked: set[str] = set()

    class Slow:
        """Every load that is read takes three seconds."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.loads, name)

        def open(self) -> Iterator[Stored]:
            for stored in world.loads.open():
                world.clock.pass_(seconds=3)
                yield stored

    class Looked:
        def __getattr__(self, name: str) -> object:
            return getattr(world.jobs, name)

        def get(self, run_id: str) -> Run:
            looked.add(run_id)
            world.clock.pass_(seconds=1)
            return world.jobs.get(run_id)

    overseer = Overseer(world.build(loads=Slow(), jobs=Looked()).planner, timedelta(hours=6))
    overseer.reconcile()
    assert len(looked) > 30


def test_a_load_that_cannot_let_go_of_its_files_is_said(caplog: pytest.LogCaptureFixture) -> None:
    world, told = World(), Told()
    world.land()
    load = world.ask()
    world.hub = world.build(jobs=Failing(world.jobs, "submit", Broken("JOBS_REFUSED", "403"), 1))
    world.work()
    assert (world.load(load).state, world.load(load).claims_open) == (LoadState.FAILED, True)
    world.hub = world.build(tracker=Failing(world.tracker, "settle", Broken("SQL_FAILED", "no SELECT"), 1_000))
    for hours in (0, 7, 7):
        world.clock.pass_(hours=hours)
        _reconcile(world, told)
    assert [alert_body(one, AlertFormat.JSON)["code"] for one in told.loads] == ["JOBS_REFUSED", "OVERDUE"]
    assert "keeps files from other loads" in alert_body(told.loads[1], AlertFormat.JSON)["headline"]
    assert "keeps files from other loads: its claims cannot be released" in caplog.text


def test_a_load_that_is_overdue_is_said_at_once_whatever_the_webhook_does(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.land()
    world.ask()
    world.work()
    world.clock.pass_(hours=7)
    for _ in range(2):
        _reconcile(world, Told(Broken("ALERT_REFUSED", "403")))
    assert [record.levelname for record in caplog.records if "OVERDUE" in record.getMessage()] == ["ERROR"]
