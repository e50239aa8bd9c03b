"""The Jobs API: requests in, documents out. Whatever Databricks does and this does not is refused by its name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from local_stack.databricks.jobs_definition import Job, invalid, not_implemented
from local_stack.databricks.jobs_runs import Attempt, Run, told
from local_stack.databricks.jobs_scheduler import Scheduler

MAX_TOKEN_CHARACTERS = 64
MAX_PARAMETER_BYTES = 10_000
_PATH = re.compile(r"/api/2\.[0-2]/jobs/([\w/-]+)")
# Ways to run a job that this endpoint would have to ignore, so it refuses them.
_RUN_NOW = {"job_id", "job_parameters", "idempotency_token", "queue"}
_LISTING = {"job_id", "active_only", "completed_only", "limit", "page_token", "expand_tasks", "offset", "run_type"} | {
    "start_time_from",
    "start_time_to",
}

Document = dict[str, Any]


class JobsApi:
    """Answers `/api/2.x/jobs/…`."""

    def __init__(self, jobs: Mapping[int, Job], scheduler: Scheduler, host: str) -> None:
        self._jobs = jobs
        self._scheduler = scheduler
        self._host = host
        self._calls: dict[tuple[str, str], Callable[[Document], Document]] = {
            ("POST", "run-now"): self._run_now,
            ("GET", "get"): self._get_job,
            ("GET", "list"): self._list_jobs,
            ("GET", "runs/get"): self._get_run,
            ("GET", "runs/get-output"): self._get_output,
            ("GET", "runs/list"): self._list_runs,
            ("POST", "runs/cancel"): self._cancel,
        }

    def answer(self, method: str, path: str, query: Document, body: Document) -> Document:
        """The response's document. Raises ApiError."""
        match = _PATH.fullmatch(path)
        call = self._calls.get((method, match[1])) if match else None
        if call is None:
            raise not_implemented(f"{method} {path}")
        return call(body if method == "POST" else query)

    def _run_now(self, request: Document) -> Document:
        unknown = sorted(set(request) - _RUN_NOW)
        if unknown:
            raise not_implemented(f"jobs/run-now with {', '.join(unknown)}")
        job = self._job(request)
        overrides = request.get("job_parameters") or {}
        if len(json.dumps(overrides, ensure_ascii=False).encode()) > MAX_PARAMETER_BYTES:
            raise invalid(f"The job parameters are longer than {MAX_PARAMETER_BYTES} bytes in all.")
        token = request.get("idempotency_token") or None
        if token and len(token) > MAX_TOKEN_CHARACTERS:
            raise invalid(f"The idempotency_token is longer than {MAX_TOKEN_CHARACTERS} characters.")
        # What cannot be run is refused now, not by a run that fails later.
        job.tasks()
        queue = request.get("queue")
        queues = job.queues if queue is None else bool(queue.get("enabled"))
        run_id = self._scheduler.submit(job, job.parameters(overrides), token, queues)
        return {"run_id": run_id, "number_in_job": run_id}

    def _get_job(self, request: Document) -> Document:
        return _told(self._job(request))

    def _list_jobs(self, request: Document) -> Document:
        name = request.get("name")
        jobs = [job for job in self._jobs.values() if name is None or job.name.lower() == name.lower()]
        page, tokens = _page(jobs, request, default=20, most=100)
        return {"jobs": [_told(job) for job in page]} | tokens

    def _get_run(self, request: Document) -> Document:
        run_id = _integer(request, "run_id")
        with self._scheduler.reading() as runs:
            return self._told(_of(runs, run_id)[0])

    def _get_output(self, request: Document) -> Document:
        run_id = _integer(request, "run_id")
        with self._scheduler.reading() as runs:
            run, attempt = _of(runs, run_id)
            if attempt is None:
                # As Databricks has it for every job with a list of tasks, even of one.
                raise invalid(
                    "Retrieving the output of runs with multiple tasks is not supported. "
                    "Please retrieve the output of each individual task run instead."
                )
            output: Document = {"metadata": self._told(run) | attempt.told()}
            if attempt.error:
                output |= {"error": attempt.error, "error_trace": attempt.error_trace}
        logs, truncated = self._scheduler.log(run_id)
        return output | {"logs": logs, "logs_truncated": truncated}

    def _list_runs(self, request: Document) -> Document:
        unknown = sorted(set(request) - _LISTING)
        if unknown:
            raise not_implemented(f"jobs/runs/list with {', '.join(unknown)}")
        active, completed = _flag(request, "active_only"), _flag(request, "completed_only")
        if active and completed:
            raise invalid("Only one of active_only and completed_only may be true.")
        job_id = _integer(request, "job_id") if "job_id" in request else None
        earliest = _integer(request, "start_time_from") if "start_time_from" in request else 0
        latest = _integer(request, "start_time_to") if "start_time_to" in request else None
        with self._scheduler.reading() as runs:
            found = [
                run
                for run in sorted(runs.values(), key=lambda run: run.run_id, reverse=True)
                if (job_id is None or run.job_id == job_id)
                and not (active and run.over)
                and not (completed and not run.over)
                and run.created_time >= earliest
                and (latest is None or run.created_time <= latest)
                and request.get("run_type", "JOB_RUN") == "JOB_RUN"
            ]
            page, tokens = _page(found, request, default=20, most=25)
            documents = [self._told(run) for run in page]
        if not _flag(request, "expand_tasks"):
            for document in documents:
                del document["tasks"]
        return {"runs": documents} | tokens

    def _cancel(self, request: Document) -> Document:
        run_id = _integer(request, "run_id")
        with self._scheduler.reading() as runs:
            run, _ = _of(runs, run_id)
        self._scheduler.cancel(run.run_id)
        return {}

    def _job(self, request: Document) -> Job:
        job_id = _integer(request, "job_id")
        if job_id not in self._jobs:
            # Databricks says it with a 400; the SDK makes ResourceDoesNotExist of this text for jobs/get.
            raise invalid(f"Job {job_id} does not exist.")
        return self._jobs[job_id]

    def _told(self, run: Run) -> Document:
        job = self._jobs.get(run.job_id)
        return told(run, self._host, job.settings.get("tasks") or [] if job else [])


def _told(job: Job) -> Document:
    return {
        "job_id": job.job_id,
        "creator_user_name": "local",
        "run_as_user_name": "local",
        "created_time": 0,
        "settings": {"format": "MULTI_TASK", "max_concurrent_runs": 1} | job.settings,
    }


def _of(runs: Mapping[int, Run], run_id: int) -> tuple[Run, Attempt | None]:
    """The run with this id, or the run with the attempt that has it: the two share one space of ids."""
    if run_id in runs:
        return runs[run_id], None
    for run in runs.values():
        for attempt in run.attempts:
            if attempt.run_id == run_id:
                return run, attempt
    raise invalid(f"Run {run_id} does not exist.")


def _page[Item](items: list[Item], request: Document, *, default: int, most: int) -> tuple[list[Item], Document]:
    """The page asked for, and the fields that lead to the next one; a page token is the offset of a page."""
    limit = _integer(request, "limit") if "limit" in request else default
    limit = most if limit == 0 else limit
    if not 0 < limit <= most:
        raise invalid(f"limit must be between 1 and {most}.")
    token = request.get("page_token") or request.get("offset") or 0
    try:
        start = int(token)
    except ValueError:
        raise invalid(f"page_token {token!r} is none of this API's.") from None
    following = start + limit
    tokens: Document = {"has_more": following < len(items)}
    if following < len(items):
        tokens["next_page_token"] = str(following)
    return items[start:following], tokens


def _integer(request: Document, name: str) -> int:
    if name not in request:
        raise invalid(f"Missing required field: {name}")
    try:
        return int(request[name])
    except (TypeError, ValueError):
        raise invalid(f"{name} must be a number, not {request[name]!r}.") from None


def _flag(request: Document, name: str) -> bool:
    return str(request.get(name, "false")).lower() == "true"
