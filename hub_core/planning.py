"""A load, step by step: plan, submit, follow, settle. Every step may be repeated, and stopped at any point.

ACCEPTED ─plan─► SUBMITTING ─submit─► RUNNING ─follow─► SUCCESS | PARTIAL | FAILED | CANCELED
    └─► EMPTY                  ▲            │
                               └─ a run ended without finishing its claims, at most twice
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from hub_core.codes import FileError
from hub_core.errors import Broken, Conflict, HubError, Rejected, Transient
from hub_core.gather import ConfigReader, find_files, look_at, unreadable_csv
from hub_core.load import ConfigProblem, FileCounts, Load, Problem, config_problems, final_state, waited_for
from hub_core.logs import bound, logger
from hub_core.messages import GIVE_UP_SECONDS, LoadMessage
from hub_core.model import Batch, Claim, Feed, FileStatus, LoadState, Outcome, Run, RunState, TrackedFile, Trigger
from hub_core.named_loads import named_paths
from hub_core.ports import Claimed, Clock, Documents, Jobs, Landing, Loads, Queue, Stored, Tracker
from hub_core.request import EVERYTHING, LoadRequest, require_feeds, select, window_of
from hub_core.resolve import Candidates, Plan, Scope, failed_by, files_due, foreign_holders, settled_before
from hub_core.telemetry import SILENT, Telemetry

log = logger(__name__)

RESUBMIT_SECONDS = (30, 60)
"""Pauses before a batch is submitted for the second and the third time: what ended its run may be there still."""
CLOCKS_DIFFER_SECONDS = 2
"""So much too early may a message seem to be that was sent with a delay."""
MAX_SUBMISSIONS = 1 + len(RESUBMIT_SECONDS)
RETRY_PAGE = 5_000
MAX_NAMED = 5
"""Loads that did not end well, of those that were waited for, in a load's error."""
FOLLOW_SECONDS = (*[1] * 60, *[2] * 20)
"""Waits between looks at a young run: a second in its first minute, then two; after 100 s it is `reconcile`'s."""
COUNTED_LOOKS = range(30, len(FOLLOW_SECONDS), 20)
"""Looks that count the run's files too, from its 30th second on: short runs need no count."""
NO_MORE_LOOKS = len(FOLLOW_SECONDS)

_CANCELED = FileError.CANCELED, "the load was canceled before this file was loaded"
_RELEASED = FileError.RELEASED, "the load ended before this file was loaded; it is due again"


@dataclass(frozen=True, slots=True)
class Planner:
    """Moves loads from ACCEPTED to their final state."""

    configs: ConfigReader
    landing: Landing
    tracker: Tracker
    loads: Loads
    queue: Queue
    documents: Documents
    jobs: Jobs
    clock: Clock
    lookback_days: int
    settle_seconds: int
    telemetry: Telemetry = SILENT

    def handle(self, message: LoadMessage) -> None:
        """Move a load on by what its record says; passing faults put the message back, for up to an hour."""
        try:
            stored = self.loads.get(message.load_id)
        except Transient as fault:
            self._put_back(message, fault)
            return
        if stored is None:
            log.warning("message for a load that does not exist", extra={"load_id": message.load_id})
            return
        load, began = stored.load, self.clock()
        with (
            bound(load_id=load.id, lob=load.lob, run_id=load.run_id),
            self.telemetry.span("plan load", message.trace or load.trace, load_id=load.id, lob=load.lob),
        ):
            try:
                self._handle(stored, message)
            except Transient as fault:
                self._put_back(message, fault)
            except HubError as error:
                # The host's own line about a function that failed has no load.
                log.error("planning: %s", error.message, extra={"code": error.code})  # noqa: TRY400 — foreseen
                raise
            except Exception:
                log.exception("planning met what nobody foresaw")
                raise
        self.telemetry.measure("hub.plan.duration", (self.clock() - began).total_seconds())

    def _handle(self, stored: Stored, message: LoadMessage) -> None:
        try:
            again = self.advance(stored, message.looks)
            if again is not None:
                following = LoadMessage(load_id=message.load_id, looks=message.looks + 1, trace=message.trace)
                self.queue.put(following.to_json(), again)
        except Conflict:
            # Somebody else moved the load on, and does the rest. Only claims made too late for that are left over.
            log.info("another process moved the load on", extra={"load_id": message.load_id})
            current = self.loads.get(message.load_id)
            if stored.load.state is LoadState.ACCEPTED and current is not None and current.load.state.is_final:
                self._put_up_for_release(current)

    def advance(self, stored: Stored, looks: int = 0) -> int | None:
        """Do the load's next steps, as far as they can be done now; seconds until the next look, or None."""
        state = stored.load.state
        if state is LoadState.ACCEPTED:
            stored = self._plan(stored)
        elif state in (LoadState.RUNNING, LoadState.CANCELING):
            stored = self._follow(stored, count=looks in COUNTED_LOOKS)
        elif stored.load.claims_open:
            stored = self._release(stored)
        if stored.load.state is LoadState.SUBMITTING:
            if self.clock().timestamp() + CLOCKS_DIFFER_SECONDS < stored.load.put_back_until:
                return None  # a message for that is on its way
            stored = self._submit(stored)
        if not stored.load.is_unfinished or looks >= NO_MORE_LOOKS:
            return None
        return FOLLOW_SECONDS[looks]

    def dry_run(self, request: LoadRequest) -> tuple[str, Candidates, Plan, tuple[ConfigProblem, ...]]:
        """What a load of `request` would claim now: its LOB, the candidates, the plan, and the CSV's errors."""
        selection = select(request, self.configs.lobs())
        config = self.configs.read(selection.lob)
        if not config.readable:
            raise unreadable_csv(selection.lob, config)
        feeds = require_feeds(config.feeds, selection)
        found = find_files(self.landing, feeds, self._scope(request, self.clock()))
        plan = files_due(
            found,
            self.tracker.tracked(selection.lob, found),
            batch_id="",
            trigger=Trigger.REQUEST,
            force=request.force,
        )
        return selection.lob, found, plan, config_problems(config)

    def fail(self, stored: Stored, error: HubError, *, claims_open: bool) -> Stored:
        """End the load as FAILED; claims that its batch may hold are released later, by `reconcile`."""
        now = self.clock()
        problem = Problem(code=error.code, message=error.message[:2000])
        return self.loads.update(
            stored, stored.load.moved(now, state=LoadState.FAILED, error=problem, claims_open=claims_open)
        )

    # plan: gather → decide → apply

    def _plan(self, stored: Stored) -> Stored:
        try:
            return self._claim(stored)
        except (Broken, Rejected) as error:
            return self.fail(stored, error, claims_open=True)

    def _claim(self, stored: Stored) -> Stored:
        load = stored.load
        config = self.configs.read(load.lob)
        problems = config_problems(config)
        if not config.readable:
            now = self.clock()
            problem = unreadable_csv(load.lob, config)
            error = Problem(code=problem.code, message=problem.message)
            return self.loads.update(
                stored, load.moved(now, state=LoadState.FAILED, error=error, config_errors=problems, claims_open=True)
            )
        with ThreadPoolExecutor(1, thread_name_prefix="sync") as pool:
            # Beside the listing: what is due does not depend on `file_config`, only what is claimed may be.
            synced = pool.submit(self.tracker.sync, load.lob, config, deactivate=True)
            found, _, plan = self._due(load, config.feeds)
            synced.result()
        ours, waits_on = self._take(load, found, plan, plan.claims)
        now = self.clock()
        log.info("planned", extra={"files": len(ours), "waits_on": len(waits_on), "config_errors": len(problems)})
        if ours:
            return self.loads.update(
                stored,
                load.moved(
                    now,
                    state=LoadState.SUBMITTING,
                    submissions=load.submissions + 1,
                    put_back_until=0.0,
                    files=FileCounts(total=len(ours), claimed=len(ours)),
                    waits_on=waits_on,
                    config_errors=problems,
                ),
            )
        state = LoadState.RUNNING if waits_on else LoadState.EMPTY
        return self.loads.update(stored, load.moved(now, state=state, waits_on=waits_on, config_errors=problems))

    def _take(
        self, load: Load, found: Candidates, plan: Plan, claims: Sequence[Claim]
    ) -> tuple[Claimed, tuple[str, ...]]:
        """Claim `claims`: what the batch has, earlier claims perhaps too, and the loads that have what it wanted."""
        ours = self.tracker.claim(load.lob, load.id, claims)
        holders = dict(plan.held_by)
        if any(claim.key not in ours for claim in claims):
            holders.update(foreign_holders(claims, ours, self.tracker.tracked(load.lob, found), load.id))
        return ours, waited_for(self._open_holders(load.lob, holders))

    def _due(self, load: Load, feeds: tuple[Feed, ...]) -> tuple[Candidates, Sequence[TrackedFile], Plan]:
        found = self._candidates(load, feeds)
        tracked = self.tracker.tracked(load.lob, found)
        plan = files_due(found, tracked, batch_id=load.id, trigger=load.trigger, force=load.request.force)
        return found, tracked, plan

    def _candidates(self, load: Load, feeds: tuple[Feed, ...]) -> Candidates:
        if load.retry_of is not None:
            return self._bad_files(load.retry_of, [feed for feed in feeds if feed.is_active])
        if load.trigger in (Trigger.EVENT, Trigger.SWEEP):
            active = [feed for feed in feeds if feed.is_active]
            return look_at(self.landing, named_paths(self.documents, load.id), active, Scope(EVERYTHING))
        # The LOB and "today" were settled when the load was accepted: planned later or again, it means the same files.
        selection = select(load.request, {load.lob})
        return find_files(self.landing, require_feeds(feeds, selection), self._scope(load.request, load.created_at))

    def _bad_files(self, batch_id: str, feeds: Sequence[Feed]) -> Candidates:
        """What a load has failed to bring, as storage has it now."""
        bad: set[tuple[str, str, str]] = set()
        for status in (FileStatus.FAILED, FileStatus.QUARANTINED):
            after = ""
            while page := self.tracker.files(batch_id, status, after, RETRY_PAGE):
                bad |= {(file.category, file.subcategory, file.path) for file in page}
                after = page[-1].tracker_id
        found = look_at(self.landing, sorted({path for _, _, path in bad}), feeds, Scope(EVERYTHING))
        # Another feed may want the same file, and have it.
        again = [one for one in found if (one.feed.category, one.feed.subcategory, one.file.path) in bad]
        if bad and not again:
            raise Rejected("NO_FEED", f"of the {len(bad):,} files none is there any more, or none is of an active feed")
        return Candidates(again)

    def _scope(self, request: LoadRequest, asked_at: datetime) -> Scope:
        settled = settled_before(self.clock(), self.settle_seconds)
        return Scope(window_of(request, asked_at, self.lookback_days), request.file_name, settled)

    def _open_holders(self, lob: str, holders: Mapping[str, str | None]) -> tuple[str, ...]:
        """The batches that hold files we want, for a load to wait for.

        A batch without a record is a notebook's, and gets one here. A finished load's claims are leftovers, put up for
        release: until then they are waited for.
        """
        for batch_id, run_id in holders.items():
            held = self.loads.get(batch_id)
            if held is None:
                now = self.clock()
                self.loads.insert(adopted(Batch(batch_id, run_id, now), lob, now))
            elif held.load.state.is_final:
                try:
                    self._put_up_for_release(held)
                except Conflict:
                    log.info("another process moved the holder on", extra={"load_id": batch_id})
        return tuple(sorted(holders))

    def adopt(self, batch: Batch, lob: str) -> None:
        """Give a notebook's batch that has no record one, so that its state shows and its dead claims are released."""
        if self.loads.get(batch.batch_id) is not None:
            return
        load = adopted(batch, lob, self.clock())
        if self.loads.insert(load) and (stored := self.loads.get(load.id)) is not None:
            with bound(load_id=load.id, lob=lob, run_id=batch.run_id):
                log.info("found a notebook's load")
                self.advance(stored, looks=NO_MORE_LOOKS)

    def _put_up_for_release(self, stored: Stored) -> Stored:
        if stored.load.claims_open:
            return stored
        return self.loads.update(stored, stored.load.moved(self.clock(), claims_open=True))

    # submit

    def _submit(self, stored: Stored) -> Stored:
        load = stored.load
        try:
            with self.telemetry.span("submit run", load_id=load.id):
                token, trace = f"{load.id}-{load.submissions}", self.telemetry.trace()
                run = self.jobs.submit(load.lob, load.id, token, trace)
        except Broken as error:
            return self.fail(stored, error, claims_open=True)
        now = self.clock()
        log.info("submitted a run", extra={"run_id": run.run_id, "submission": load.submissions})
        return self.loads.update(
            stored, load.ran(now, run, state=LoadState.RUNNING, submitted_at=load.submitted_at or now)
        )

    # follow and settle

    def _follow(self, stored: Stored, *, count: bool) -> Stored:
        load, canceling = stored.load, stored.load.state is LoadState.CANCELING
        if load.settled:
            outcome = self.tracker.outcome(load.id)
            if canceling and outcome.count(FileStatus.CLAIMED):
                # It was about to claim what the loads that it waited for have let go.
                self.tracker.settle(load.lob, load.id, *_CANCELED)
                outcome = self.tracker.outcome(load.id)
            return self._conclude(stored, outcome, canceled=canceling, claims_open=canceling)
        if load.run_id is None and not canceling:
            return self._follow_by_tracker(stored)
        run = self._run_of(load)
        if run is None:
            return self._cancel_unsubmitted(stored)
        if not run.state.is_over:
            if canceling:
                self.jobs.cancel(run.run_id)
            return self._progress(stored, run, count=count)
        canceled = canceling or run.state is RunState.CANCELED
        outcome = self.tracker.outcome(load.id)
        if outcome.count(FileStatus.CLAIMED):
            resubmit = not canceled and load.trigger is not Trigger.NOTEBOOK and load.submissions < MAX_SUBMISSIONS
            if resubmit:
                return self._submit_again(stored, run, outcome)
            self.tracker.settle(load.lob, load.id, *_ending(run, canceled=canceled))
            outcome = self.tracker.outcome(load.id)
        # Its counts with the word that it is settled: loads that wait for it judge by both.
        now = self.clock()
        stored = self.loads.update(stored, load.ran(now, run).counted(now, outcome, settled=True))
        # Another process may have been submitting it once more just then.
        return self._conclude(stored, outcome, canceled=canceled, claims_open=canceling and load.submissions > 1)

    def _submit_again(self, stored: Stored, run: Run, outcome: Outcome) -> Stored:
        """Record that the batch is to have one more run, and send the message that submits it after a pause."""
        load, now = stored.load, self.clock()
        pause = RESUBMIT_SECONDS[load.submissions - 1]
        log.warning("the run ended with open claims", extra={"run_id": run.run_id, "again_in_seconds": pause})
        changes = {
            "state": LoadState.SUBMITTING,
            "submissions": load.submissions + 1,
            "put_back_until": now.timestamp() + pause,
        }
        stored = self.loads.update(stored, load.ran(now, run).counted(now, outcome, **changes))
        self.queue.put(LoadMessage(load_id=load.id, trace=load.trace).to_json(), pause)
        return stored

    def _run_of(self, load: Load) -> Run | None:
        """The batch's run that is alive, else the recorded one.

        While a load is submitted again its record names the run before, and a run may begin whose start is never
        recorded.
        """
        recorded = None if load.run_id is None else self.jobs.get(load.run_id)
        if recorded is not None and (not recorded.state.is_over or load.submissions <= 1):
            return recorded
        return self.jobs.find_active(load.lob, load.id) or recorded

    def _follow_by_tracker(self, stored: Stored) -> Stored:
        """Follow what has no run: a load that only waits for others, or a notebook's by a hand, which may be dead.

        Only who started that knows whether it is, so its claims are released when somebody cancels it. It is looked at
        ever more rarely: a notebook that was left must not keep the warehouse awake.
        """
        load, now = stored.load, self.clock()
        if load.trigger is not Trigger.NOTEBOOK:
            return self._conclude(stored, Outcome(), canceled=False)
        if load.updated_at > load.created_at and now - load.updated_at < (load.updated_at - load.created_at) / 4:
            return stored
        outcome = self.tracker.outcome(load.id)
        if outcome.count(FileStatus.CLAIMED):
            return self.loads.update(stored, load.counted(now, outcome))
        stored = self.loads.update(stored, load.counted(now, outcome, settled=True))
        return self._conclude(stored, outcome, canceled=False)

    def _cancel_unsubmitted(self, stored: Stored) -> Stored:
        """End a load that has no run: it may be about to claim, or even to submit, in another process."""
        load = stored.load
        self.tracker.settle(load.lob, load.id, *_CANCELED)
        return self._conclude(stored, self.tracker.outcome(load.id), canceled=True, claims_open=True)

    def _progress(self, stored: Stored, run: Run, *, count: bool) -> Stored:
        now = self.clock()
        seen = stored.load.ran(now, run)
        if count:
            seen = seen.counted(now, self.tracker.outcome(stored.load.id))
        unchanged = seen.model_copy(update={"updated_at": stored.load.updated_at}) == stored.load
        return stored if unchanged else self.loads.update(stored, seen)

    def _conclude(self, stored: Stored, outcome: Outcome, *, canceled: bool, claims_open: bool = False) -> Stored:
        """Give the load its final state, unless loads that it waits on still work on their files, or hold them."""
        load, now = stored.load, self.clock()
        waited = [held.load for batch_id in load.waits_on if (held := self.loads.get(batch_id)) is not None]
        if not canceled and not all(other.settled or other.has_let_go for other in waited):
            seen = load.counted(now, outcome)
            return stored if seen.files == load.files else self.loads.update(stored, seen)
        unwell = [other.id for other in waited if not other.went_well]
        if waited and not canceled:
            moved, unwell = self._look_again(stored, outcome, unwell)
            if moved is not None:
                return moved
        state = final_state(outcome, canceled=canceled, waited_well=not unwell)
        error = _why(state, outcome, unwell)
        log.info("the load ended", extra={"state": state.value, "rows": outcome.rows, "rejected": outcome.rejected})
        ended = load.counted(now, outcome, state=state, error=error, claims_open=claims_open)
        if state is LoadState.CANCELED and outcome.bad:
            ended = ended.model_copy(update={"alert_due": True})
        return self.loads.update(stored, ended)

    def _look_again(self, stored: Stored, outcome: Outcome, unwell: list[str]) -> tuple[Stored | None, list[str]]:
        """The load moved on, where there is more for it to do; and of `unwell` those that failed what it wanted."""
        try:
            return self._claim_newer(stored, outcome, unwell)
        except Rejected as error:
            # The feed or its LOB has left: nothing newer is wanted.
            log.info("nothing to look for any more: %s", error.message, extra={"load_id": stored.load.id})
            return None, unwell
        except Broken as error:
            return self.fail(stored, error, claims_open=True), unwell

    def _claim_newer(self, stored: Stored, outcome: Outcome, unwell: list[str]) -> tuple[Stored | None, list[str]]:
        """Claim versions that no load has tried yet, now that their paths are free.

        A file that was overwritten while its older version was claimed could not be claimed, and the event that told of
        it is gone; nor could one whose claim outlived its load. What the loads that were waited for failed to bring is
        theirs: this load tells of it, and no more. Some of those stay in its record, whatever does not fit.
        """
        load = stored.load
        config = self.configs.read(load.lob)
        if not config.readable:
            return None, unwell
        found, tracked, plan = self._due(load, config.feeds)
        untried = {(row.config_id, row.file.path) for row in tracked if row.error_code == FileError.RELEASED}
        failed = failed_by(found, tracked, unwell)
        unwell = [batch_id for batch_id in unwell if batch_id in failed]
        newer = [claim for claim in plan.claims if claim.attempt == 1 or claim.key in untried]
        ours, also = self._take(load, found, plan, newer)
        others = [batch_id for batch_id in also if batch_id not in load.waits_on]
        waits_on = waited_for((*unwell[:MAX_NAMED], *others, *load.waits_on)) if others else load.waits_on
        seen = load.counted(self.clock(), outcome, waits_on=waits_on)
        if ours:
            again = {
                "state": LoadState.SUBMITTING,
                "submissions": load.submissions + 1,
                "settled": False,
                "put_back_until": 0.0,
            }
            won = sum(claim.key in ours for claim in newer)
            files = FileCounts(
                **{**seen.files.model_dump(), "total": seen.files.total + won, "claimed": seen.files.claimed + won}
            )
            return self.loads.update(stored, seen.moved(self.clock(), files=files, **again)), unwell
        return self.loads.update(stored, seen) if others else None, unwell

    def _release(self, stored: Stored) -> Stored:
        """End the claims of a load that failed before, once no run of its batch is alive."""
        load = stored.load
        run = self._run_of(load)
        now = self.clock()
        canceled = load.state is LoadState.CANCELED
        if run is not None and not run.state.is_over:
            if canceled:
                self.jobs.cancel(run.run_id)
            return stored if run.run_id == load.run_id else self.loads.update(stored, load.ran(now, run))
        self.tracker.settle(load.lob, load.id, *(_CANCELED if canceled else _RELEASED))
        return self.loads.update(stored, load.counted(now, self.tracker.outcome(load.id), claims_open=False))

    def _put_back(self, message: LoadMessage, fault: Transient) -> None:
        now = self.clock().timestamp()
        again = message.after_fault(now)
        extra = {"load_id": message.load_id, "code": fault.code, "faults": message.faults + 1}
        self.telemetry.measure("hub.faults", 1, code=fault.code)
        if again is not None:
            log.warning("a passing fault, trying again later: %s", fault.message, extra=extra)
            # In whole seconds, and none fewer than the other side asked for.
            asked = math.ceil(min(fault.retry_after or 0, GIVE_UP_SECONDS))
            delay = max(again.delay_seconds, asked)
            self.queue.put(again.to_json(), delay)
            self._say_put_back(message.load_id, now + delay)
            return
        log.error("an hour of passing faults: %s", fault.message, extra=extra)
        current = self.loads.get(message.load_id)
        if current is not None and current.load.state in (LoadState.ACCEPTED, LoadState.SUBMITTING):
            self.fail(current, fault, claims_open=True)

    def _say_put_back(self, load_id: str, until: float) -> None:
        """Have `reconcile` send no message of its own before this one is back: they would become ever more."""
        try:
            current = self.loads.get(load_id)
            if current is not None and not current.load.state.is_final:
                self.loads.update(current, current.load.model_copy(update={"put_back_until": until}))
        except HubError as error:
            # Then there are two messages, of which the second finds nothing to do.
            log.info("not said of the load: %s", error.message, extra={"load_id": load_id, "code": error.code})


def adopted(batch: Batch, lob: str, now: datetime) -> Load:
    """The record of a batch that a notebook planned: its run is followed like any other."""
    return Load(
        id=batch.batch_id,
        state=LoadState.RUNNING,
        lob=lob,
        trigger=Trigger.NOTEBOOK,
        request=LoadRequest(lob=lob),
        run_id=batch.run_id,
        submissions=1,
        created_at=batch.claimed_at,
        updated_at=now,
        submitted_at=batch.claimed_at,
    )


def _ending(run: Run, *, canceled: bool) -> tuple[FileError, str]:
    if canceled:
        return _CANCELED
    said = f": {run.message}" if run.message else ""
    return FileError.RUN_LOST, f"run {run.run_id} ended ({run.state}) without finishing this file{said}"[:1000]


def _why(state: LoadState, outcome: Outcome, unwell: Sequence[str]) -> Problem | None:
    if state in (LoadState.SUCCESS, LoadState.EMPTY):
        return None
    if state is LoadState.CANCELED:
        also = f"; {outcome.bad} of its {outcome.total} files had FAILED or were QUARANTINED" if outcome.bad else ""
        return Problem(code="CANCELED", message=f"the load was canceled{also}")
    bad = outcome.count(FileStatus.FAILED), outcome.count(FileStatus.QUARANTINED)
    if any(bad):
        said = f"of {outcome.total} files {bad[0]} FAILED and {bad[1]} QUARANTINED; each file has its own reason"
        return Problem(code="FILES_NOT_LOADED", message=said)
    said = f"due files were claimed by loads that did not end well: {', '.join(unwell[:MAX_NAMED])}"
    return Problem(code="WAITED_LOAD_FAILED", message=said)
