"""Jobs as the jobs file defines them, in the Jobs API's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_TASK_KINDS = ("python_wheel_task", "spark_python_task", "notebook_task")
_JOB_PARAMETER = "job.parameters."


class ApiError(Exception):
    """A refusal as the Jobs API words it: HTTP status, error_code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> ApiError:
    """The caller's mistake."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def not_implemented(what: str) -> ApiError:
    """Something that Databricks does and this endpoint does not."""
    return ApiError(501, "NOT_IMPLEMENTED", f"{what} is not implemented by the local stack.")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a job."""

    key: str
    kind: str
    body: dict[str, Any]
    depends_on: tuple[str, ...]
    max_retries: int
    retry_seconds: float
    timeout_seconds: float | None

    def command(self, values: Mapping[str, str]) -> list[str]:
        """What jobs_task.py is to run: the kind, what it names, and its arguments with references filled in."""
        if self.kind == "notebook_task":
            return [self.kind, self.body["notebook_path"], json.dumps(self._widgets(values))]
        arguments = [filled(each, values) for each in self.body.get("parameters") or []]
        if self.kind == "spark_python_task":
            return [self.kind, self.body["python_file"], *arguments]
        named = self.body.get("named_parameters") or {}
        arguments += [f"--{name}={filled(value, values)}" for name, value in named.items()]
        return [self.kind, self.body["package_name"], self.body["entry_point"], *arguments]

    def _widgets(self, values: Mapping[str, str]) -> dict[str, str]:
        """The notebook's parameters; those of the job reach every task, and count more than a task's of that name."""
        base = {name: filled(str(value), values) for name, value in (self.body.get("base_parameters") or {}).items()}
        of_job = {name: value for name, value in values.items() if name.startswith(_JOB_PARAMETER)}
        return base | {name.removeprefix(_JOB_PARAMETER): value for name, value in of_job.items()}


@dataclass(frozen=True, slots=True)
class Job:
    """A job: its id and its settings, which jobs/get returns as they stand in the file."""

    job_id: int
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.settings.get("name", "Untitled"))

    @property
    def max_concurrent_runs(self) -> int:
        """How many runs may be active at once; Databricks' default is one."""
        return int(self.settings.get("max_concurrent_runs", 1))

    @property
    def queues(self) -> bool:
        """Whether a run above that number waits; otherwise it is skipped."""
        return bool((self.settings.get("queue") or {}).get("enabled", False))

    def parameters(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """The declared parameters with these values in place of their defaults; others are refused."""
        declared = {each["name"]: str(each.get("default", "")) for each in self.settings.get("parameters") or []}
        unknown = sorted(set(overrides) - set(declared))
        if unknown:
            raise invalid(f"Job {self.job_id} declares no parameter {', '.join(unknown)}.")
        return declared | {name: str(value) for name, value in overrides.items()}

    def tasks(self) -> list[Task]:
        """The tasks, each after those that it depends on. What cannot be run here is refused by its name."""
        tasks = [_task(each) for each in self.settings.get("tasks") or []]
        if not tasks:
            raise invalid(f"Job {self.job_id} has no tasks.")
        ordered: list[Task] = []
        while tasks:
            done = {task.key for task in ordered}
            ready = [task for task in tasks if done.issuperset(task.depends_on)]
            if not ready:
                raise invalid(f"Job {self.job_id}: the tasks' depends_on name no task, or each other.")
            ordered += ready
            tasks = [task for task in tasks if task not in ready]
        return ordered


def read_jobs(path: Path) -> dict[int, Job]:
    """The jobs of a file `[{"job_id": …, "settings": {…}}, …]`, by id."""
    return {int(each["job_id"]): Job(int(each["job_id"]), each["settings"]) for each in json.loads(path.read_text())}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its `{{references}}` replaced; one that names nothing is refused."""

    def value(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise invalid(f"{match[0]} refers to nothing that is known here.") from None

    return _REFERENCE.sub(value, text)


def _task(settings: dict[str, Any]) -> Task:
    kinds = [name for name in settings if name.endswith("_task")]
    if len(kinds) != 1 or kinds[0] not in _TASK_KINDS:
        raise not_implemented(f"Task {settings.get('task_key')} of type {', '.join(kinds) or 'none'}")
    if settings.get("run_if", "ALL_SUCCESS") != "ALL_SUCCESS":
        raise not_implemented(f"Task {settings.get('task_key')} with run_if {settings['run_if']}")
    return Task(
        key=settings["task_key"],
        kind=kinds[0],
        body=settings[kinds[0]],
        depends_on=tuple(each["task_key"] for each in settings.get("depends_on") or []),
        max_retries=int(settings.get("max_retries") or 0),
        retry_seconds=int(settings.get("min_retry_interval_millis") or 0) / 1000,
        timeout_seconds=float(settings["timeout_seconds"]) if settings.get("timeout_seconds") else None,
    )
