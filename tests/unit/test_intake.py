"""Events in: kept, drained into one load per LOB, deleted once that is queued, poisoned after five tries."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hub_core.errors import Broken, Rejected, Transient
from hub_core.feeds import House
from hub_core.intake import MAX_DEQUEUES, Drained
from hub_core.model import LoadState, Trigger, iso
from hub_core.ports import Event
from tests.unit.doubles import (
    HEADER,
    HOST,
    NOW,
    ROOT,
    Failing,
    MemoryEvents,
    MemoryLoads,
    MemoryQueue,
    World,
    config_row,
)

BASE = "https://acct.blob.core.windows.net/raw/"


def created(name: str, folder: str = "falcon/txn/credit/") -> str:
    data = {"api": "PutBlob", "url": f"{BASE}{folder}{name}", "eTag": "0x1"}
    return json.dumps({"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "data": data})


def two_lobs() -> World:
    world = World()
    world.configs.files["heron"] = f"{HEADER}\n{config_row(lob='heron')}\n".encode()
    return world


def test_an_event_of_a_complete_file_on_a_known_account_is_kept() -> None:
    world = World()
    assert world.hub.take_event(created("transactions_1.csv"))
    assert [event.body for event in world.events.waiting] == [created("transactions_1.csv")]


@pytest.mark.parametrize(
    "body",
    [
        created("a.csv").replace("PutBlob", "CreateFile"),
        created("a.csv").replace("BlobCreated", "BlobDeleted"),
        created("a.csv").replace("//acct.", "//other."),
        created("%2e%2e/a.csv"),
        created("a.csv").replace("/raw/", "/other/"),
    ],
)
def test_an_event_of_anything_else_is_not_kept(body: str) -> None:
    world = World()
    assert not world.hub.take_event(body)
    assert world.events.waiting == []


def test_what_is_no_event_is_rejected() -> None:
    with pytest.raises(Rejected) as caught:
        World().hub.take_event("[" * 60_000)
    assert caught.value.code == "NOT_AN_EVENT"


def test_many_events_become_one_load_per_lob_that_names_its_files_and_no_window() -> None:
    world = two_lobs()
    for number in range(100):
        world.events.put(created(f"transactions_{number}.csv"))
    world.events.put(created("transactions_1.csv", "heron/txn/credit/"))
    drained = world.hub.drain()
    assert (drained.events, drained.files, drained.dropped, len(drained.loads)) == (101, 101, 0, 2)
    loads = {load.lob: load for load, _ in world.loads.records.values()}
    assert set(loads) == {"falcon", "heron"}
    assert {load.trigger for load in loads.values()} == {Trigger.EVENT}
    assert {load.request.begin_date for load in loads.values()} == {None}
    assert len(world.documents.documents[f"paths/{loads['falcon'].id}.json"]) == 100
    assert len(world.queue.messages) == 2
    assert (world.events.waiting, world.events.received) == ([], [])


def test_an_event_load_brings_its_file_however_old_the_date_in_the_name_and_however_young_the_file() -> None:
    world = World()
    world.land("transactions_19990101.csv", modified=world.clock())
    world.hub.take_event(created("transactions_19990101.csv"))
    world.hub.drain()
    world.work()
    [load] = [load for load, _ in world.loads.records.values()]
    assert (load.state, load.files.total) == (LoadState.RUNNING, 1)
    assert (world.landing.heads, world.landing.lists) == (1, [])


def test_many_events_are_looked_up_by_listing_their_folder_once() -> None:
    world = World()
    for number in range(150):
        world.land(f"transactions_{number}.csv")
        world.events.put(created(f"transactions_{number}.csv"))
    world.land("transactions_unnamed.csv")
    world.hub.drain()
    world.work()
    [load] = [load for load, _ in world.loads.records.values()]
    assert load.files.total == 150
    assert (world.landing.heads, len(world.landing.lists)) == (0, 1)


def test_a_file_that_is_gone_again_leaves_an_empty_load() -> None:
    world = World()
    world.events.put(created("transactions_1.csv"))
    world.hub.drain()
    world.work()
    assert [load.state for load, _ in world.loads.records.values()] == [LoadState.EMPTY]


def test_duplicates_and_files_that_no_feed_wants_are_ignored_and_deleted() -> None:
    world = World()
    for name in ("transactions_1.csv", "transactions_1.csv", "other.csv", "_tmp/transactions_2.csv"):
        world.events.put(created(name))
    drained = world.hub.drain()
    assert (drained.events, drained.files, drained.duplicate, drained.dropped) == (4, 1, 1, 2)
    assert len(drained.loads) == 1
    assert world.events.received == []


def test_a_name_that_no_path_may_hold_does_not_stop_its_siblings() -> None:
    world = World()
    world.land()
    for name in (
        "x//transactions_1.csv",
        "x%5Ctransactions_1.csv",
        "%2e%2e/transactions_1.csv",
        "transactions_\ud800.csv",
        "transactions_20260309.csv",
    ):
        world.events.put(created(name))
    world.hub.drain()
    world.work()
    [load] = [load for load, _ in world.loads.records.values()]
    assert (load.state, load.files.total) == (LoadState.RUNNING, 1)


def test_nothing_waiting_is_nothing_done() -> None:
    world = World()
    world.configs.files.clear()
    assert world.hub.drain() == Drained()
    assert world.loads.records == {}


@pytest.mark.parametrize("body", ["hello", "[" * 60_000, "[]"])
def test_what_is_no_event_is_poisoned_and_stops_nobody_else(body: str) -> None:
    world = World()
    world.events.put(body)
    world.events.put(created("transactions_1.csv"))
    drained = world.hub.drain()
    assert (drained.poisoned, len(drained.loads)) == (1, 1)
    assert world.events.poisoned == [body]


class Unpoisonable(MemoryEvents):
    """Messages that the poison queue refuses."""

    def poison(self, event: Event) -> None:
        raise Broken("STORAGE_REFUSED", "RequestBodyTooLarge")


def test_what_cannot_be_poisoned_comes_again_and_stops_nobody_else() -> None:
    world = World(events=Unpoisonable())
    world.events.put("hello")
    world.events.put(created("transactions_1.csv"))
    assert replace(world.hub.drain(), loads=()) == Drained(events=2, files=1, left=1)
    assert [event.body for event in world.events.received] == ["hello"]


class Down:
    """A port that cannot be reached."""

    def __getattr__(self, name: str) -> object:
        raise Transient("STORAGE_UNAVAILABLE", "503")


class LostQueue(MemoryQueue):
    def put_soon(self, message: str) -> None:
        """As the adapter: what could not be sent is only logged."""


class LostLoads(MemoryLoads):
    def insert(self, load: object) -> bool:
        raise Transient("STORAGE_UNAVAILABLE", "503")


def test_a_load_of_events_that_could_not_be_queued_is_brought_on_by_reconcile() -> None:
    world = World()
    world.land("transactions_1.csv")
    world.events.put(created("transactions_1.csv"))
    [load_id] = world.build(queue=LostQueue()).drain().loads
    world.clock.pass_(minutes=4)
    world.hub.reconcile()
    world.work()
    stored = world.loads.get(load_id)
    assert stored is not None
    assert stored.load.state is LoadState.RUNNING


def test_messages_are_deleted_only_once_the_load_is_recorded_and_come_five_times() -> None:
    world = World()
    world.events.put(created("transactions_1.csv"))
    hub = world.build(loads=LostLoads())
    for _ in range(MAX_DEQUEUES):
        assert hub.drain() == Drained(events=1, left=1)
        assert len(world.events.received) == 1
        world.events.become_visible_again()
    assert world.hub.drain().poisoned == 1
    assert world.events.poisoned == [created("transactions_1.csv")]
    assert world.hub.drain() == Drained()
    assert MAX_DEQUEUES == 5


class Sticky(MemoryEvents):
    """Messages that cannot be deleted."""

    def delete(self, events: object) -> None:
        raise Transient("STORAGE_UNAVAILABLE", "503")


def test_messages_that_cannot_be_deleted_come_again_and_load_nothing_twice() -> None:
    world = World(events=Sticky())
    world.land("transactions_1.csv")
    world.events.put(created("transactions_1.csv"))
    assert len(world.hub.drain().loads) == 1
    world.work()
    world.events.become_visible_again()
    world.hub.drain()
    world.work()
    assert len(world.tracker.rows) == 1
    assert len(world.jobs.runs) == 1


def test_the_fifth_try_still_counts() -> None:
    world = World()
    world.events.put(created("transactions_1.csv"))
    for _ in range(MAX_DEQUEUES - 1):
        world.events.receive(32)
        world.events.become_visible_again()
    assert len(world.hub.drain().loads) == 1


def test_events_of_a_lob_whose_csv_cannot_be_read_wait_until_it_can() -> None:
    world = two_lobs()
    good, world.configs.files["falcon"] = world.configs.files["falcon"], b"not,a,config\n"
    world.events.put(created("transactions_1.csv"))
    world.events.put(created("transactions_1.csv", "heron/txn/credit/"))
    world.events.put(created("transactions_1.csv", "kestrel/txn/credit/"))
    drained = world.hub.drain()
    assert (drained.files, drained.dropped, drained.left) == (1, 1, 1)
    assert [event.body for event in world.events.received] == [created("transactions_1.csv")]
    world.configs.files["falcon"] = good
    world.events.become_visible_again()
    assert len(world.hub.drain().loads) == 1
    assert world.events.received == []


def test_an_event_that_two_lobs_may_want_waits_for_the_one_whose_csv_cannot_be_read() -> None:
    """`HUB_SPOKES` may have two LOBs read one folder."""
    world = two_lobs()
    source = f"{ROOT}falcon/txn/credit/"
    shared = {"heron": House((source,), ("heron_*",))}
    row = config_row(lob="heron").replace(f"{ROOT}heron/txn/credit/", source)
    world.configs.files["heron"] = b"not,a,config\n"
    hub = world.build()
    hub.intake.configs.spokes = shared
    world.events.put(created("transactions_1.csv"))
    drained = hub.drain()
    assert (drained.left, len(drained.loads)) == (1, 1)
    world.configs.files["heron"] = f"{HEADER}\n{row}\n".encode()
    world.events.become_visible_again()
    assert len(hub.drain().loads) == 2
    assert {load.lob for load, _ in world.loads.records.values()} == {"falcon", "heron"}
    assert world.events.received == []


def renamed(folder: str) -> str:
    data = {"api": "RenameDirectory", "destinationUrl": f"{BASE}{folder}", "eTag": "0x1"}
    named = {"eventType": "Microsoft.Storage.DirectoryRenamed", "eventTime": iso(NOW)}
    return json.dumps({"id": "1", **named, "data": data})


@pytest.mark.parametrize("folder", ["falcon/txn/credit/day", "falcon/txn/credit", "falcon", "falcon/"])
def test_a_folder_that_was_renamed_brings_its_files(folder: str) -> None:
    world = World()
    for name in ("day/transactions_1.csv", "day/transactions_2.csv", "day/_temporary/transactions_3.csv"):
        world.land(name)
    world.landing.add(f"{ROOT}falcon/elsewhere/day/transactions_4.csv")
    world.events.put(created("day/transactions_1.csv"))
    assert world.hub.take_event(renamed(folder))
    drained = replace(world.hub.drain(), loads=())
    assert drained == Drained(events=4, files=2, duplicate=1, dropped=1)
    world.work()
    assert len(world.tracker.rows) == 2
    assert world.events.received == []


def test_what_is_written_into_a_renamed_folder_afterwards_waits_for_its_own_event() -> None:
    """It may not be whole yet."""
    world = World()
    world.land("day/transactions_1.csv", modified=NOW)
    world.land("day/transactions_2.csv", modified=NOW + timedelta(seconds=1), size=0)
    world.clock.pass_(hours=1)
    world.events.put(renamed("falcon/txn/credit/day"))
    assert world.hub.drain().files == 1
    world.work()
    assert [row.claim.file.path.rpartition("/")[2] for row in world.tracker.rows] == ["transactions_1.csv"]


def test_a_folder_is_listed_once_for_all_its_events() -> None:
    world = World()
    world.land("day/transactions_1.csv")
    for _ in range(3):
        world.events.put(renamed("falcon/txn/credit/day"))
    drained = world.hub.drain()
    assert (drained.events, drained.files, drained.duplicate) == (3, 1, 2)
    assert len(world.landing.lists) == 1


def test_a_renamed_folder_that_holds_an_allowed_root_is_kept() -> None:
    world = World()
    world.hub.intake.configs.allowed_roots = (f"{ROOT}data/in/",)
    assert world.hub.take_event(renamed("data"))
    assert not world.hub.take_event(renamed("other"))
    assert not world.hub.take_event(created("data", ""))


def test_a_renamed_folder_that_holds_nothing_of_ours_is_dropped_and_not_listed() -> None:
    world = World()
    world.events.put(renamed("falcon/else"))
    assert world.hub.drain() == Drained(events=1, dropped=1)
    assert world.landing.lists == []
    assert not world.hub.take_event(renamed("x").replace("//acct.", "//other."))


def test_a_renamed_folder_that_cannot_be_listed_comes_again_and_keeps_no_other_waiting() -> None:
    world = World()
    world.land("transactions_1.csv")
    world.land("day/transactions_2.csv")
    away = Failing(world.landing, "list", Transient("STORAGE_UNAVAILABLE", "503"), 1)
    hub = replace(world.hub, intake=replace(world.hub.intake, landing=away))
    world.events.put(renamed("falcon/txn"))
    world.events.put(created("transactions_1.csv"))
    drained = hub.drain()
    assert (drained.events, drained.files, drained.left) == (2, 1, 1)
    world.events.become_visible_again()
    drained = hub.drain()
    assert (drained.files, drained.duplicate, drained.left) == (2, 0, 0)
    assert world.events.received == []


class Faulty:
    """A port of which one LOB's calls of a method end in an error, until it is mended."""

    def __init__(self, port: object, method: str, error: Exception) -> None:
        self._port, self._method, self.error = port, method, error

    def __getattr__(self, name: str) -> object:
        real = getattr(self._port, name)

        def call(*args: object) -> object:
            if name == self._method and "falcon" in str(args) and self.error is not None:
                raise self.error
            return real(*args)

        return call


@pytest.mark.parametrize("error", [Transient("STORAGE_UNAVAILABLE", "503"), IndexError("nobody foresaw it")])
@pytest.mark.parametrize(("port", "method"), [("configs", "read"), ("documents", "write")])
def test_one_lobs_error_keeps_no_other_from_its_load_and_loses_no_event(
    port: str, method: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = two_lobs()
    faulty = Faulty(getattr(world, port), method, error)
    setattr(world, port, faulty)
    world.events.put(created("transactions_1.csv"))
    world.events.put(created("transactions_1.csv", "heron/txn/credit/"))
    drained = world.build().drain()
    assert (drained.events, drained.files, drained.left, len(drained.loads)) == (2, 1, 1, 1)
    assert [record.lob for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == ["falcon"]
    faulty.error = None
    world.events.become_visible_again()
    assert len(world.build().drain().loads) == 1
    assert {load.lob for load, _ in world.loads.records.values()} == {"falcon", "heron"}
    assert world.events.received == []


def test_the_endpoints_of_an_account_are_those_of_both_its_services() -> None:
    from hub_core.adapters.storage_accounts import Accounts

    assert Accounts({}).endpoints([HOST]) == {"acct.blob.core.windows.net/": HOST, f"{HOST}/": HOST}
