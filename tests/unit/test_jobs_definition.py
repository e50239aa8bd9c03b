"""Jobs as the local Jobs API reads them from its file."""

import json
from pathlib import Path

import pytest

from local_stack.databricks.jobs_definition import ApiError, Job, filled, read_jobs


def wheel(**settings: object) -> dict[str, object]:
    return {"package_name": "hub", "entry_point": "load"} | settings


def job(*tasks: dict[str, object], **settings: object) -> Job:
    return Job(1, {"name": "loader", "tasks": list(tasks)} | settings)


def task(key: str, *depends_on: str, **settings: object) -> dict[str, object]:
    needed = [{"task_key": each} for each in depends_on]
    return {"task_key": key, "depends_on": needed, "python_wheel_task": wheel()} | settings


def test_a_file_of_jobs_is_read_by_id(tmp_path: Path):
    (tmp_path / "jobs.json").write_text(json.dumps([{"job_id": 7, "settings": {"name": "loader"}}]))
    assert read_jobs(tmp_path / "jobs.json")[7].name == "loader"


def test_a_job_allows_one_run_at_a_time_unless_it_says_otherwise():
    assert job().max_concurrent_runs == 1
    assert not job().queues
    assert job(queue={"enabled": True}, max_concurrent_runs=20).queues


def test_parameters_override_the_declared_defaults():
    declared = [{"name": "batch_id", "default": ""}, {"name": "catalog", "default": "main"}]
    assert job(parameters=declared).parameters({"batch_id": "b1"}) == {"batch_id": "b1", "catalog": "main"}


def test_a_parameter_that_is_not_declared_is_refused_by_its_name():
    with pytest.raises(ApiError, match="colour") as raised:
        job(parameters=[{"name": "batch_id", "default": ""}]).parameters({"colour": "red"})
    assert (raised.value.status, raised.value.code) == (400, "INVALID_PARAMETER_VALUE")


def test_references_are_filled_in_with_or_without_spaces():
    values = {"job.parameters.batch_id": "b1", "job.run_id": "5"}
    assert filled("{{job.parameters.batch_id}}/{{ job.run_id }}", values) == "b1/5"


def test_a_value_that_looks_like_a_reference_stays_as_it_is():
    assert filled("{{job.parameters.x}}", {"job.parameters.x": "{{job.run_id}}"}) == "{{job.run_id}}"


def test_a_reference_to_nothing_is_refused():
    with pytest.raises(ApiError, match=r"job\.parameters\.nothing"):
        filled("{{job.parameters.nothing}}", {})


def test_a_wheel_task_takes_a_list_of_parameters():
    (only,) = job(task("t", python_wheel_task=wheel(parameters=["--run", "{{job.run_id}}"]))).tasks()
    assert only.command({"job.run_id": "5"}) == ["python_wheel_task", "hub", "load", "--run", "5"]


def test_a_wheel_task_takes_named_parameters():
    (only,) = job(task("t", python_wheel_task=wheel(named_parameters={"run": "{{job.run_id}}"}))).tasks()
    assert only.command({"job.run_id": "5"}) == ["python_wheel_task", "hub", "load", "--run=5"]


def test_tasks_come_after_those_that_they_depend_on():
    tasks = job(task("gold", "silver", "bronze"), task("silver", "bronze"), task("bronze")).tasks()
    assert [each.key for each in tasks] == ["bronze", "silver", "gold"]


@pytest.mark.parametrize("tasks", [[task("a", "b"), task("b", "a")], [task("a", "nothing")], []])
def test_tasks_that_can_never_start_are_refused(tasks: list[dict[str, object]]):
    with pytest.raises(ApiError) as raised:
        job(*tasks).tasks()
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"task_key": "n", "sql_task": {"warehouse_id": "x"}}, "sql_task"),
        ({"task_key": "n"}, "none"),
        (task("n", run_if="ALL_DONE"), "ALL_DONE"),
    ],
)
def test_a_task_that_is_not_run_here_is_refused_by_what_it_is(settings: dict[str, object], named: str):
    with pytest.raises(ApiError, match=named) as raised:
        job(settings).tasks()
    assert (raised.value.status, raised.value.code) == (501, "NOT_IMPLEMENTED")
