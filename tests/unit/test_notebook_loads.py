"""Loads that notebooks planned, as the service sees them: found, followed, alerted, and freed when they are dead."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from hub_core.codes import FileError
from hub_core.errors import Broken, Transient
from hub_core.load import Load, first_id
from hub_core.model import Batch, FileStatus, LoadState, Run, RunState, Trigger
from hub_core.request import LoadRequest
from tests.unit.doubles import NOW, Failing, World

BATCH = first_id(NOW)[:11] + "f" * 21


def claimed(run_id: str | None) -> World:
    """A world in which a notebook has claimed a file that events have nothing to do with."""
    world = World()
    world.land(modified=NOW - timedelta(minutes=5))
    _, _, plan, _ = world.hub.planner.dry_run(LoadRequest(lob="falcon"))
    world.tracker.claim("falcon", BATCH, plan.claims, run_id)
    return world


def seen(world: World) -> Load:
    stored = world.loads.get(BATCH)
    assert stored is not None
    return stored.load


def test_the_sweep_finds_a_notebooks_load_while_it_runs_and_reconcile_ends_it() -> None:
    world = claimed("77")
    world.jobs.runs["elsewhere"] = Run("77", RunState.RUNNING)
    world.hub.sweep.run()
    load = seen(world)
    assert (load.state, load.trigger, load.run_id, load.lob) == (LoadState.RUNNING, Trigger.NOTEBOOK, "77", "falcon")
    world.tracker.end(BATCH, FileStatus.SUCCESS)
    world.jobs.end("77", RunState.SUCCESS)
    world.hub.reconcile()
    assert (seen(world).state, seen(world).files.success) == (LoadState.SUCCESS, 1)


def test_one_whose_lob_could_not_be_asked_for_hours_is_found_then() -> None:
    world = claimed("77")
    world.jobs.runs["elsewhere"] = Run("77", RunState.RUNNING)
    claimed_at = NOW + timedelta(minutes=10)

    class Away:
        def __getattr__(self, name: str) -> object:
            return getattr(world.tracker, name)

        def recent_batches(self, lob: str, since: datetime) -> Sequence[Batch]:
            if NOW < world.clock() < NOW + timedelta(hours=4):
                raise Transient("WAREHOUSE_UNAVAILABLE", "away")
            there = since <= claimed_at <= world.clock()
            return world.tracker.recent_batches(lob, since) if there else []

    sweep = world.build(tracker=Away()).sweep
    for _ in range(4):
        sweep.run()
        assert world.loads.get(BATCH) is None
        world.clock.pass_(hours=1)
    sweep.run()
    assert seen(world).trigger is Trigger.NOTEBOOK


def test_one_of_a_lob_whose_folders_the_service_may_not_list_is_found() -> None:
    world = claimed("77")
    world.jobs.runs["elsewhere"] = Run("77", RunState.RUNNING)
    hub = world.build(tracker=Failing(world.tracker, "tracked", Broken("STORAGE_DENIED", "403"), 1))
    hub.sweep.run()
    assert seen(world).trigger is Trigger.NOTEBOOK


def test_one_that_ended_before_the_sweep_saw_it_gets_its_state_at_once_and_alerts_where_it_is_bad() -> None:
    world = claimed("77")
    world.jobs.runs["elsewhere"] = Run("77", RunState.FAILED)
    world.tracker.end(BATCH, FileStatus.FAILED, FileError.SCHEMA_CONFLICT)
    world.hub.sweep.run()
    assert (seen(world).state, seen(world).alert_due) == (LoadState.FAILED, True)


def test_a_load_of_the_services_own_stays_what_it_is() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    before = dict(world.loads.records)
    world.hub.sweep.run()
    assert world.loads.records == before
    assert world.load(load).trigger is Trigger.REQUEST


def test_claims_of_a_dead_run_are_freed_without_a_run_of_the_hubs_own() -> None:
    world = claimed("77")  # which the workspace does not know (any more)
    world.hub.sweep.run()
    assert [(row.status, row.code) for row in world.tracker.rows] == [(FileStatus.FAILED, FileError.RUN_LOST)]
    assert seen(world).state is LoadState.FAILED
    assert world.jobs.batches == {}


def test_without_a_run_only_the_tracker_says_when_it_has_ended() -> None:
    world = claimed(None)
    world.hub.sweep.run()
    for _ in range(3):
        world.clock.pass_(hours=30)
        world.hub.reconcile()
    assert (seen(world).state, seen(world).files.claimed) == (LoadState.RUNNING, 1)
    world.tracker.end(BATCH, FileStatus.SUCCESS)
    world.clock.pass_(hours=90)
    world.hub.reconcile()
    assert seen(world).state is LoadState.SUCCESS


def test_one_that_was_left_is_looked_at_ever_more_rarely() -> None:
    world = claimed(None)
    world.hub.sweep.run()
    looks = []
    for _ in range(24 * 60):
        world.clock.pass_(minutes=1)
        before = seen(world).updated_at
        world.hub.overseer.reconcile()
        looks.append(seen(world).updated_at != before)
    assert sum(looks[:60]) > sum(looks[-60:])
    assert 10 < sum(looks) < 60


@pytest.mark.parametrize("run_id", [None, "77"])
def test_canceling_a_notebooks_load_frees_its_files(run_id: str | None) -> None:
    world = claimed(run_id)
    if run_id:
        world.jobs.runs["elsewhere"] = Run(run_id, RunState.RUNNING)
        world.jobs.batches[run_id] = BATCH
    world.hub.sweep.run()
    world.hub.cancel(BATCH)
    world.work()
    for _ in range(2):
        world.hub.reconcile()
    assert seen(world).state is LoadState.CANCELED
    assert [(row.status, row.code) for row in world.tracker.rows] == [(FileStatus.FAILED, FileError.CANCELED)]
    load = world.ask()
    world.work()
    assert world.load(load).files.total == 1
