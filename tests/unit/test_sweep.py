"""The sweep: once an hour, it reports what is due, and loads what nobody told of."""

import logging
from datetime import timedelta

import pytest

from hub_core.codes import FileError
from hub_core.errors import Broken
from hub_core.model import FileStatus, LoadState, Trigger
from hub_core.sweep import Sweep
from tests.unit.doubles import HEADER, NOW, MemoryLanding, World, config_row

HOUR = timedelta(hours=1)


def made(world: World) -> list[object]:
    return [load for load, _ in world.loads.records.values()]


def test_a_sweep_is_made_once_an_hour_and_leaves_files_that_may_still_be_told_of() -> None:
    world = World()
    world.land(modified=NOW)
    for minutes in (0, 30, 29, 1):
        world.clock.pass_(minutes=minutes)
        world.hub.reconcile()
        world.land(modified=world.clock() - timedelta(minutes=1))
    assert len(world.landing.lists) == 2
    assert (world.tracker.rows, world.loads.records) == ([], {})


def test_no_sweep_is_made_where_the_setting_says_never() -> None:
    world = World()
    assert not Sweep(world.hub.planner, world.configs, 0, loads=True).is_due()


def test_a_file_that_no_event_told_of_within_an_hour_is_loaded_and_reported() -> None:
    world = World()
    lost = world.land("transactions_20260309.csv", modified=NOW - HOUR)
    world.land("transactions_20260310.csv", modified=NOW - HOUR / 2)
    world.hub.reconcile()
    [feed] = world.hub.feeds()["value"]
    assert (feed["due"], feed["missed"]) == (2, 1)
    [load] = made(world)
    assert (load.trigger, load.lob) == (Trigger.SWEEP, "falcon")
    world.work()
    assert [row.claim.file.path for row in world.tracker.rows] == [lost]


def test_what_a_sweep_has_found_once_it_does_not_load_again() -> None:
    world = World()
    world.land(modified=NOW - HOUR)
    world.hub.reconcile()
    world.work()
    [load] = made(world)
    for status in (FileStatus.CLAIMED, FileStatus.SUCCESS):
        if status is FileStatus.SUCCESS:
            world.tracker.end(load.id, status)
        world.clock.pass_(hours=1)
        world.hub.sweep.run()
    assert made(world)[1:] == []


@pytest.mark.parametrize(
    ("code", "again"), [(FileError.RUN_LOST, True), (FileError.SCHEMA_CONFLICT, False), (FileError.CANCELED, False)]
)
def test_a_file_that_failed_is_tried_again_only_where_the_error_may_pass(code: FileError, again: bool) -> None:
    world = World()
    world.land(modified=NOW - HOUR)
    load = world.ask()
    world.work()
    world.tracker.end(load.id, FileStatus.FAILED, code)
    assert len(world.hub.sweep.run()) == again


def test_years_of_files_behind_a_new_feed_are_due_but_are_not_loaded_by_themselves() -> None:
    world = World()
    world.land("transactions_20190101.csv", modified=NOW - timedelta(days=400))
    assert world.hub.sweep.run() == []
    [feed] = world.hub.feeds()["value"]
    assert (feed["due"], feed["missed"]) == (1, 0)


def test_a_sweep_that_only_reports_says_what_was_missed(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.land(modified=NOW - HOUR)
    with caplog.at_level(logging.WARNING):
        assert Sweep(world.hub.planner, world.hub.configs, 60, loads=False).run() == []
    assert made(world) == []
    assert "files that nobody told of" in caplog.text


@pytest.mark.parametrize("error", [Broken("STORAGE_DENIED", "403"), IndexError("nobody foresaw it")])
def test_a_lob_whose_folders_cannot_be_listed_keeps_no_other_from_being_looked_over(error: Exception) -> None:
    world = World()
    world.configs.files["heron"] = f"{HEADER}\n{config_row(lob='heron')}\n".encode()

    class Denied(MemoryLanding):
        def list(self, folder: str, skip: object = None) -> object:
            if "/falcon/" in folder:
                raise error
            return super().list(folder)

    world.landing = Denied()
    world.hub = world.build()
    world.hub.reconcile()
    assert [(feed["lob"], feed["due"]) for feed in world.hub.feeds()["value"]] == [("falcon", None), ("heron", 0)]


def test_a_load_of_the_sweep_ends_like_any_other() -> None:
    world = World()
    world.land(modified=NOW - HOUR)
    world.hub.reconcile()
    world.work()
    [load] = made(world)
    world.tracker.end(load.id, FileStatus.SUCCESS)
    world.finish(load)
    world.work()
    assert world.load(load).state is LoadState.SUCCESS


def test_a_sweep_that_was_begun_and_never_ended_is_begun_again_after_an_hour() -> None:
    world = World()

    class Killed(MemoryLanding):
        def list(self, folder: str, skip: object = None) -> object:
            raise KeyboardInterrupt

    world.landing = Killed()
    world.hub = world.build()
    with pytest.raises(KeyboardInterrupt):
        world.hub.reconcile()
    for minutes in (1, 58):
        world.clock.pass_(minutes=minutes)
        world.hub.reconcile()
    world.clock.pass_(minutes=1)
    with pytest.raises(KeyboardInterrupt):
        world.hub.reconcile()
