"""Runs of the loader, through databricks-sdk."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError
from databricks.sdk import errors
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.jobs import RunLifeCycleState, RunResultState

from hub_core.adapters.azure_faults import is_refusal, no_token
from hub_core.adapters.pause import Pause
from hub_core.errors import Broken, Transient
from hub_core.logs import logger
from hub_core.model import Run, RunState

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run as SdkRun
    from databricks.sdk.service.jobs import RunState as SdkRunState
    from databricks.sdk.service.jobs import RunTask

log = logger(__name__)

LOADER_TASK = "bronze_load"
_OVER = {RunLifeCycleState.TERMINATED, RunLifeCycleState.SKIPPED, RunLifeCycleState.INTERNAL_ERROR}
_PENDING = {RunLifeCycleState.PENDING, RunLifeCycleState.QUEUED, RunLifeCycleState.BLOCKED}
_PASSING = (
    errors.TooManyRequests,
    errors.TemporarilyUnavailable,
    errors.DeadlineExceeded,
    errors.InternalError,
    errors.ResourceConflict,
)


class DatabricksJobs:
    """`Jobs` in a workspace."""

    def __init__(self, client: "WorkspaceClient", job_of: Callable[[str], str], catalog: str) -> None:
        self._api = client.jobs
        self._job_of = job_of
        self._catalog = catalog
        self._pause = Pause("JOBS_UNAVAILABLE", "the Jobs API", time.monotonic)

    def submit(self, lob: str, batch_id: str, token: str, trace: str | None = None) -> Run:
        """See `Jobs.submit`; the trace is the job's parameter `traceparent`, sent only where there is one."""
        parameters = {"batch_id": batch_id, "catalog": self._catalog}
        if trace is not None:
            parameters["traceparent"] = trace
        with self._translated("jobs/run-now"):
            waiter = self._api.run_now(
                int(self._job_of(lob)),
                idempotency_token=token,
                job_parameters=parameters,
            )
            run_id = waiter.run_id
        return self.get(str(run_id))

    def get(self, run_id: str) -> Run:
        """See `Jobs.get`."""
        with self._translated("jobs/runs/get"):
            try:
                run = self._api.get_run(int(run_id))
            except (errors.NotFound, errors.InvalidParameterValue):
                return Run(run_id, RunState.LOST, message="the workspace does not know the run (any more)")
            if run.run_id is None:
                raise Transient("JOBS_UNAVAILABLE", "jobs/runs/get: an answer without a run")
        seen = _run(run)
        return (
            seen if seen.state is not RunState.FAILED else replace(seen, message=self._why_failed(run) or seen.message)
        )

    def _why_failed(self, run: "SdkRun") -> str | None:
        """The task's own error: the run itself says only that a task failed."""
        loader = _loader_task(run)
        if loader is None or loader.run_id is None:
            return None
        with self._translated("jobs/runs/get-output"):
            try:
                return _sentence(self._api.get_run_output(loader.run_id).error)
            except DatabricksError as error:
                log.info("a failed run without output: %s", error.error_code)
                return None

    def cancel(self, run_id: str) -> None:
        """See `Jobs.cancel`."""
        with self._translated("jobs/runs/cancel"):
            try:
                self._api.cancel_run(int(run_id))
            except (errors.NotFound, errors.InvalidParameterValue, errors.InvalidState) as error:
                log.info("a run that is over, or gone, can't be canceled: %s", error.error_code)

    def find_active(self, lob: str, batch_id: str) -> Run | None:
        """See `Jobs.find_active`."""
        with self._translated("jobs/runs/list"):
            for run in self._api.list_runs(job_id=int(self._job_of(lob)), active_only=True):
                parameters = {p.name: p.value for p in run.job_parameters or []}
                if parameters.get("batch_id") != batch_id:
                    continue
                # The list shows whole runs: the loader's task may be over, and others of the LOB's own job not.
                seen = self.get(str(run.run_id))
                if not seen.state.is_over:
                    return seen
        return None

    def ping(self) -> None:
        """See `Jobs.ping`."""
        with self._translated("jobs/runs/list"):
            next(iter(self._api.list_runs(limit=1)), None)

    @contextmanager
    def _translated(self, call: str) -> Iterator[None]:
        self._pause.check()
        try:
            yield
        except Transient as error:
            self._pause.asked(error.retry_after or 0.0)
            raise
        except _PASSING as error:
            raise Transient("JOBS_UNAVAILABLE", f"{call}: {error.error_code or type(error).__name__}") from error
        except DatabricksError as error:
            said = f"{call}: {error.error_code or type(error).__name__}: {error}"[:500]
            if type(error) is DatabricksError:
                # Of a status that the SDK has no class for: a gateway's 502, rather than a refusal.
                raise Transient("JOBS_UNAVAILABLE", said) from error
            raise Broken("JOBS_REFUSED", said) from error
        except AzureError as error:
            # There is no token to sign in with.
            if is_refusal(error):
                raise Broken("JOBS_REFUSED", f"{call}: Entra ID refuses the service's identity a token") from error
            raise Transient("JOBS_UNAVAILABLE", f"{call}: {no_token(error)}") from error
        except (OSError, TimeoutError, json.JSONDecodeError, KeyError) as error:
            # requests' connection errors are OSErrors; a proxy's HTML page is no JSON, or none of the Jobs API's.
            raise Transient("JOBS_UNAVAILABLE", f"{call}: {type(error).__name__}") from error


def _run(run: "SdkRun") -> Run:
    """The loader's task decides: in a LOB's own job a failed gold task does not make good files bad.

    But only its success is final: after an attempt that failed another may come, for as long as the run goes on.
    """
    loader = _loader_task(run)
    state = loader.state if loader is not None and loader.state is not None else run.state
    seen = _state(state)
    if seen in (RunState.FAILED, RunState.CANCELED) and not _state(run.state).is_over:
        seen = RunState.RUNNING
    return Run(str(run.run_id), seen, run.run_page_url, state.state_message if state else None)


def _sentence(error: str | None) -> str | None:
    """The line of an error's text that says what happened, without the frames of its stack traces."""
    lines = [line.strip() for line in (error or "").splitlines()]
    said = [line for line in lines if line and not line.startswith(("at ", "File ", "...", "Traceback"))]
    return said[-1][:500] if said else None


def _loader_task(run: "SdkRun") -> "RunTask | None":
    """Its newest attempt: a run shows all of them, in no stated order."""
    attempts = [task for task in run.tasks or [] if task.task_key == LOADER_TASK]
    return max(attempts, key=lambda task: task.attempt_number or 0, default=None)


def _state(state: "SdkRunState | None") -> RunState:
    if state is None or state.life_cycle_state in _PENDING:
        return RunState.PENDING
    if state.life_cycle_state not in _OVER:
        return RunState.RUNNING
    if state.result_state in (RunResultState.SUCCESS, RunResultState.SUCCESS_WITH_FAILURES):
        return RunState.SUCCESS
    return RunState.CANCELED if state.result_state is RunResultState.CANCELED else RunState.FAILED
