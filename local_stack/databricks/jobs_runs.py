"""Runs as they are remembered, and as the Jobs API tells them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The API's life_cycle_state values that occur here."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    BLOCKED = "BLOCKED"
    RUNNING = "RUNNING"
    WAITING_FOR_RETRY = "WAITING_FOR_RETRY"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    SKIPPED = "SKIPPED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class Result(StrEnum):
    """The API's result_state values that occur here."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TIMEDOUT = "TIMEDOUT"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    MAXIMUM_CONCURRENT_RUNS_REACHED = "MAXIMUM_CONCURRENT_RUNS_REACHED"


OVER = frozenset({State.TERMINATED, State.SKIPPED, State.INTERNAL_ERROR})

# `status`, the newer object, knows fewer states and tells the end apart by a code.
_STATUS = {State.WAITING_FOR_RETRY: "WAITING", State.SKIPPED: "TERMINATED", State.INTERNAL_ERROR: "TERMINATED"}
_CODES = {
    Result.SUCCESS: ("SUCCESS", "SUCCESS"),
    Result.FAILED: ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    Result.CANCELED: ("USER_CANCELED", "SUCCESS"),
    Result.TIMEDOUT: ("CANCELED", "CLIENT_ERROR"),
    Result.UPSTREAM_FAILED: ("SKIPPED", "CLIENT_ERROR"),
    Result.UPSTREAM_CANCELED: ("SKIPPED", "CLIENT_ERROR"),
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
}


@dataclass(slots=True)
class Stage:
    """Where something is between its start and its end; times in milliseconds since 1970, UTC, 0 for not yet."""

    run_id: int
    state: State
    result: Result | None = None
    message: str = ""
    start_time: int = 0
    end_time: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing changes any more."""
        return self.state in OVER

    def end(self, state: State, result: Result | None, message: str = "") -> None:
        """The last change."""
        self.state, self.result, self.message = state, result, message
        self.end_time = now_ms()
        self.start_time = self.start_time or self.end_time

    def told(self) -> dict[str, Any]:
        """The fields that runs and tasks have in common in the API."""
        state: dict[str, Any] = {
            "life_cycle_state": self.state,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.result in {Result.CANCELED, Result.TIMEDOUT},
        }
        if self.result is not None:
            state["result_state"] = self.result
        if self.state is State.QUEUED:
            state["queue_reason"] = "Queued due to reaching maximum concurrent runs for the job."
        duration = max(0, (self.end_time or now_ms()) - self.start_time) if self.start_time else 0
        return {
            "run_id": self.run_id,
            "state": state,
            "status": self._status(),
            "start_time": self.start_time,
            "end_time": self.end_time,
            "setup_duration": 0,
            "execution_duration": duration if self.over else 0,
            "cleanup_duration": 0,
            "run_duration": duration,
        }

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"state": _STATUS.get(self.state, self.state)}
        if self.state is State.QUEUED:
            status["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": self.message}
        if self.over:
            code, kind = _CODES[self.result or Result.FAILED]
            if self.state is State.INTERNAL_ERROR:
                code, kind = "INTERNAL_ERROR", "INTERNAL_ERROR"
            status["termination_details"] = {"code": code, "type": kind, "message": self.message}
        return status


@dataclass(slots=True)
class Attempt(Stage):
    """One attempt at one task. `pid` and `pid_started` tell its process from a later one with the same pid."""

    task_key: str = ""
    attempt_number: int = 0
    pid: int = 0
    pid_started: str = ""
    error: str = ""
    error_trace: str = ""


@dataclass(slots=True)
class Run(Stage):
    """A run of a job with all attempts at its tasks, in the order in which they began."""

    job_id: int = 0
    job_name: str = ""
    token: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    cancel_requested: bool = False
    created_time: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    def latest(self) -> list[Attempt]:
        """The last attempt at each task."""
        return list({attempt.task_key: attempt for attempt in self.attempts}.values())

    def as_document(self) -> dict[str, Any]:
        """What is stored."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Run:
        """What was stored."""
        attempts = [Attempt(**_typed(each)) for each in document["attempts"]]
        return cls(**(_typed(document) | {"attempts": attempts}))


def _typed(document: dict[str, Any]) -> dict[str, Any]:
    result = document["result"]
    return document | {"state": State(document["state"]), "result": Result(result) if result else None}


def now_ms() -> int:
    """The time as the Jobs API tells it."""
    return time.time_ns() // 1_000_000


def told(run: Run, host: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """A run as runs/get answers it; `tasks` are the job's task settings."""
    settings = {each["task_key"]: each for each in tasks}
    page = f"{host}/jobs/{run.job_id}/runs"
    return run.told() | {
        "job_id": run.job_id,
        "run_name": run.job_name,
        "number_in_job": run.run_id,
        "original_attempt_run_id": run.run_id,
        "start_time": run.created_time,
        "queue_duration": max(0, (run.start_time or now_ms()) - run.created_time),
        "trigger": "ONE_TIME",
        "run_type": "JOB_RUN",
        "format": "MULTI_TASK",
        "creator_user_name": "local",
        "run_page_url": f"{page}/{run.run_id}",
        "job_parameters": [
            {"name": name, "default": run.defaults.get(name, ""), "value": value}
            for name, value in run.parameters.items()
        ],
        "tasks": [
            settings.get(each.task_key, {})
            | each.told()
            | {
                "task_key": each.task_key,
                "attempt_number": each.attempt_number,
                "run_page_url": f"{page}/{each.run_id}",
            }
            for each in run.attempts
        ],
    }
