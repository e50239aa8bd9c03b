"""Old records are dropped, and loads that take too long are told of."""

from datetime import timedelta

import pytest

from hub_core import housekeeping
from hub_core.housekeeping import Housekeeping
from hub_core.model import FileStatus, LoadState
from hub_core.overseer import Overseer
from tests.unit.doubles import World
from tests.unit.test_alerts import Told
from tests.unit.test_intake import created


def _done(world: World) -> str:
    world.hub.take_event(created("transactions_1.csv"))
    [made] = world.hub.drain().loads
    world.work()
    return made


def test_a_load_is_dropped_with_its_list_of_files_after_the_days_that_it_is_kept() -> None:
    world = World()
    load_id = _done(world)
    world.clock.pass_(days=399)
    world.hub.reconcile()
    assert load_id in world.loads.records
    assert f"paths/{load_id}.json" in world.documents.documents
    world.clock.pass_(days=2)
    world.hub.reconcile()
    assert world.loads.records == {}
    assert f"paths/{load_id}.json" not in world.documents.documents


@pytest.mark.parametrize("days", [20_000, 21_000, 36_500, 999_999])
def test_loads_that_are_kept_for_ever_are_not_dropped(days: int) -> None:
    world = World()
    load_id = _done(world)
    world.clock.pass_(days=400)
    assert Housekeeping(world.loads, world.documents, world.clock, timedelta(days=days)).run() == 0
    assert load_id in world.loads.records


def test_what_was_loaded_stays_known() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.tracker.end(load.id, FileStatus.SUCCESS)
    world.finish(load)
    world.work()
    world.clock.pass_(days=500)
    world.hub.reconcile()
    assert (world.loads.records, len(world.tracker.rows)) == ({}, 1)


def test_an_unfinished_load_is_kept_however_old() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.clock.pass_(days=500)
    world.hub.housekeeping.run()
    assert list(world.loads.records) == [load.id]


def test_it_is_done_once_a_day_and_goes_on_where_much_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for _ in range(3):
        _done(world)
    world.clock.pass_(days=500)
    monkeypatch.setattr(housekeeping, "PAGE", 2)
    keeper = world.hub.housekeeping
    assert keeper.is_due()
    assert keeper.run() == 2
    assert keeper.is_due()
    assert keeper.run() == 1
    assert not keeper.is_due()
    world.clock.pass_(hours=24)
    assert keeper.is_due()


def test_a_load_that_takes_too_long_is_told_of_once_and_goes_on() -> None:
    world, told = World(), Told()
    world.land()
    load = world.ask()
    world.work()
    overseer = Overseer(world.hub.planner, timedelta(hours=6), told)
    world.clock.pass_(hours=5, minutes=59)
    overseer.reconcile()
    assert told.tries == 0
    world.clock.pass_(minutes=1)
    for _ in range(3):
        overseer.reconcile()
    [said] = told.loads
    assert (said.id, said.state, said.overdue_at) == (load.id, LoadState.RUNNING, world.clock())
    world.tracker.end(load.id, FileStatus.SUCCESS)
    world.finish(load)
    overseer.reconcile()
    assert world.load(load).state is LoadState.SUCCESS
    assert (told.tries, list(world.loads.open())) == (1, [])
