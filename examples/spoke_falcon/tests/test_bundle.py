"""The bundle's YAML: what is named is there, and what the tasks read is wired to the job's parameters."""

import re
from typing import Any

from conftest import LOB, ROOT

REFERENCE = re.compile(r"\$\{([^}]+)\}")
JOB_PARAMETER = re.compile(r"\{\{job\.parameters\.(\w+)\}\}")
REQUEST = ["category", "subcategory", "file_name", "begin_date", "end_date"]
OF_THE_SERVICE = ["batch_id", "catalog", "traceparent"]
CHAINS = {
    "bronze_job": ["bronze_load", "silver_clean", "gold_aggregate", "downstream_export"],
    "silver_job": [f"{LOB}_clean", f"{LOB}_enrich"],
    "gold_job": [f"{LOB}_aggregate"],
    "downstream_job": [f"{LOB}_export"],
}


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def reference(name: str) -> str:
    """Databricks' dynamic value reference, as it stands in the YAML."""
    return "{{" + name + "}}"


def parameters(job: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["default"] for each in job["parameters"]}


def test_there_are_three_targets_each_with_its_own_catalog(bundle: dict[str, Any]) -> None:
    targets = bundle["targets"]
    assert list(targets) == ["dev", "staging", "prod"]
    assert len({target["variables"]["catalog"] for target in targets.values()}) == 3
    assert targets["dev"]["mode"] == "development"
    assert targets["dev"]["default"] is True


def test_production_runs_as_a_service_principal_that_may_read_the_bundle(bundle: dict[str, Any]) -> None:
    for name in ("staging", "prod"):
        target = bundle["targets"][name]
        assert target["mode"] == "production"
        principal = target["run_as"]["service_principal_name"]
        assert {"service_principal_name": principal, "level": "CAN_VIEW"} in target["permissions"]


def test_every_reference_leads_somewhere(bundle: dict[str, Any], jobs: dict[str, Any]) -> None:
    known = {f"var.{name}" for name in bundle["variables"]}
    known |= {"bundle.name", "bundle.target", "workspace.file_path", "workspace.current_user.userName"}
    used = {found for text in texts(bundle) + texts(jobs) for found in REFERENCE.findall(text)}
    assert used <= known
    unused = {f"var.{name}" for name in bundle["variables"]} - used
    assert unused == set()


def test_tasks_follow_each_other(jobs: dict[str, Any]) -> None:
    assert set(jobs) == set(CHAINS)
    for key, chain in CHAINS.items():
        tasks = jobs[key]["tasks"]
        assert [task["task_key"] for task in tasks] == chain
        before = [[each["task_key"] for each in task.get("depends_on", [])] for task in tasks]
        assert before == [[], *([name] for name in chain[:-1])]


def test_the_bronze_job_has_no_schedule_and_runs_one_at_a_time(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        assert not {"schedule", "trigger", "continuous"} & set(job)
        assert job["max_concurrent_runs"] == 1
        assert job["queue"] == {"enabled": True}


def test_the_bronze_job_takes_a_request_or_a_batch(jobs: dict[str, Any]) -> None:
    declared = parameters(jobs["bronze_job"])
    assert {*REQUEST, *OF_THE_SERVICE} <= set(declared)
    assert declared["category"] == LOB
    assert [declared[name] for name in (*REQUEST[1:], "batch_id")] == [""] * 5
    wired = jobs["bronze_job"]["tasks"][0]["notebook_task"]["base_parameters"]
    assert wired["config_path"] == f"./configs/bronze/{LOB}_config.csv"
    assert (ROOT / wired["config_path"]).is_file()
    assert wired["run_id"] == reference("job.run_id")
    for name in (*REQUEST, *OF_THE_SERVICE):
        assert wired[name] == reference(f"job.parameters.{name}")


def test_every_parameter_is_wired_to_a_task_and_every_task_to_a_parameter(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        wired = {found for text in texts(job["tasks"]) for found in JOB_PARAMETER.findall(text)}
        assert wired == set(parameters(job))
        for task in job["tasks"]:
            for name, value in task["notebook_task"]["base_parameters"].items():
                assert name == "config_path" or value in (reference(f"job.parameters.{name}"), reference(f"job.{name}"))
            assert {"catalog", "schema_prefix", "environment"} <= set(task["notebook_task"]["base_parameters"])


def test_the_hub_may_run_the_bronze_job_and_no_other(jobs: dict[str, Any]) -> None:
    grant = {"level": "CAN_MANAGE_RUN", "service_principal_name": "${var.hub_service_principal}"}
    assert jobs["bronze_job"]["permissions"] == [grant]
    assert not any("permissions" in job for key, job in jobs.items() if key != "bronze_job")


def test_every_notebook_is_there(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        for task in job["tasks"]:
            notebook = ROOT / "resources" / task["notebook_task"]["notebook_path"]
            assert notebook.read_text("utf-8").startswith("# Databricks notebook source\n")


def test_every_task_has_the_hub_from_the_feed(jobs: dict[str, Any]) -> None:
    hub = {"package": "deltalake-hub==${var.hub_version}", "repo": "${var.hub_feed_url}"}
    for job in jobs.values():
        for task in job["tasks"]:
            assert task["libraries"] == [{"pypi": hub}]


def test_clusters_run_python_3_12_and_sign_in_to_the_feed(jobs: dict[str, Any]) -> None:
    for key, job in jobs.items():
        clusters = {each["job_cluster_key"]: each["new_cluster"] for each in job["job_clusters"]}
        assert set(clusters) == ({"bronze_cluster"} if key == "bronze_job" else set()) | {"transform_cluster"}
        assert set(clusters) == {task["job_cluster_key"] for task in job["tasks"]}
        for cluster in clusters.values():
            # Runtimes 16 and 17 have Python 3.12; 15 has 3.11.
            assert cluster["spark_version"].split(".")[0] in ("16", "17")
            assert cluster["data_security_mode"] == "SINGLE_USER"
            assert cluster["spark_env_vars"] == {
                "ADO_PAT": reference("secrets/ado-artifacts/ado-pat"),
                "HUB_FEED_URL": "${var.hub_feed_url}",
            }
            (script,) = cluster["init_scripts"]
            path = script["workspace"]["destination"].removeprefix("${workspace.file_path}/")
            assert path == "scripts/configure_pip.sh"
            assert (ROOT / path).is_file()
    bronze = {task["task_key"]: task["job_cluster_key"] for task in jobs["bronze_job"]["tasks"]}
    assert bronze.pop("bronze_load") == "bronze_cluster"
    assert set(bronze.values()) == {"transform_cluster"}
