"""The asset bundle of the loader and the housekeeping, held to Databricks' own model of a job and to the hub's code."""

import re
import tomllib
from importlib import import_module
from typing import Any

import pytest
from databricks.bundles.jobs import Job

from tests.infra.bundle import BUNDLE, GIVEN, ROOT, for_target, read, variables

TARGETS = ("dev", "staging", "prod")
LOADERS = ("bronze_loader", "bronze_loader_classic")
WHEELS = ROOT / "dist" / "*.whl"


def job(name: str, target: str = "prod") -> dict[str, Any]:
    found: dict[str, Any] = for_target(target)["resources"]["jobs"][name]
    return found


def only_task(name: str) -> dict[str, Any]:
    [task] = job(name)["tasks"]
    return dict(task)


def test_the_targets_are_dev_staging_and_prod_each_with_a_catalog_of_its_own() -> None:
    bundle = read()
    assert tuple(bundle["targets"]) == TARGETS
    assert len({variables(bundle, target)["catalog"] for target in TARGETS}) == 3
    assert [target for target in TARGETS if bundle["targets"][target].get("default")] == ["dev"]
    assert [bundle["targets"][target]["mode"] for target in TARGETS] == ["development", "production", "production"]


def test_the_jobs_are_the_two_variants_of_the_loader_and_the_housekeeping() -> None:
    assert set(read()["resources"]["jobs"]) == {*LOADERS, "hub_maintenance"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [*LOADERS, "hub_maintenance"])
def test_databricks_own_model_takes_each_job(name: str, target: str) -> None:
    settings = job(name, target)
    # Unknown fields and values are errors of the model.
    assert Job.from_dict(settings).name == name
    assert {one["name"]: one["default"] for one in settings["parameters"]}["catalog"] == target


@pytest.mark.parametrize("target", TARGETS)
def test_what_no_target_gives_is_ids_and_nothing_else(target: str) -> None:
    bundle = read()
    assert set(bundle["variables"]) - set(variables(bundle, target)) == set(GIVEN)
    assert all(one["description"] for one in bundle["variables"].values())


def test_no_address_of_a_workspace_and_no_secret_is_spelled() -> None:
    for file in BUNDLE.rglob("*.yml"):
        text = file.read_text("utf-8")
        assert not re.search(r"https?://|host:|token|azuredatabricks", text), file.name


@pytest.mark.parametrize("name", LOADERS)
def test_a_loader_takes_what_the_service_sends(name: str) -> None:
    settings = job(name)
    assert {one["name"]: one["default"] for one in settings["parameters"]} == {
        "batch_id": "", "catalog": "prod", "traceparent": "",
    }  # fmt: skip
    assert settings["max_concurrent_runs"] >= 20
    assert settings["queue"] == {"enabled": True}
    assert "schedule" not in settings
    assert only_task(name)["task_key"] == "bronze_load"


@pytest.mark.parametrize("name", [*LOADERS, "hub_maintenance"])
def test_a_task_is_tried_twice_and_ends_within_the_jobs_time(name: str) -> None:
    settings, task = job(name), only_task(name)
    assert task["max_retries"] == 1
    assert 0 < task["timeout_seconds"] * 2 <= settings["timeout_seconds"]
    # Without this, serverless compute retries on its own account.
    assert task.get("disable_auto_optimization", False) is ("environment_key" in task)


@pytest.mark.parametrize("name", LOADERS)
def test_the_service_may_run_the_loader_and_nothing_else(name: str) -> None:
    assert job(name)["permissions"] == [{"service_principal_name": "the-service", "level": "CAN_MANAGE_RUN"}]
    assert "permissions" not in job("hub_maintenance")


def test_the_jobs_run_as_a_principal_of_their_own_that_may_only_look_at_the_bundle() -> None:
    bundle = for_target("prod")
    assert bundle["run_as"] == {"service_principal_name": "the-loader"}
    assert bundle["permissions"] == [{"service_principal_name": "the-loader", "level": "CAN_VIEW"}]
    assert not any("run_as" in one for one in bundle["resources"]["jobs"].values())


def test_the_wheel_lies_where_only_its_deployer_can_replace_it() -> None:
    roots = {target: for_target(target)["workspace"]["root_path"] for target in TARGETS}
    assert all(root.startswith("/Workspace/Users/release@example.org/") for root in roots.values())
    assert len(set(roots.values())) == 3


@pytest.mark.parametrize("name", [*LOADERS, "hub_maintenance"])
def test_a_wheel_task_names_an_entry_point_of_the_wheel_and_arguments_that_it_knows(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    task, settings = only_task(name)["python_wheel_task"], job(name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert task["package_name"] == project["name"].replace("-", "_")
    assert task["entry_point"] == only_task(name)["task_key"]
    module, function = project["scripts"][task["entry_point"]].split(":")
    with pytest.raises(SystemExit):
        getattr(import_module(module), function)(["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    flags, values = task["parameters"][::2], task["parameters"][1::2]
    assert set(flags) <= known
    assert dict(zip(flags, values, strict=True)) == {
        f"--{each.replace('_', '-')}": f"{{{{job.parameters.{each}}}}}"
        for each in [one["name"] for one in settings["parameters"]]
    } | ({"--run-id": "{{job.run_id}}"} if name in LOADERS else {})


@pytest.mark.parametrize("name", ["bronze_loader", "hub_maintenance"])
def test_serverless_tasks_have_the_wheel_in_their_environment_on_python_3_12(name: str) -> None:
    [environment] = job(name)["environments"]
    assert only_task(name)["environment_key"] == environment["environment_key"]
    assert (BUNDLE / "resources" / environment["spec"]["dependencies"][0]).resolve() == WHEELS
    assert len(environment["spec"]["dependencies"]) == 1
    # Versions 1 and 2 have Python 3.10 and 3.11.
    assert int(environment["spec"]["environment_version"]) >= 3
    assert "job_clusters" not in job(name)


def test_the_classic_variant_has_the_wheel_as_a_library_on_a_cluster_of_unity_catalog() -> None:
    task, settings = only_task("bronze_loader_classic"), job("bronze_loader_classic")
    [cluster] = settings["job_clusters"]
    assert task["job_cluster_key"] == cluster["job_cluster_key"]
    assert [(BUNDLE / "resources" / one["whl"]).resolve() for one in task["libraries"]] == [WHEELS]
    assert cluster["new_cluster"]["data_security_mode"] in {"SINGLE_USER", "USER_ISOLATION"}
    # Runtimes before 16 have no Python 3.12.
    assert int(cluster["new_cluster"]["spark_version"].split(".")[0]) >= 16
    assert "environments" not in settings


def test_the_variants_differ_in_their_compute_and_their_names_only() -> None:
    compute = {"environments", "job_clusters", "name", "tasks"}
    tasks = {"environment_key", "job_cluster_key", "libraries", "disable_auto_optimization"}
    one, other = (job(name) for name in LOADERS)
    assert {k: v for k, v in one.items() if k not in compute} == {k: v for k, v in other.items() if k not in compute}
    one, other = (only_task(name) for name in LOADERS)
    assert {k: v for k, v in one.items() if k not in tasks} == {k: v for k, v in other.items() if k not in tasks}


def test_the_wheel_is_the_bundles_own_artifact_and_a_release_may_bring_the_one_that_was_tested() -> None:
    [artifact] = for_target("prod")["artifacts"].values()
    assert artifact["type"] == "whl"
    assert (BUNDLE / artifact["path"]).resolve() == ROOT
    assert [(BUNDLE / one["source"]).resolve() for one in artifact["files"]] == [WHEELS]
    assert artifact["build"] == "bash scripts/build_wheel.sh"
    assert read()["artifacts"]["deltalake_hub"]["build"] == "${var.wheel_build}"


def test_the_housekeeping_runs_once_a_week() -> None:
    schedule = job("hub_maintenance")["schedule"]
    seconds, minutes, hours, day, month, weekday = schedule["quartz_cron_expression"].split()
    assert all(part.isdigit() for part in (seconds, minutes, hours))
    assert (day, month, weekday) == ("?", "*", "SUN")
    assert job("hub_maintenance")["max_concurrent_runs"] == 1
