"""What the local Jobs API tells about a process that failed."""

import pytest

from local_stack.databricks.jobs_process import failure, log_tail
from local_stack.databricks.jobs_runs import Attempt, Result, Run, State

TRACEBACK = """Traceback (most recent call last):
  File "load.py", line 3, in <module>
    main()
ValueError: the file
is missing"""


def test_the_error_is_what_the_last_traceback_ends_with():
    told = failure(f"starting\n{TRACEBACK.replace('ValueError', 'KeyError')}\nand again\n{TRACEBACK}\n", 1)
    assert told.error == "ValueError: the file\nis missing"
    assert told.trace == TRACEBACK


def test_without_a_traceback_it_is_the_logs_last_lines():
    told = failure("".join(f"line {number}\n" for number in range(100)), 2)
    assert told.error.splitlines() == [f"line {number}" for number in range(80, 100)]
    assert told.trace == ""


@pytest.mark.parametrize(("code", "ended"), [(3, "exit code 3"), (-9, "signal 9")])
def test_without_a_log_it_is_how_the_process_ended(code: int, ended: str):
    assert failure("", code).error == f"The process ended with {ended}."


def test_a_log_that_is_not_there_yet_is_empty(tmp_path):
    assert log_tail(tmp_path / "none") == ("", False)


def test_a_run_is_stored_and_read_back_whole():
    run = Run(1, State.RUNNING, job_id=7, token="t", parameters={"a": "b"})
    run.attempts.append(Attempt(2, State.PENDING, task_key="load", pid=5, pid_started="9"))
    assert Run.from_document(run.as_document()) == run


def test_the_last_attempt_at_each_task_is_told():
    run = Run(1, State.RUNNING)
    for number, key in enumerate(["a", "b", "a"]):
        run.attempts.append(Attempt(number, State.PENDING, task_key=key, attempt_number=number))
    assert [(each.task_key, each.attempt_number) for each in run.latest()] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("state", "result", "code"),
    [
        (State.TERMINATED, Result.SUCCESS, "SUCCESS"),
        (State.TERMINATED, Result.FAILED, "RUN_EXECUTION_ERROR"),
        (State.TERMINATED, Result.CANCELED, "USER_CANCELED"),
        (State.INTERNAL_ERROR, Result.FAILED, "INTERNAL_ERROR"),
        (State.SKIPPED, Result.MAXIMUM_CONCURRENT_RUNS_REACHED, "MAX_CONCURRENT_RUNS_EXCEEDED"),
    ],
)
def test_the_newer_status_says_terminated_and_why(state: State, result: Result, code: str):
    run = Run(1, State.RUNNING)
    run.end(state, result)
    status = run.told()["status"]
    assert status["state"] == "TERMINATED"
    assert status["termination_details"]["code"] == code
