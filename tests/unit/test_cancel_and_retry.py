"""Ending a load by hand, and loading its bad files again."""

from typing import NoReturn

import pytest

from hub_core.codes import FileError
from hub_core.errors import Broken, Conflict, Rejected, Transient
from hub_core.hub import CANCEL_TRIES
from hub_core.load import FileCounts, Load
from hub_core.model import FileStatus, LoadState, Run, RunState, Trigger
from hub_core.planning import RESUBMIT_SECONDS
from hub_core.ports import Claimed
from tests.unit.doubles import DyingAt, Failing, MemoryLoads, MemoryTracker, World


def running() -> tuple[World, Load]:
    """A load of one file whose run has begun."""
    world = World()
    world.land()
    load = world.ask()
    world.work()
    assert world.load(load).state is LoadState.RUNNING
    return world, load


def to_be_submitted_again() -> tuple[World, Load]:
    """A load whose run has ended without its file; the message that submits it again is about to come."""
    world, load = running()
    world.jobs.end("1", RunState.FAILED)
    world.work()
    assert world.load(load).state is LoadState.SUBMITTING
    world.clock.pass_(seconds=RESUBMIT_SECONDS[0])
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


class Died(BaseException):
    """The process ends here."""


def _die() -> NoReturn:
    raise Died


def test_a_second_run_whose_start_was_not_recorded_is_canceled_before_its_claims_are_ended() -> None:
    world, load = to_be_submitted_again()
    with pytest.raises(Died):
        world.work(world.build(jobs=DyingAt(world.jobs, "submit", _die, after=True)))
    assert (world.load(load).state, world.load(load).run_id) == (LoadState.SUBMITTING, "1")
    world.hub.cancel(load.id)
    world.work()
    assert (world.load(load).state, world.load(load).run_id) == (LoadState.CANCELING, "2")
    assert world.jobs.canceled == ["2"]
    assert files(world, load) == [(FileStatus.CLAIMED, None)]
    for _ in range(2):
        world.hub.reconcile()
    assert world.load(load).state is LoadState.CANCELED
    assert files(world, load) == [(FileStatus.FAILED, FileError.CANCELED)]
    assert not world.load(load).is_open


def test_a_second_run_that_begins_after_its_load_was_canceled_is_canceled_too() -> None:
    world, load = to_be_submitted_again()
    submit = world.jobs.submit

    def canceled_meanwhile(*arguments: str, **options: str) -> Run:
        world.hub.cancel(load.id)
        world.hub.plan(world.queue.take())
        assert world.load(load).state is LoadState.CANCELED
        return submit(*arguments, **options)

    world.jobs.submit = canceled_meanwhile  # type: ignore[method-assign]
    world.work()
    for _ in range(2):
        world.hub.reconcile()
    assert world.jobs.canceled == ["2"]
    assert not world.load(load).is_open


def test_claims_of_a_failed_load_are_kept_while_a_second_run_goes_on_whose_start_was_not_recorded() -> None:
    world, load = running()
    world.jobs.end("1", RunState.FAILED)
    submit = world.jobs.submit

    def unanswered(*arguments: str, **options: str) -> NoReturn:
        submit(*arguments, **options)
        raise Transient("JOBS_UNAVAILABLE", "the answer was lost")

    world.jobs.submit = unanswered  # type: ignore[method-assign]
    while world.queue.messages:
        world.clock.pass_(minutes=5)
        world.work()
    assert world.load(load).state is LoadState.FAILED
    for _ in range(2):
        world.hub.reconcile()
    assert (world.load(load).run_id, world.load(load).is_open) == ("2", True)
    assert files(world, load) == [(FileStatus.CLAIMED, None)]
    world.jobs.end("2", RunState.FAILED)
    world.hub.reconcile()
    assert files(world, load) == [(FileStatus.FAILED, FileError.RELEASED)]
    assert not world.load(load).is_open


def test_a_load_that_waits_for_files_is_canceled_even_where_its_own_are_loaded() -> None:
    world = World()
    world.land("transactions_1.csv")
    holding = world.ask()
    world.work()
    world.land("transactions_2.csv")
    load = world.ask()
    world.work()
    assert world.load(load).waits_on == (holding.id,)
    world.tracker.end(load.id, FileStatus.SUCCESS)
    world.finish(load)
    world.hub.reconcile()
    assert world.load(load).settled
    world.hub.cancel(load.id)
    world.work()
    world.hub.reconcile()
    assert (world.load(load).state, world.load(holding).state) == (LoadState.CANCELED, LoadState.RUNNING)


def test_a_load_whose_files_are_not_released_yet_says_when_it_can_be_retried() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.hub = world.build(jobs=Failing(world.jobs, "submit", Broken("JOBS_REFUSED", "403"), 1))
    world.work()
    with pytest.raises(Rejected, match="in a minute") as refused:
        world.hub.retry(load.id)
    assert (refused.value.status, refused.value.code) == (409, "NOT_FINAL")
    world.hub.reconcile()
    assert world.hub.retry(load.id).retry_of == load.id
