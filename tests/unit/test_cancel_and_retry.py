"""Ending a load by hand, and loading its bad files again."""

import pytest

from hub_core.codes import FileError
from hub_core.errors import Conflict, Rejected, Transient
from hub_core.hub import CANCEL_TRIES
from hub_core.load import FileCounts, Load
from hub_core.model import FileStatus, LoadState, RunState, Trigger
from hub_core.ports import Claimed
from tests.unit.doubles import MemoryLoads, MemoryTracker, World


def running() -> tuple[World, Load]:
    """A load of one file whose run has begun."""
    world = World()
    world.land()
    load = world.ask()
    world.work()
    assert world.load(load).state is LoadState.RUNNING
    return world, load


def files(world: World, load: Load) -> list[tuple[FileStatus, str | None]]:
    return [(file.status, file.error_code) for file in world.tracker.files(load.id, None, "", 100)]


def test_canceling_ends_the_run_and_then_the_load_and_its_file_is_due_again() -> None:
    world, load = running()
    assert world.hub.cancel(load.id).state is LoadState.CANCELING
    for _ in range(3):
        world.work()
    ended = world.load(load)
    assert (ended.state, ended.run_state) == (LoadState.CANCELED, RunState.CANCELED)
    assert ended.error is not None
    assert ended.error.code == "CANCELED"
    assert world.jobs.canceled == [ended.run_id]
    assert files(world, load) == [(FileStatus.FAILED, FileError.CANCELED)]
    again = world.ask()
    world.work()
    assert world.load(again).files.claimed == 1


def test_a_load_whose_message_was_lost_is_canceled_all_the_same() -> None:
    world, load = running()
    world.hub.cancel(load.id)
    world.queue.messages.clear()
    for _ in range(3):
        world.clock.pass_(minutes=1)
        world.hub.reconcile()
    assert world.load(load).state is LoadState.CANCELED


def test_a_load_that_is_canceled_before_it_is_planned_claims_nothing() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.hub.cancel(load.id)
    for _ in range(3):
        world.work()
        world.hub.reconcile()
    ended = world.load(load)
    assert (ended.state, ended.claims_open) == (LoadState.CANCELED, False)
    assert files(world, load) == []
    assert world.jobs.runs == {}


def test_claims_that_a_planner_makes_while_its_load_is_canceled_are_released() -> None:
    world = World()
    world.land()
    load = world.ask()

    class CanceledMeanwhile(MemoryTracker):
        def claim(self, *arguments: object, **options: object) -> Claimed:
            world.hub.cancel(load.id)
            world.work()
            return super().claim(*arguments, **options)

    slow = CanceledMeanwhile(world.tracker.rows)
    world.work(world.build(tracker=slow))
    assert world.load(load).state is LoadState.CANCELED
    for _ in range(2):
        world.hub.reconcile()
    assert [status for status, _ in files(world, load)] == [FileStatus.FAILED]
    assert not world.load(load).claims_open


def test_a_run_that_is_submitted_while_its_load_is_canceled_is_found_and_canceled() -> None:
    world = World()
    world.land()
    load = world.ask()
    submit = world.jobs.submit

    def canceled_meanwhile(*arguments: str, **options: str):
        run = submit(*arguments, **options)
        world.hub.cancel(load.id)
        return run

    world.jobs.submit = canceled_meanwhile  # type: ignore[method-assign]
    for _ in range(4):
        world.work()
    assert world.load(load).state is LoadState.CANCELED
    assert len(world.jobs.canceled) == 1


def test_canceling_twice_is_canceling_once_and_an_ended_load_stays_as_it_is() -> None:
    world, load = running()
    assert world.hub.cancel(load.id) == world.hub.cancel(load.id)
    for _ in range(3):
        world.work()
    ended = world.load(load)
    assert world.hub.cancel(load.id) == ended
    assert world.load(load) == ended


def test_a_load_that_moves_on_all_the_time_is_a_passing_fault() -> None:
    world, load = running()

    class Moving(MemoryLoads):
        tries = 0

        def update(self, stored: object, load: object) -> object:
            self.tries += 1
            raise Conflict("it moved")

    moving = Moving(world.loads.records)
    with pytest.raises(Transient) as fault:
        world.build(loads=moving).cancel(load.id)
    assert (fault.value.code, moving.tries) == ("CONFLICT", CANCEL_TRIES)


def ended_with(world: World, *statuses: FileStatus) -> Load:
    """A load whose files ended so."""
    for number in range(len(statuses)):
        world.land(f"transactions_2026030{number + 1}.csv")
    load = world.ask()
    world.work()
    for number, status in enumerate(statuses, 1):
        world.tracker.end(load.id, status, only=f"2026030{number}")
    world.jobs.end(world.load(load).run_id or "", RunState.SUCCESS)
    world.work()
    return world.load(load)


def test_a_retry_is_a_new_load_of_the_failed_and_quarantined_files_alone() -> None:
    world = World()
    first = ended_with(world, FileStatus.SUCCESS, FileStatus.FAILED, FileStatus.QUARANTINED)
    assert first.state is LoadState.PARTIAL
    again = world.hub.retry(first.id)
    assert (again.state, again.trigger, again.retry_of) == (LoadState.ACCEPTED, Trigger.RETRY, first.id)
    world.land("transactions_20260304.csv")
    world.work()
    claimed = [file.path[-5:] for file in world.tracker.files(again.id, None, "", 100)]
    assert sorted(claimed) == ["2.csv", "3.csv"]
    assert world.load(again).state is LoadState.RUNNING


def test_what_was_loaded_since_is_not_loaded_again_by_a_retry() -> None:
    world = World()
    first = ended_with(world, FileStatus.FAILED)
    other = world.ask()
    world.work()
    world.tracker.end(other.id, FileStatus.SUCCESS)
    again = world.hub.retry(first.id)
    world.work()
    assert world.load(again).state is LoadState.EMPTY


def test_a_retry_under_the_same_key_is_the_same_load() -> None:
    world = World()
    first = ended_with(world, FileStatus.FAILED)
    again = world.hub.retry(first.id, idempotency_key="k")
    assert world.hub.retry(first.id, idempotency_key="k").id == again.id
    with pytest.raises(Rejected) as refused:
        world.hub.accept(b'{"lob": "falcon"}', idempotency_key="k")
    assert refused.value.code == "KEY_REUSED"


def test_only_an_ended_load_with_bad_files_can_be_retried() -> None:
    world, load = running()
    for load_id, status, code in ((load.id, 409, "NOT_FINAL"), ("none", 404, "NO_SUCH_LOAD")):
        with pytest.raises(Rejected) as refused:
            world.hub.retry(load_id)
        assert (refused.value.status, refused.value.code) == (status, code)
    well = World()
    good = ended_with(well, FileStatus.SUCCESS)
    assert good.files == FileCounts(total=1, success=1)
    with pytest.raises(Rejected) as refused:
        well.hub.retry(good.id)
    assert (refused.value.status, refused.value.code) == (409, "NOTHING_TO_RETRY")
