"""The Jobs API endpoint as the unmodified Databricks SDK sees it. All jobs but one use no Spark."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    InvalidParameterValue,
    NotImplemented,  # noqa: A004  The SDK's name for HTTP 501.
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service.jobs import QueueSettings, Run, RunLifeCycleState, RunLifecycleStateV2State, RunResultState

from local_stack.processes import answers, free_port
from local_stack.spark_session import connect

TOKEN = "a-token"
PATIENCE = timedelta(seconds=30)
SCRIPT = """
import os, pathlib, subprocess, sys, time
action, place = sys.argv[1], pathlib.Path(sys.argv[2])
print("argv", sys.argv[1:], "remote", os.environ["SPARK_REMOTE"], flush=True)
(place / "pids").open("a").write(f"{os.getpid()}\\n")
if action == "sleep":
    child = subprocess.Popen(["sleep", "600"])
    (place / "pids").open("a").write(f"{child.pid}\\n")
    (place / "asleep").touch()
    time.sleep(600)
if action == "query":
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    (place / "asleep").touch()
    many = "range(1000000000)"
    spark.sql(f"SELECT sum(a.id - b.id) FROM {many} a CROSS JOIN {many} b GROUP BY a.id - b.id").collect()
if action == "stubborn":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (place / "asleep").touch()
    time.sleep(600)
if action == "fail":
    print("so far so good")
    raise ValueError("the file is missing")
if action == "fail-once":
    mark = place / "failed"
    if not mark.exists():
        mark.touch()
        sys.exit(3)
"""


def parameters(**defaults: str) -> list[dict[str, str]]:
    return [{"name": name, "default": default} for name, default in defaults.items()]


def script_task(
    key: str, place: Path, action: str = "{{job.parameters.action}}", **settings: object
) -> dict[str, object]:
    task = {"python_file": str(place / "script.py"), "parameters": [action, str(place), "{{job.run_id}}"]}
    return {"task_key": key, "spark_python_task": task} | settings


def wheel_task(entry_point: str, *arguments: str) -> dict[str, object]:
    wheel = {"package_name": "pytest", "entry_point": entry_point, "parameters": list(arguments)}
    return {"task_key": "wheel", "python_wheel_task": wheel}


SCRIPTED, SERIAL, UNQUEUED, WHEEL, NO_ENTRY, RETRIED, UNKNOWN, CHAIN, TIMED = range(101, 110)


def jobs(place: Path) -> list[dict[str, object]]:
    action = parameters(action="succeed")
    scripted = {"parameters": action, "tasks": [script_task("main", place)]}
    return [
        {"job_id": SCRIPTED, "settings": scripted | {"name": "scripted", "max_concurrent_runs": 20}},
        {"job_id": SERIAL, "settings": scripted | {"name": "serial", "queue": {"enabled": True}}},
        {"job_id": UNQUEUED, "settings": scripted | {"name": "unqueued"}},
        {
            "job_id": WHEEL,
            "settings": {
                "name": "wheel",
                "parameters": parameters(flag="--version"),
                "tasks": [wheel_task("pytest", "{{job.parameters.flag}}")],
            },
        },
        {"job_id": NO_ENTRY, "settings": {"name": "no entry", "tasks": [wheel_task("no_such_thing")]}},
        {
            "job_id": RETRIED,
            "settings": {"name": "retried", "tasks": [script_task("main", place, "fail-once", max_retries=1)]},
        },
        {
            "job_id": UNKNOWN,
            "settings": {"name": "unknown", "tasks": [{"task_key": "n", "sql_task": {"warehouse_id": "w"}}]},
        },
        {
            "job_id": CHAIN,
            "settings": {
                "name": "chain",
                "tasks": [
                    script_task("gold", place, "succeed", depends_on=[{"task_key": "silver"}]),
                    script_task("silver", place, "fail", depends_on=[{"task_key": "bronze"}]),
                    script_task("bronze", place, "succeed"),
                ],
            },
        },
        {
            "job_id": TIMED,
            "settings": {"name": "timed", "tasks": [script_task("main", place, "sleep", timeout_seconds=1)]},
        },
    ]


@dataclass
class Endpoint:
    """A process of `python -m local_stack.databricks` with jobs of this test's own."""

    place: Path
    # Nothing listens there: jobs that use no Spark must not need it.
    spark_remote: str = "sc://127.0.0.1:1"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> WorkspaceClient:
        return WorkspaceClient(host=self.host, token=TOKEN)

    def start(self) -> None:
        (self.place / "script.py").write_text(SCRIPT)
        (self.place / "jobs.json").write_text(json.dumps(jobs(self.place)))
        options = {
            "port": self.port,
            "token": TOKEN,
            "spark-remote": self.spark_remote,
            "state": self.place / "state",
            "jobs": self.place / "jobs.json",
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen([sys.executable, "-m", "local_stack.databricks", *arguments])
        ready = answers(self.port, "/.well-known/databricks-config")
        until(ready)

    def end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(20)

    def processes(self) -> list[int]:
        """The processes of runs that live still."""
        pids = [int(line) for line in (self.place / "pids").read_text().split()]
        return [pid for pid in pids if alive(pid)]

    def asleep(self) -> None:
        until((self.place / "asleep").exists)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    endpoint = Endpoint(tmp_path_factory.mktemp("jobs"))
    endpoint.start()
    yield endpoint
    endpoint.end(signal.SIGTERM)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Endpoint]:
    endpoint = Endpoint(tmp_path)
    endpoint.start()
    yield endpoint
    endpoint.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def client(shared: Endpoint) -> WorkspaceClient:
    return shared.client


def until(condition: object, seconds: float = 30) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def finished(client: WorkspaceClient, run_id: int) -> Run:
    until(lambda: client.jobs.get_run(run_id).end_time)
    return client.jobs.get_run(run_id)


def outcome(run: Run) -> tuple[RunLifeCycleState | None, RunResultState | None]:
    assert run.state is not None
    return run.state.life_cycle_state, run.state.result_state


def task_id(run: Run, key: str | None = None) -> int:
    assert run.tasks
    found = next(task.run_id for task in run.tasks if key in {None, task.task_key})
    assert found
    return found


TERMINATED = RunLifeCycleState.TERMINATED
SUCCESS, FAILED, CANCELED = RunResultState.SUCCESS, RunResultState.FAILED, RunResultState.CANCELED


class TestRunning:
    def test_an_entry_point_of_an_installed_distribution_runs_with_the_jobs_parameters(self, client):
        run = client.jobs.run_now(WHEEL).result(timeout=PATIENCE)
        assert outcome(run) == (TERMINATED, SUCCESS)
        assert run.status.state is RunLifecycleStateV2State.TERMINATED
        assert run.status.termination_details.code.value == "SUCCESS"
        assert (client.jobs.get_run_output(task_id(run)).logs or "").startswith(f"pytest {pytest.__version__}")

    def test_a_parameter_overrides_its_default_and_references_are_filled_in(self, client):
        run = client.jobs.run_now(SCRIPTED, job_parameters={"action": "other"}).result(timeout=PATIENCE)
        logs = client.jobs.get_run_output(task_id(run)).logs
        assert "'other', " in logs
        assert f"'{run.run_id}'" in logs
        assert [(each.name, each.default, each.value) for each in run.job_parameters] == [
            ("action", "succeed", "other")
        ]

    def test_a_run_sees_the_address_of_spark(self, client):
        run = client.jobs.run_now(SCRIPTED).result(timeout=PATIENCE)
        assert "remote sc://127.0.0.1:1/;session_id=" in client.jobs.get_run_output(task_id(run)).logs

    def test_a_run_that_raises_fails_and_tells_error_trace_and_log(self, client):
        run = finished(client, client.jobs.run_now(SCRIPTED, job_parameters={"action": "fail"}).run_id)
        assert outcome(run) == (TERMINATED, FAILED)
        assert run.status.termination_details.code.value == "RUN_EXECUTION_ERROR"
        output = client.jobs.get_run_output(task_id(run))
        assert output.error == "ValueError: the file is missing"
        assert output.error_trace.startswith("Traceback (most recent call last):")
        assert "so far so good" in output.logs

    def test_an_entry_point_that_does_not_exist_fails_the_run(self, client):
        run = finished(client, client.jobs.run_now(NO_ENTRY).run_id)
        assert outcome(run) == (TERMINATED, FAILED)
        assert "no_such_thing" in client.jobs.get_run_output(task_id(run)).error

    def test_a_task_with_a_retry_left_is_tried_again(self, client):
        run = client.jobs.run_now(RETRIED).result(timeout=PATIENCE)
        assert outcome(run) == (TERMINATED, SUCCESS)
        # Every attempt is told, as Databricks does.
        assert sorted(task.attempt_number for task in run.tasks) == [0, 1]

    def test_a_failed_task_skips_what_depends_on_it_and_nothing_else(self, client):
        run = finished(client, client.jobs.run_now(CHAIN).run_id)
        assert outcome(run) == (TERMINATED, FAILED)
        assert {task.task_key: task.state.result_state.value for task in run.tasks} == {
            "bronze": "SUCCESS",
            "silver": "FAILED",
            "gold": "UPSTREAM_FAILED",
        }

    def test_a_task_that_exceeds_its_timeout_is_stopped(self, client):
        assert outcome(finished(client, client.jobs.run_now(TIMED).run_id)) == (TERMINATED, RunResultState.TIMEDOUT)

    def test_the_output_of_a_whole_run_is_refused_as_databricks_does(self, client):
        run = client.jobs.run_now(SCRIPTED).result(timeout=PATIENCE)
        with pytest.raises(InvalidParameterValue, match="each individual task run"):
            client.jobs.get_run_output(run.run_id)


class TestRunNow:
    def test_the_same_token_is_the_same_run_even_if_it_failed(self, client):
        first = client.jobs.run_now(SCRIPTED, idempotency_token="batch-1", job_parameters={"action": "fail"}).run_id
        assert outcome(finished(client, first)) == (TERMINATED, FAILED)
        again = client.jobs.run_now(SCRIPTED, idempotency_token="batch-1", job_parameters={"action": "fail"}).run_id
        other = client.jobs.run_now(SCRIPTED, idempotency_token="batch-2").run_id
        assert again == first
        assert other != first

    def test_a_token_longer_than_64_characters_is_refused(self, client):
        assert client.jobs.run_now(SCRIPTED, idempotency_token="t" * 64).run_id
        with pytest.raises(InvalidParameterValue, match="64"):
            client.jobs.run_now(SCRIPTED, idempotency_token="t" * 65)

    def test_a_parameter_that_the_job_does_not_declare_is_refused(self, client):
        with pytest.raises(InvalidParameterValue, match="colour"):
            client.jobs.run_now(SCRIPTED, job_parameters={"colour": "red"})

    def test_parameters_longer_than_10000_bytes_are_refused(self, client):
        with pytest.raises(InvalidParameterValue, match="10000"):
            client.jobs.run_now(SCRIPTED, job_parameters={"action": "é" * 5_000})

    def test_a_run_above_the_jobs_maximum_waits_for_its_turn(self, own):
        client = own.client
        first = client.jobs.run_now(SERIAL, job_parameters={"action": "sleep"}).run_id
        second = client.jobs.run_now(SERIAL).run_id
        own.asleep()
        waiting = client.jobs.get_run(second)
        assert outcome(waiting) == (RunLifeCycleState.QUEUED, None)
        assert waiting.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
        client.jobs.cancel_run(first)
        assert outcome(finished(client, second)) == (TERMINATED, SUCCESS)

    def test_without_a_queue_it_is_skipped(self, own):
        client = own.client
        first = client.jobs.run_now(UNQUEUED, job_parameters={"action": "sleep"}).run_id
        second = finished(client, client.jobs.run_now(UNQUEUED).run_id)
        queued = client.jobs.run_now(UNQUEUED, queue=QueueSettings(enabled=True)).run_id
        assert outcome(second) == (RunLifeCycleState.SKIPPED, RunResultState.MAXIMUM_CONCURRENT_RUNS_REACHED)
        assert outcome(client.jobs.get_run(queued)) == (RunLifeCycleState.QUEUED, None)
        client.jobs.cancel_run(queued)
        client.jobs.cancel_run(first)
        assert outcome(finished(client, queued)) == (TERMINATED, CANCELED)


class TestCancel:
    def test_a_canceled_run_ends_with_every_process_that_it_started(self, own):
        client = own.client
        run_id = client.jobs.run_now(SCRIPTED, job_parameters={"action": "sleep"}).run_id
        own.asleep()
        assert len(own.processes()) == 2
        run = client.jobs.cancel_run(run_id).result(timeout=PATIENCE)
        assert outcome(run) == (TERMINATED, CANCELED)
        assert run.status.termination_details.code.value == "USER_CANCELED"
        until(lambda: own.processes() == [])

    def test_a_process_that_ignores_the_request_to_end_is_killed(self, own):
        client = own.client
        run_id = client.jobs.run_now(SCRIPTED, job_parameters={"action": "stubborn"}).run_id
        own.asleep()
        client.jobs.cancel_run(run_id)
        assert outcome(client.jobs.get_run(run_id))[0] is RunLifeCycleState.TERMINATING
        assert outcome(finished(client, run_id)) == (TERMINATED, CANCELED)
        assert own.processes() == []

    def test_canceling_a_run_that_is_over_changes_nothing(self, client):
        run = client.jobs.run_now(SCRIPTED).result(timeout=PATIENCE)
        client.jobs.cancel_run(run.run_id)
        assert outcome(client.jobs.get_run(run.run_id)) == (TERMINATED, SUCCESS)

    def test_what_a_canceled_run_had_spark_do_is_stopped_too(self, stack, tmp_path):
        endpoint = Endpoint(tmp_path, stack.spark_remote)
        endpoint.start()
        spark = connect(stack.spark_remote)
        try:
            client = endpoint.client
            run_id = client.jobs.run_now(SCRIPTED, job_parameters={"action": "query"}).run_id
            endpoint.asleep()
            time.sleep(5)
            client.jobs.cancel_run(run_id)
            assert outcome(finished(client, run_id)) == (TERMINATED, CANCELED)
            # The query would hold Spark's few slots for hours.
            started = time.monotonic()
            assert spark.range(10).count() == 10
            assert time.monotonic() - started < 15
        finally:
            spark.stop()
            endpoint.end(signal.SIGTERM)


class TestListing:
    def test_runs_are_listed_newest_first_over_all_pages(self, own):
        client = own.client
        ids = [client.jobs.run_now(SCRIPTED).run_id for _ in range(5)]
        for run_id in ids:
            finished(client, run_id)
        assert [run.run_id for run in client.jobs.list_runs(job_id=SCRIPTED, limit=2)] == ids[::-1]
        assert list(client.jobs.list_runs(job_id=WHEEL)) == []

    def test_active_and_completed_runs_are_told_apart(self, own):
        client = own.client
        done = client.jobs.run_now(SCRIPTED).result(timeout=PATIENCE).run_id
        active = client.jobs.run_now(SCRIPTED, job_parameters={"action": "sleep"}).run_id
        own.asleep()
        assert [run.run_id for run in client.jobs.list_runs(active_only=True)] == [active]
        assert [run.run_id for run in client.jobs.list_runs(completed_only=True, expand_tasks=True)] == [done]
        with pytest.raises(InvalidParameterValue):
            list(client.jobs.list_runs(active_only=True, completed_only=True))

    def test_jobs_are_listed_and_found_by_name(self, client):
        assert [job.job_id for job in client.jobs.list(limit=2)] == list(range(SCRIPTED, TIMED + 1))
        assert [job.job_id for job in client.jobs.list(name="WHEEL")] == [WHEEL]
        assert client.jobs.get(WHEEL).settings.parameters[0].default == "--version"


class TestRefusals:
    def test_a_job_that_does_not_exist(self, client):
        with pytest.raises(ResourceDoesNotExist, match="Job 7 does not exist"):
            client.jobs.get(7)
        with pytest.raises(InvalidParameterValue, match="Job 7 does not exist"):
            client.jobs.run_now(7)

    def test_a_run_that_does_not_exist(self, client):
        with pytest.raises(ResourceDoesNotExist, match="Run 7 does not exist"):
            client.jobs.get_run(7)

    def test_a_call_that_is_not_done_here_is_refused_by_its_name(self, client):
        with pytest.raises(NotImplemented, match=r"POST /api/2\.2/jobs/delete"):
            client.jobs.delete(SCRIPTED)
        with pytest.raises(NotImplemented, match="clusters/list"):
            list(client.clusters.list())

    def test_a_kind_of_task_that_is_not_run_here_is_refused_by_its_name(self, client):
        with pytest.raises(NotImplemented, match="sql_task"):
            client.jobs.run_now(UNKNOWN)

    def test_a_wrong_token_and_none(self, shared):
        with pytest.raises(PermissionDenied):
            WorkspaceClient(host=shared.host, token="wrong").jobs.get(WHEEL)
        with pytest.raises(Unauthenticated):
            WorkspaceClient(host=shared.host, username="u", password="p").jobs.get(WHEEL)


class TestEndpointsLife:
    def test_after_sigkill_no_process_is_left_and_the_runs_are_known_as_lost(self, own):
        done = own.client.jobs.run_now(SCRIPTED, idempotency_token="done").result(timeout=PATIENCE).run_id
        lost = own.client.jobs.run_now(SCRIPTED, idempotency_token="lost", job_parameters={"action": "sleep"}).run_id
        own.asleep()
        own.end(signal.SIGKILL)
        until(lambda: own.processes() == [])
        own.start()
        client = own.client
        assert outcome(client.jobs.get_run(done)) == (TERMINATED, SUCCESS)
        run = client.jobs.get_run(lost)
        assert outcome(run) == (RunLifeCycleState.INTERNAL_ERROR, FAILED)
        assert run.end_time
        assert client.jobs.run_now(SCRIPTED, idempotency_token="lost").run_id == lost
        assert "argv" in client.jobs.get_run_output(task_id(run)).logs

    def test_a_queued_run_survives_the_endpoint(self, own):
        own.client.jobs.run_now(SERIAL, job_parameters={"action": "sleep"})
        queued = own.client.jobs.run_now(SERIAL).run_id
        own.asleep()
        own.end(signal.SIGKILL)
        own.start()
        assert outcome(finished(own.client, queued)) == (TERMINATED, SUCCESS)

    def test_sigterm_ends_the_runs_with_the_endpoint(self, own):
        run_id = own.client.jobs.run_now(SCRIPTED, job_parameters={"action": "sleep"}).run_id
        own.asleep()
        own.end(signal.SIGTERM)
        assert own.processes() == []
        own.start()
        assert outcome(own.client.jobs.get_run(run_id)) == (RunLifeCycleState.INTERNAL_ERROR, FAILED)
