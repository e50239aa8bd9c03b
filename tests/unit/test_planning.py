"""Loads, step by step, on stand-ins: what is claimed, submitted and concluded, also when killed between steps."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import pytest

from hub_core.codes import FileError
from hub_core.errors import Broken, Transient
from hub_core.load import Load
from hub_core.messages import LoadMessage
from hub_core.model import Claim, FileStatus, LoadState, RunState, Trigger
from hub_core.planning import MAX_SUBMISSIONS, NO_MORE_LOOKS, RESUBMIT_SECONDS
from hub_core.ports import Stored
from tests.unit.doubles import HEADER, NOW, ROOT, DyingAt, Failing, World, config_row


class Killed(BaseException):
    """The process ends here."""


def end() -> NoReturn:
    raise Killed


def stored(world: World, load: Load) -> Stored:
    found = world.loads.get(load.id)
    assert found is not None
    return found


def test_a_load_goes_from_accepted_to_success() -> None:
    world = World()
    world.land()
    load = world.ask()
    assert load.state is LoadState.ACCEPTED
    world.work()
    running = world.load(load)
    assert (running.state, running.files.total, running.run_id) == (LoadState.RUNNING, 1, "1")
    world.finish(load)
    world.work()
    done = world.load(load)
    assert (done.state, done.files.success, done.rows.loaded, done.error) == (LoadState.SUCCESS, 1, 100, None)
    assert done.finished_at is not None
    assert not done.is_open


def test_the_same_request_again_finds_nothing_due() -> None:
    world = World()
    world.land()
    first = world.ask()
    world.work()
    world.finish(first)
    world.work()
    second = world.ask()
    world.work()
    assert world.load(second).state is LoadState.EMPTY
    assert len(world.jobs.runs) == 1


def test_force_takes_a_loaded_file_again() -> None:
    world = World()
    world.land()
    first = world.ask()
    world.work()
    world.finish(first)
    world.work()
    second = world.ask(b'{"lob": "falcon", "force": true}')
    world.work()
    assert world.load(second).state is LoadState.RUNNING
    assert max(row.claim.attempt for row in world.tracker.rows) == 2


@pytest.mark.parametrize(
    ("status", "state"),
    [(FileStatus.FAILED, LoadState.FAILED), (FileStatus.QUARANTINED, LoadState.FAILED)],
)
def test_a_load_without_a_good_file_is_failed_and_says_why(status: FileStatus, state: LoadState) -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.finish(load, status)
    world.work()
    done = world.load(load)
    assert done.state is state
    assert done.error is not None
    assert done.error.code == "FILES_NOT_LOADED"


def test_some_good_files_make_it_partial() -> None:
    world = World()
    world.land("transactions_20260308.csv")
    world.land("transactions_20260309.csv")
    load = world.ask()
    world.work()
    world.tracker.end(load.id, FileStatus.FAILED, only="0308")
    world.finish(load)
    world.work()
    assert world.load(load).state is LoadState.PARTIAL


STEPS = [
    ("tracker", "sync", 1),
    ("tracker", "tracked", 1),
    ("tracker", "claim", 1),
    ("loads", "update", 1),
    ("jobs", "submit", 1),
    ("loads", "update", 2),
    ("queue", "put", 1),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("port", "method", "nth"), STEPS)
def test_killed_at_any_step_each_file_is_claimed_and_submitted_once(
    port: str, method: str, nth: int, *, after: bool
) -> None:
    world = World()
    for day in range(1, 10):
        world.land(f"transactions_2026030{day}.csv")
    load = world.ask()
    message = world.queue.take()
    dying = world.build(**{port: DyingAt(getattr(world, port), method, end, after=after, nth=nth)})
    with pytest.raises(Killed):
        dying.plan(message)
    world.hub.plan(message)  # the host delivers it again
    world.finish(load)
    world.clock.pass_(minutes=4)
    world.hub.reconcile()
    done = world.load(load)
    assert done.state is LoadState.SUCCESS
    assert len(world.jobs.runs) == 1
    claimed = Counter(row.claim.file.path for row in world.tracker.rows)
    assert len(claimed) == 9
    assert set(claimed.values()) == {1}


def test_two_loads_planned_at_once_share_no_file_and_the_second_waits() -> None:
    world = World()
    world.land()
    first, second = world.ask(), world.ask()

    class Racing:
        """Lets the other load plan between this one's look at the tracker and its claims."""

        def __getattr__(self, name: str) -> object:
            if name == "claim" and world.load(second).state is LoadState.ACCEPTED:
                world.hub.plan(LoadMessage(load_id=second.id).to_json())
            return getattr(world.tracker, name)

    world.build(tracker=Racing()).plan(LoadMessage(load_id=first.id).to_json())
    assert len(world.tracker.rows) == 1
    assert world.load(second).state is LoadState.RUNNING
    waiting = world.load(first)
    assert (waiting.state, waiting.waits_on, waiting.run_id) == (LoadState.RUNNING, (second.id,), None)
    world.finish(second)
    world.hub.reconcile()
    world.hub.reconcile()
    assert world.load(second).state is LoadState.SUCCESS
    assert world.load(first).state is LoadState.EMPTY


class Lost:
    """A tracker where another load, made now, wins the files whose paths hold `name` just before they are claimed."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def __getattr__(self, method: str) -> object:
        world = self._world
        real = getattr(world.tracker, method)
        if method != "claim":
            return real

        def claim(lob: str, batch_id: str, claims: Sequence[Claim], *more: object) -> object:
            wanted = [one for one in claims if self._name in one.file.path]
            if wanted and world.loads.get("winner") is None:
                world.loads.insert(
                    world.loads.get(batch_id).load.model_copy(
                        update={"id": "winner", "state": LoadState.RUNNING, "waits_on": (), "submissions": 1}
                    )
                )
                world.tracker.claim(lob, "winner", wanted)
            return real(lob, batch_id, claims, *more)

        return claim


def test_a_load_that_is_planned_again_waits_for_whoever_won_a_file_meanwhile() -> None:
    world = World()
    world.land("transactions_20260308.csv")
    load = world.ask()
    message = world.queue.take()
    with pytest.raises(Killed):
        world.build(tracker=DyingAt(world.tracker, "claim", end, after=True)).plan(message)
    world.land("transactions_20260309.csv")
    world.build(tracker=Lost(world, "0309")).plan(message)
    running = world.load(load)
    assert (running.state, running.files.total, running.waits_on) == (LoadState.RUNNING, 1, ("winner",))


def test_a_load_that_looks_again_waits_for_whoever_won_a_newer_version_meanwhile() -> None:
    world = World()
    path, other = world.land("transactions_20260308.csv"), world.land("transactions_20260309.csv")
    first = world.ask()
    world.work()
    for one in (path, other):
        world.landing.add(one, size=11, etag="2")
    second = world.ask()
    world.work()
    world.finish(first)
    hub = world.build(tracker=Lost(world, "0309"))
    for _ in range(2):
        hub.reconcile()
    running = world.load(second)
    assert (running.state, set(running.waits_on)) == (LoadState.RUNNING, {first.id, "winner"})
    assert (running.files.total, running.files.claimed) == (1, 1)


def test_a_load_whose_due_file_another_failed_to_bring_is_not_empty() -> None:
    world = World()
    world.land()
    first = world.ask()
    world.work()
    second = world.ask()
    world.work()
    assert world.load(second).waits_on == (first.id,)
    world.finish(first, FileStatus.FAILED)
    world.hub.reconcile()
    world.hub.reconcile()
    done = world.load(second)
    assert done.state is LoadState.FAILED
    assert done.error is not None
    assert done.error.code == "WAITED_LOAD_FAILED"


def test_a_version_that_came_while_the_older_one_was_claimed_is_loaded_once_its_path_is_free() -> None:
    world = World()
    path = world.land()
    first = world.ask()
    world.work()
    world.landing.add(path, size=11, etag="2")
    second = world.ask()
    world.work()
    assert world.load(second).waits_on == (first.id,)
    world.finish(first)
    world.hub.reconcile()
    world.hub.reconcile()
    running = world.load(second)
    assert (running.state, running.files.total) == (LoadState.RUNNING, 1)
    world.finish(second)
    world.hub.reconcile()
    assert world.load(second).state is LoadState.SUCCESS
    assert [(row.batch_id, row.claim.file.size) for row in world.tracker.rows] == [(first.id, 10), (second.id, 11)]


@pytest.mark.parametrize("gone", ["feed", "config"])
def test_a_load_that_waited_ends_even_if_its_feed_has_gone_meanwhile(gone: str) -> None:
    world = World()
    world.land()
    first, second = (world.ask(b'{"lob": "falcon", "subcategory": "credit"}') for _ in range(2))
    world.work()
    world.finish(first)
    if gone == "feed":
        world.configs.files["falcon"] = f"{HEADER}\n{config_row('other')}\n".encode()
    else:
        del world.configs.files["falcon"]
    world.hub.reconcile()
    world.hub.reconcile()
    assert world.load(second).state is LoadState.EMPTY


def test_a_load_that_waited_and_cannot_look_again_is_failed() -> None:
    world = World()
    world.land()
    first, second = world.ask(), world.ask()
    world.work()
    world.finish(first)
    denied = Broken("STORAGE_DENIED", "403")
    world.build(tracker=Failing(world.tracker, "claim", denied, 1)).reconcile()
    world.hub.reconcile()
    world.hub.reconcile()
    done = world.load(second)
    assert (done.state, done.error and done.error.code, done.is_open) == (LoadState.FAILED, "STORAGE_DENIED", False)


def test_a_file_whose_claim_outlived_its_load_is_loaded_by_the_next_one_that_wants_it() -> None:
    world = World()
    world.land()
    lost = world.ask()
    with pytest.raises(Killed):
        world.work(world.build(tracker=DyingAt(world.tracker, "claim", end, after=True)))
    world.hub.poisoned(LoadMessage(load_id=lost.id).to_json())
    second = world.ask()
    world.work()
    assert (world.load(second).state, world.load(second).waits_on) == (LoadState.RUNNING, (lost.id,))
    world.hub.reconcile()  # releases the claim
    world.hub.reconcile()  # and the second load takes it
    assert (world.load(second).state, world.load(second).files.total) == (LoadState.RUNNING, 1)
    world.finish(second)
    world.hub.reconcile()
    assert (world.load(second).state, world.load(lost).state) == (LoadState.SUCCESS, LoadState.FAILED)


def test_a_load_is_settled_no_sooner_than_it_is_counted() -> None:
    world = World()
    world.land()
    first = world.ask()
    world.work()
    second = world.ask()
    world.work()
    world.finish(first)
    dying = world.build(loads=DyingAt(world.loads, "update", end, after=True))
    with pytest.raises(Killed):
        dying.planner.advance(stored(world, first), looks=NO_MORE_LOOKS)
    assert (world.load(first).settled, world.load(first).files.success) == (True, 1)
    world.hub.planner.advance(stored(world, second), looks=NO_MORE_LOOKS)
    assert world.load(second).state is LoadState.EMPTY


def test_what_a_load_waited_for_is_judged_by_the_files_that_it_wanted() -> None:
    world = World()
    rows = (config_row(), config_row("debit", "d_*.csv", table="debit_raw"))
    world.configs.files["falcon"] = "\n".join((HEADER, *rows)).encode()
    world.land()
    world.landing.add(f"{ROOT}falcon/txn/debit/d_20260309.csv")
    whole = world.ask()
    world.work()
    credit, debit = (world.ask(b'{"lob": "falcon", "subcategory": "%s"}' % name) for name in (b"credit", b"debit"))
    world.work()
    assert world.load(credit).waits_on == world.load(debit).waits_on == (whole.id,)
    world.tracker.end(whole.id, FileStatus.SUCCESS, only="credit")
    world.finish(whole, FileStatus.QUARANTINED)
    for _ in range(2):
        world.hub.reconcile()
    assert world.load(whole).state is LoadState.PARTIAL
    assert (world.load(credit).state, world.load(debit).state) == (LoadState.EMPTY, LoadState.FAILED)


@pytest.mark.parametrize("put_back", [False, True])
def test_a_load_that_brings_the_newer_version_itself_is_a_success(put_back: bool) -> None:
    """At once, though its message was put back and is not there yet."""
    world = World()
    world.land()
    first = world.ask()
    world.work()
    world.land(size=11, etag="2")
    second = world.ask()
    world.work()
    world.finish(first, FileStatus.FAILED)
    world.hub.planner.advance(stored(world, first), looks=NO_MORE_LOOKS)
    if put_back:
        message = LoadMessage(load_id=second.id, faults=9).to_json()
        world.build(tracker=Failing(world.tracker, "tracked", Transient("SQL_UNAVAILABLE", "away"), 1)).plan(message)
        assert world.load(second).put_back_until > world.clock().timestamp()
    world.hub.reconcile()
    assert world.load(second).run_id is not None
    world.finish(second)
    for _ in range(2):
        world.hub.reconcile()
    assert (world.load(first).state, world.load(second).state) == (LoadState.FAILED, LoadState.SUCCESS)


def test_a_retry_of_files_that_nobody_can_load_any_more_is_failed() -> None:
    world = World()
    path = world.land()
    first = world.ask()
    world.work()
    world.finish(first, FileStatus.QUARANTINED)
    world.hub.reconcile()
    del world.landing.files[path]
    again = world.hub.retry(first.id)
    world.work()
    error = world.load(again).error
    assert world.load(again).state is LoadState.FAILED
    assert error is not None
    assert error.code == "NO_FEED"


def test_loads_that_wait_for_each_other_both_end() -> None:
    world = World()
    both = [world.land("transactions_20260308.csv"), world.land("transactions_20260309.csv")]
    first, second = world.ask(), world.ask()
    world.work()
    world.finish(first)
    # as if each had won one file: the first waits for the second, and the other way round
    stored = world.loads.get(first.id)
    assert stored is not None
    world.loads.update(stored, stored.load.moved(NOW, waits_on=(second.id,)))
    assert world.load(second).waits_on == (first.id,)
    for _ in range(3):
        world.hub.reconcile()
    assert world.load(first).state.is_final
    assert world.load(second).state.is_final
    assert len(both) == world.load(first).files.total


def test_a_run_that_ends_with_open_claims_is_submitted_again_twice_and_then_given_up() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.queue.messages.clear()
    for submission, pause in enumerate((*RESUBMIT_SECONDS, None), start=1):
        running = world.load(load)
        assert (running.state, running.submissions) == (LoadState.RUNNING, submission)
        world.jobs.end(str(running.run_id), RunState.FAILED)
        world.hub.reconcile()
        if pause is None:
            break
        assert [delay for _, delay in world.queue.messages] == [pause]
        world.hub.reconcile()
        assert (len(world.jobs.runs), world.load(load).state) == (submission, LoadState.SUBMITTING)
        world.clock.pass_(seconds=pause)
        world.work()
        world.queue.messages.clear()  # it also looks after its run; here `reconcile` does
    done = world.load(load)
    assert done.state is LoadState.FAILED
    assert len(world.jobs.runs) == MAX_SUBMISSIONS
    assert [row.code for row in world.tracker.rows] == [FileError.RUN_LOST]


def run_that_ended_with_open_claims() -> tuple[World, Load]:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.queue.messages.clear()
    world.jobs.end("1", RunState.FAILED)
    return world, load


def test_another_message_of_the_load_does_not_shorten_the_pause() -> None:
    world, load = run_that_ended_with_open_claims()
    world.hub.reconcile()
    another = LoadMessage(load_id=load.id, looks=7).to_json()
    world.hub.plan(another)
    assert (world.load(load).state, len(world.jobs.runs)) == (LoadState.SUBMITTING, 1)
    assert len(world.queue.messages) == 1
    world.clock.pass_(seconds=RESUBMIT_SECONDS[0])
    world.work()
    assert (world.load(load).state, len(world.jobs.runs)) == (LoadState.RUNNING, 2)


def test_what_nobody_foresaw_is_in_the_log_with_its_load(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.land()
    load = world.ask()
    with pytest.raises(IndexError):
        world.build(tracker=Failing(world.tracker, "claim", IndexError("unheard of"), 1)).plan(world.queue.take())
    [line] = [record for record in caplog.records if record.exc_info]
    assert load.id in line.getMessage()
    assert "unheard of" in caplog.text


def test_one_that_is_to_be_submitted_again_can_be_canceled_meanwhile() -> None:
    world, load = run_that_ended_with_open_claims()
    world.hub.reconcile()
    world.hub.cancel(load.id)
    world.clock.pass_(seconds=RESUBMIT_SECONDS[0])
    while world.queue.messages:
        world.work()
    assert world.load(load).state is LoadState.CANCELED
    assert [row.code for row in world.tracker.rows] == [FileError.CANCELED]
    assert len(world.jobs.runs) == 1


def test_one_whose_message_was_refused_is_submitted_again_once_it_stands_still() -> None:
    world, load = run_that_ended_with_open_claims()
    world.build(queue=Failing(world.queue, "put", Transient("STORAGE_UNAVAILABLE", "away"), 1)).reconcile()
    assert (world.load(load).state, world.queue.messages) == (LoadState.SUBMITTING, [])
    world.clock.pass_(minutes=4)
    world.hub.reconcile()
    world.work()
    assert (world.load(load).state, len(world.jobs.runs)) == (LoadState.RUNNING, 2)


def test_a_run_canceled_in_the_workspace_is_not_submitted_again() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.jobs.end("1", RunState.CANCELED)
    world.hub.reconcile()
    assert world.load(load).state is LoadState.CANCELED
    assert [row.code for row in world.tracker.rows] == [FileError.CANCELED]
    assert len(world.jobs.runs) == 1


def test_a_passing_fault_puts_the_message_back_with_growing_delay_and_the_load_goes_on() -> None:
    world = World()
    world.land()
    load = world.ask()
    shaky = world.build(tracker=Failing(world.tracker, "claim", Transient("WAREHOUSE_UNAVAILABLE", "503"), 3))
    delays = []
    for _ in range(3):
        shaky.plan(world.queue.take())
        delays.append(world.queue.messages[0][1])
    assert delays == [5, 10, 20]
    assert world.load(load).state is LoadState.ACCEPTED
    shaky.plan(world.queue.take())
    assert world.load(load).state is LoadState.RUNNING


def test_an_hour_of_passing_faults_fails_the_load_and_its_claims_are_released_later() -> None:
    world = World()
    world.land()
    load = world.ask()
    down = Transient("JOBS_UNAVAILABLE", "503")
    shaky = world.build(jobs=Failing(world.jobs, "submit", down, 10_000))
    for _ in range(60):
        if not world.queue.messages:
            break
        message, delay = world.queue.messages.pop(0)
        world.clock.pass_(seconds=delay)
        shaky.plan(message)
    failed = world.load(load)
    assert (failed.state, failed.claims_open) == (LoadState.FAILED, True)
    assert failed.error is not None
    assert failed.error.code == "JOBS_UNAVAILABLE"
    world.hub.reconcile()
    assert [row.code for row in world.tracker.rows] == [FileError.RELEASED]
    assert not world.load(load).is_open
    again = world.ask()
    world.work()
    assert world.load(again).state is LoadState.RUNNING


def test_a_plan_that_was_put_back_is_tried_when_its_message_is_back_and_not_by_reconcile_meanwhile() -> None:
    world = World()
    world.land()
    failing = Failing(world.tracker, "tracked", Transient("WAREHOUSE_UNAVAILABLE", "away", retry_after=1800), times=1)
    hub = world.build(tracker=failing)
    load = world.ask()
    world.work(hub)
    for _ in range(30):
        hub.reconcile()
        world.clock.pass_(minutes=1)
    assert len(world.queue.messages) == 1
    world.queue.take()  # it is lost
    world.clock.pass_(minutes=4)
    hub.reconcile()
    world.work(hub)
    assert world.load(load).state is LoadState.RUNNING


def test_a_retry_after_is_kept_to() -> None:
    world = World()
    world.ask()
    world.land()
    slow = Transient("STORAGE_UNAVAILABLE", "503", retry_after=77)
    world.build(tracker=Failing(world.tracker, "sync", slow, 1)).plan(world.queue.take())
    assert world.queue.messages[0][1] == 77


@pytest.mark.parametrize(("asked", "seconds"), [(7.2, 8), (0.4, 5), (90_000, 3600)])
def test_a_retry_after_is_kept_to_in_whole_seconds_for_an_hour_at_most(asked: float, seconds: int) -> None:
    world = World()
    world.ask()
    slow = Transient("STORAGE_UNAVAILABLE", "503", retry_after=asked)
    world.build(tracker=Failing(world.tracker, "sync", slow, 1)).plan(world.queue.take())
    assert world.queue.messages[0][1] == seconds


def test_a_record_that_cannot_be_read_just_now_is_no_reason_for_poison() -> None:
    world = World()
    load = world.ask()
    away = Transient("STORAGE_UNAVAILABLE", "503")
    world.build(loads=Failing(world.loads, "get", away, 1)).plan(world.queue.take())
    assert world.queue.messages[0][1] == 5
    assert world.load(load).state is LoadState.ACCEPTED


def test_an_operators_fault_fails_the_load_at_once() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.build(jobs=Failing(world.jobs, "submit", Broken("JOBS_REFUSED", "no such job"), 1)).plan(world.queue.take())
    failed = world.load(load)
    assert (failed.state, failed.claims_open) == (LoadState.FAILED, True)


def test_a_poisoned_message_fails_its_load_and_releases_its_claims() -> None:
    world = World()
    world.land()
    load = world.ask()
    message = world.queue.take()
    with pytest.raises(Killed):
        world.build(loads=DyingAt(world.loads, "update", end, after=False)).plan(message)
    world.hub.poisoned(message)
    poisoned = world.load(load)
    assert (poisoned.state, poisoned.error and poisoned.error.code) == (LoadState.FAILED, "POISONED")
    world.hub.reconcile()
    assert [row.status for row in world.tracker.rows] == [FileStatus.FAILED]


def test_claims_are_not_released_while_a_run_of_the_batch_is_alive() -> None:
    world = World()
    world.land()
    load = world.ask()
    message = world.queue.take()
    with pytest.raises(Killed):
        world.build(jobs=DyingAt(world.jobs, "submit", end, after=True)).plan(message)
    world.hub.poisoned(message)
    world.hub.reconcile()
    assert [row.status for row in world.tracker.rows] == [FileStatus.CLAIMED]
    world.jobs.end("1", RunState.FAILED)
    world.hub.reconcile()
    assert [row.status for row in world.tracker.rows] == [FileStatus.FAILED]
    assert not world.load(load).is_open


def test_a_load_that_stands_still_is_put_back_on_the_queue_once() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.queue.messages.clear()  # lost
    world.hub.reconcile()
    assert world.queue.messages == []
    world.clock.pass_(minutes=4)
    world.hub.reconcile()
    world.hub.reconcile()
    assert len(world.queue.messages) == 1
    world.work()
    assert world.load(load).state is LoadState.RUNNING


def test_claims_made_after_the_load_had_ended_are_released() -> None:
    world = World()
    load = world.ask()
    message = world.queue.take()

    class Late:
        """A planner that slept through the load's whole life, and claims a file that came meanwhile."""

        def __getattr__(self, name: str) -> object:
            if name == "claim" and not world.load(load).state.is_final:
                world.landing.files.clear()
                world.hub.plan(message)
                assert world.load(load).state is LoadState.EMPTY
            return getattr(world.tracker, name)

    world.land()
    world.build(tracker=Late()).plan(message)
    assert [row.status for row in world.tracker.rows] == [FileStatus.CLAIMED]
    world.hub.reconcile()
    assert [row.code for row in world.tracker.rows] == [FileError.RELEASED]
    assert world.load(load).state is LoadState.EMPTY


def test_a_notebooks_batch_gets_a_record_when_its_claims_are_met_and_is_released_when_its_run_is_over() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.tracker.rows[0].batch_id, world.tracker.rows[0].run_id = "notebook-1", "77"
    other = world.ask()
    world.work()
    found = world.loads.get("notebook-1")
    assert found is not None
    assert (found.load.trigger, found.load.run_id, found.load.lob) == (Trigger.NOTEBOOK, "77", "falcon")
    assert world.load(other).waits_on == ("notebook-1",)
    for _ in range(3):
        world.hub.reconcile()  # the workspace does not know run 77: it is over
    ended = world.loads.get("notebook-1")
    assert ended is not None
    assert ended.load.state is LoadState.FAILED
    assert [row.code for row in world.tracker.rows] == [FileError.RUN_LOST]
    assert world.load(other).state is LoadState.FAILED
    assert isinstance(load, Load)


def test_a_broken_row_is_reported_and_the_good_ones_load() -> None:
    world = World()
    world.configs.files["falcon"] = (
        f"{HEADER}\n{config_row()}\n{config_row('x').replace('delimited', 'xls')}\n".encode()
    )
    world.land()
    load = world.ask()
    world.work()
    running = world.load(load)
    assert running.state is LoadState.RUNNING
    assert [(error.line, error.column, error.value) for error in running.config_errors] == [(3, "file_format", "xls")]


def test_an_unreadable_config_fails_the_load_and_deactivates_nothing() -> None:
    world = World()
    load = world.ask()
    world.configs.files["falcon"] = b"lob,category\nfalcon,x\n"
    world.work()
    failed = world.load(load)
    assert failed.error is not None
    assert (failed.state, failed.error.code) == (LoadState.FAILED, "CONFIG_UNREADABLE")
    assert failed.error.message.startswith("falcon_config.csv: line 1, subcategory: the column is missing")
    assert failed.config_errors
    assert world.tracker.calls["sync"] == 0


def test_the_number_of_tracker_calls_does_not_grow_with_the_files() -> None:
    calls = []
    for count in (1, 500):
        world = World()
        for number in range(count):
            world.land(f"transactions_20260309_{number}.csv")
        world.ask()
        world.work()
        calls.append(dict(world.tracker.calls))
    assert calls[0] == calls[1]


def test_what_nobody_foresaw_of_one_load_keeps_no_other_from_being_looked_at() -> None:
    world = World()
    loads = []
    for name in ("transactions_20260308.csv", "transactions_20260309.csv"):
        world.land(name)
        loads.append(world.ask(json.dumps({"lob": "falcon", "file_name": name}).encode()))
    world.work()
    for load in loads:
        world.finish(load)
    seen = world.build(jobs=Failing(world.jobs, "get", IndexError("nobody foresaw it"), 1)).reconcile()
    assert (seen.open, seen.faults) == (2, 1)
    assert sorted(world.load(load).state for load in loads) == [LoadState.RUNNING, LoadState.SUCCESS]


@pytest.mark.parametrize("letter", ["a", '"', "ä", "𐍈"])
def test_a_csv_of_many_long_errors_fits_the_record_which_says_how_many_more_there_are(letter: str) -> None:
    world = World()
    rule = "\"r: (a <> '" + letter.replace('"', '""') * 600 + "'\""
    rows = [config_row(f"s{number}") + f",{rule}" for number in range(60)]
    text = "\n".join([f"{HEADER},quality_rules", f"{config_row()},", *rows])
    world.configs.files["falcon"] = text.encode()
    world.land()
    load = world.ask()
    world.work()
    running = world.load(load)
    assert running.state is LoadState.RUNNING
    *shown, last = running.config_errors
    assert 10 < len(shown) < 50
    assert last.message == f"{60 - len(shown)} more errors, from this line on"
    assert last.line == shown[-1].line + 1
    dry = world.hub.accept(b'{"lob": "falcon", "dry_run": true}')
    assert len(dry["config_errors"]) == len(running.config_errors)


def test_fifty_short_errors_are_all_shown_and_the_rest_is_counted() -> None:
    world = World()
    rows = [config_row(f"s{number}").replace("delimited", "xls") for number in range(60)]
    world.configs.files["falcon"] = "\n".join([HEADER, config_row(), *rows[:50]]).encode()
    load = world.ask()
    world.work()
    assert [error.line for error in world.load(load).config_errors] == list(range(3, 53))
    world.configs.files["falcon"] = "\n".join([HEADER, config_row(), *rows]).encode()
    load = world.ask()
    world.work()
    assert len(world.load(load).config_errors) == 51
    assert world.load(load).config_errors[-1].message == "10 more errors, from this line on"


def test_a_load_waits_for_more_loads_than_its_record_holds_one_after_another() -> None:
    world = World()
    others = {}
    for number in range(180):
        name = f"transactions_20260309_{number:04}.csv"
        world.land(name)
        other = world.ask(json.dumps({"lob": "falcon", "file_name": name}).encode())
        others[other.id] = other
    world.work()
    load = world.ask()
    world.work()
    first = world.load(load).waits_on
    assert 100 < len(first) < len(others)
    world.finish(others[first[0]], FileStatus.FAILED)
    seen: set[str] = {first[0]}
    for _ in range(4):
        for other_id in set(world.load(load).waits_on) - seen:
            world.finish(others[other_id])
            seen.add(other_id)
        world.hub.reconcile()
    done = world.load(load)
    assert seen == set(others)
    assert (done.state, done.error and done.error.code) == (LoadState.FAILED, "WAITED_LOAD_FAILED")
