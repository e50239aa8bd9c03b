"""Starts runs, follows their processes, and ends them: queue, tasks in order, retries, cancel, recovery.

A run has a thread, which alone runs its tasks, one after another in the order of their dependencies.
Everything that changes a run does so under one lock and stores it before letting go.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.databricks.jobs_definition import ApiError, Job, Task
from local_stack.databricks.jobs_process import TaskProcess, failure, kill_leftover, log_tail, process_started
from local_stack.databricks.jobs_runs import Attempt, Result, Run, State, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_stack.databricks.jobs_store import RunStore

_LOG = logging.getLogger(__name__)
# Below the ten seconds after which the stack itself kills an endpoint that does not stop.
GRACE_SECONDS = 5.0
_LOST = "The process ended with the endpoint that ran it."

Environment = Callable[[int], Mapping[str, str]]
Cleanup = Callable[[int], None]


class Scheduler:
    """All runs of one endpoint."""

    def __init__(
        self,
        jobs: Mapping[int, Job],
        store: RunStore,
        logs: Path,
        *,
        environment: Environment,
        cleanup: Cleanup,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """`environment` and `cleanup` take an attempt's id: what its process sees, and what its violent end calls."""
        self._jobs = jobs
        self._store = store
        self._logs = logs
        self._environment = environment
        self._cleanup = cleanup
        self._grace_seconds = grace_seconds
        self._lock = threading.RLock()
        self._runs = {run.run_id: run for run in store.all()}
        self._tokens = {run.token: run.run_id for run in self._runs.values() if run.token}
        self._processes: dict[int, TaskProcess] = {}
        self._wakes: dict[int, threading.Event] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._stopping = False

    def recover(self) -> None:
        """End the runs that an earlier endpoint left unfinished, and go on with its queue.

        A process that still lives is killed rather than adopted: only its parent learns its exit code.
        """
        for run in [run for run in self._runs.values() if not run.over and run.state is not State.QUEUED]:
            for attempt in [each for each in run.attempts if not each.over]:
                if attempt.pid:
                    kill_leftover(attempt.pid, attempt.pid_started)
                    self._cleanup(attempt.run_id)
                attempt.end(State.INTERNAL_ERROR, Result.FAILED, _LOST)
                attempt.error = _LOST
            if run.cancel_requested:
                run.end(State.TERMINATED, Result.CANCELED, "Run cancelled.")
            else:
                run.end(State.INTERNAL_ERROR, Result.FAILED, _LOST)
            self._store.save(run)
        for job_id in {run.job_id for run in self._runs.values() if run.state is State.QUEUED}:
            self._start_queued(job_id)

    def submit(self, job: Job, parameters: dict[str, str], token: str | None, queues: bool) -> int:
        """A new run's id, or that of the run which already has the token, whatever became of it."""
        with self._lock:
            if token and token in self._tokens:
                return self._tokens[token]
            if self._stopping:
                raise ApiError(503, "TEMPORARILY_UNAVAILABLE", "The endpoint is stopping.")
            run = Run(
                run_id=self._store.new_id(),
                state=State.PENDING,
                job_id=job.job_id,
                job_name=job.name,
                token=token,
                parameters=parameters,
                defaults=job.parameters({}),
                created_time=now_ms(),
            )
            self._runs[run.run_id] = run
            if token:
                self._tokens[token] = run.run_id
            if self._active(job.job_id) <= job.max_concurrent_runs:
                self._start(run)
            elif queues:
                run.state = State.QUEUED
                run.message = "The job already has its maximum of concurrent runs."
            else:
                message = "The job already has its maximum of concurrent runs."
                run.end(State.SKIPPED, Result.MAXIMUM_CONCURRENT_RUNS_REACHED, message)
            self._store.save(run)
            return run.run_id

    @contextmanager
    def reading(self) -> Iterator[Mapping[int, Run]]:
        """The runs by id, standing still meanwhile."""
        with self._lock:
            yield self._runs

    def log(self, attempt_id: int) -> tuple[str, bool]:
        """What an attempt has printed so far, and whether its beginning was left off."""
        return log_tail(self._log_file(attempt_id))

    def cancel(self, run_id: int) -> None:
        """Have the run end as CANCELED; nothing happens to one that is over."""
        with self._lock:
            run = self._runs[run_id]
            if run.over or run.cancel_requested:
                return
            run.cancel_requested = True
            if run.state is State.QUEUED:
                run.end(State.TERMINATED, Result.CANCELED, "Run cancelled.")
            else:
                run.state = State.TERMINATING
                self._wakes[run_id].set()
            process = self._processes.get(run_id)
            self._store.save(run)
        if process is not None:
            threading.Thread(target=process.stop, args=(self._grace_seconds,), daemon=True).start()

    def stop(self) -> None:
        """End every process; their runs are recorded as lost. Queued runs wait for the next endpoint."""
        with self._lock:
            self._stopping = True
            processes = list(self._processes.values())
            for wake in self._wakes.values():
                wake.set()
            threads = list(self._threads.values())
        stoppers = [threading.Thread(target=each.stop, args=(self._grace_seconds,)) for each in processes]
        for thread in stoppers:
            thread.start()
        for thread in [*stoppers, *threads]:
            thread.join()

    def _active(self, job_id: int) -> int:
        return sum(
            run.job_id == job_id and not run.over and run.state is not State.QUEUED for run in self._runs.values()
        )

    def _start(self, run: Run) -> None:
        run.state = State.PENDING
        run.start_time = now_ms()
        run.message = ""
        self._wakes[run.run_id] = threading.Event()
        thread = threading.Thread(target=self._follow, args=(run,), daemon=True, name=f"run-{run.run_id}")
        self._threads[run.run_id] = thread
        thread.start()

    def _start_queued(self, job_id: int) -> None:
        with self._lock:
            job = self._jobs.get(job_id)
            for run in sorted(self._runs.values(), key=lambda run: run.run_id):
                if run.job_id != job_id or run.state is not State.QUEUED or self._stopping:
                    continue
                if job is None:
                    run.end(State.INTERNAL_ERROR, Result.FAILED, f"Job {job_id} does not exist any more.")
                elif self._active(job_id) < job.max_concurrent_runs:
                    self._start(run)
                self._store.save(run)

    def _follow(self, run: Run) -> None:
        try:
            self._run_tasks(run)
        except Exception as error:  # noqa: BLE001  No error may leave a run that is RUNNING for ever.
            _LOG.exception("run %s", run.run_id)
            with self._lock:
                told = f"{type(error).__name__}: {error}"
                for attempt in [each for each in run.attempts if not each.over]:
                    attempt.end(State.INTERNAL_ERROR, Result.FAILED, told)
                    attempt.error = told
                run.end(State.INTERNAL_ERROR, Result.FAILED, told)
        with self._lock:
            self._store.save(run)
            del self._wakes[run.run_id], self._threads[run.run_id]
        self._start_queued(run.job_id)

    def _run_tasks(self, run: Run) -> None:
        outcomes: dict[str, Result] = {}
        for task in self._jobs[run.job_id].tasks():
            blocking = [outcomes[key] for key in task.depends_on if outcomes[key] is not Result.SUCCESS]
            if run.cancel_requested or self._stopping:
                outcomes[task.key] = self._skipped(run, task, Result.CANCELED)
            elif blocking:
                canceled = Result.CANCELED in blocking or Result.UPSTREAM_CANCELED in blocking
                reason = Result.UPSTREAM_CANCELED if canceled else Result.UPSTREAM_FAILED
                outcomes[task.key] = self._skipped(run, task, reason)
            else:
                outcomes[task.key] = self._attempts(run, task)
        with self._lock:
            failed = [each for each in run.latest() if each.result not in {Result.SUCCESS, None}]
            if run.cancel_requested:
                run.end(State.TERMINATED, Result.CANCELED, "Run cancelled.")
            elif self._stopping and failed:
                run.end(State.INTERNAL_ERROR, Result.FAILED, _LOST)
            elif failed:
                told = f"Task {failed[0].task_key} failed with message: {failed[0].message}"
                result = Result.TIMEDOUT if failed[0].result is Result.TIMEDOUT else Result.FAILED
                run.end(State.TERMINATED, result, told)
            else:
                run.end(State.TERMINATED, Result.SUCCESS)

    def _skipped(self, run: Run, task: Task, result: Result) -> Result:
        with self._lock:
            attempt = Attempt(self._store.new_id(), State.PENDING, task_key=task.key)
            state = State.TERMINATED if result is Result.CANCELED else State.SKIPPED
            attempt.end(state, result, "The task was not started.")
            run.attempts.append(attempt)
            self._store.save(run)
        return result

    def _attempts(self, run: Run, task: Task) -> Result:
        """Attempts at the task until one succeeds or none is left; -1 retries stand for no limit."""
        number = 0
        while True:
            result = self._attempt(run, task, number)
            number += 1
            again = result in {Result.FAILED, Result.TIMEDOUT} and (task.max_retries < 0 or number <= task.max_retries)
            if not again or run.cancel_requested or self._stopping:
                return result
            with self._lock:
                run.state = run.state if run.cancel_requested else State.WAITING_FOR_RETRY
                self._store.save(run)
            if self._wakes[run.run_id].wait(task.retry_seconds):
                return result

    def _attempt(self, run: Run, task: Task, number: int) -> Result:
        attempt = Attempt(self._store.new_id(), State.PENDING, task_key=task.key, attempt_number=number)
        with self._lock:
            run.attempts.append(attempt)
            if run.cancel_requested or self._stopping:
                attempt.end(State.TERMINATED, Result.CANCELED, "Run cancelled.")
                self._store.save(run)
                return Result.CANCELED
            process = TaskProcess(
                task.command(_values(run, attempt)),
                self._log_file(attempt.run_id),
                self._environment(attempt.run_id),
            )
            self._processes[run.run_id] = process
            attempt.pid, attempt.pid_started = process.pid, process_started(process.pid)
            attempt.state = run.state = State.RUNNING
            attempt.start_time = now_ms()
            self._store.save(run)
        code = process.wait(task.timeout_seconds)
        timed_out = code is None
        if timed_out:
            process.stop(self._grace_seconds)
            code = process.wait()
        if code != 0:
            self._cleanup(attempt.run_id)
        with self._lock:
            del self._processes[run.run_id]
            self._conclude(run, attempt, code or 0, timed_out)
            self._store.save(run)
            return attempt.result or Result.FAILED

    def _conclude(self, run: Run, attempt: Attempt, code: int, timed_out: bool) -> None:
        if run.cancel_requested:
            attempt.end(State.TERMINATED, Result.CANCELED, "Run cancelled.")
        elif timed_out:
            attempt.end(State.TERMINATED, Result.TIMEDOUT, "The task's timeout_seconds passed.")
        elif code == 0:
            attempt.end(State.TERMINATED, Result.SUCCESS)
        elif self._stopping:
            attempt.end(State.INTERNAL_ERROR, Result.FAILED, _LOST)
        else:
            attempt.end(State.TERMINATED, Result.FAILED, "Workload failed, see run output for details.")
        if code != 0:
            told = failure(self.log(attempt.run_id)[0], code)
            attempt.error, attempt.error_trace = told.error, told.trace

    def _log_file(self, attempt_id: int) -> Path:
        return self._logs / f"{attempt_id}.log"


def _values(run: Run, attempt: Attempt) -> dict[str, str]:
    """What `{{references}}` in a task's parameters may name."""
    return {f"job.parameters.{name}": value for name, value in run.parameters.items()} | {
        "job.id": str(run.job_id),
        "job.name": run.job_name,
        "job.run_id": str(run.run_id),
        "task.name": attempt.task_key,
        "task.run_id": str(attempt.run_id),
        "task.execution_count": str(attempt.attempt_number + 1),
        "job.start_time.iso_date": _iso_date(run.created_time),
    }


def _iso_date(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
