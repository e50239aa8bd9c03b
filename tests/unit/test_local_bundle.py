"""A spoke's bundle as the local stack reads it, and a notebook as it runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hub_core.feeds import parse_config
from local_stack.bundle import BundleError, bundle_jobs
from local_stack.databricks.jobs_definition import Job
from local_stack.spoke import install, loader_job, localized
from local_stack.stack import LOADER_JOB

PROJECT = Path(__file__).parents[2]
FALCON = PROJECT / "examples" / "spoke_falcon"
LANDING = "abfss://landing@host:1/raw"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "resources").mkdir()
    (tmp_path / "n.py").touch()
    (tmp_path / "databricks.yml").write_text(
        "bundle: {name: b}\ninclude: [resources/*.yml]\nvariables: {a: {default: 1}, b: {}}\n"
        "targets: {dev: {variables: {b: two}}, prod: {}}\n"
    )
    (tmp_path / "resources" / "job.yml").write_text(
        "resources: {jobs: {j: {name: '${bundle.name}-${bundle.target}',\n"
        "  parameters: [{name: p, default: '${var.b}'}],\n"
        "  job_clusters: [{job_cluster_key: c}], tasks: [{task_key: t, job_cluster_key: c,\n"
        "    notebook_task: {notebook_path: ../n.py, base_parameters: {x: '${var.a}', me: '${resources.jobs.j.id}',\n"
        "      p: '{{job.parameters.p}}'}}}]}}}\n"
    )
    return tmp_path


def test_references_are_filled_in_by_target_and_notebooks_found_from_the_file_that_names_them(bundle: Path) -> None:
    [job] = bundle_jobs(bundle, "dev", {"j": 7})
    settings = job["settings"]
    assert (job["job_id"], settings["name"], settings["parameters"]) == (7, "b-dev", [{"name": "p", "default": "two"}])
    assert settings["tasks"] == [
        {
            "task_key": "t",
            "notebook_task": {
                "notebook_path": str(bundle / "n.py"),
                "base_parameters": {"x": "1", "me": "7", "p": "{{job.parameters.p}}"},
            },
        }
    ]
    [given] = bundle_jobs(bundle, "dev", {"j": 7}, {"b": "three"})
    assert given["settings"]["parameters"][0]["default"] == "three"


@pytest.mark.parametrize(
    ("target", "jobs", "variables", "said"),
    [
        ("test", {"j": 1}, {}, "no target test; there are dev, prod"),
        ("dev", {"k": 1}, {}, "no job k; there are j"),
        ("dev", {"j": 1}, {"c": ""}, "no variable c"),
        ("prod", {"j": 1}, {}, r"\$\{var.b\} refers to nothing"),
    ],
)
def test_what_cannot_be_deployed_is_refused_by_what_is_wrong(
    bundle: Path, target: str, jobs: dict[str, int], variables: dict[str, str], said: str
) -> None:
    with pytest.raises(BundleError, match=said):
        bundle_jobs(bundle, target, jobs, variables)


def test_a_notebook_that_is_not_there_is_named(bundle: Path) -> None:
    (bundle / "n.py").unlink()
    with pytest.raises(BundleError, match=r"task t: .*n\.py is not there"):
        bundle_jobs(bundle, "dev", {"j": 1})


def test_the_stacks_loader_job_is_the_hubs_bundle(tmp_path: Path) -> None:
    ids = {"service_principal_id": "s", "loader_principal_id": "l", "catalog": "spark_catalog"}
    [job] = bundle_jobs(PROJECT / "infra" / "bundle", "dev", {"bronze_loader": 1}, ids)
    deployed, [task] = job["settings"], job["settings"]["tasks"]
    [local] = LOADER_JOB["tasks"]
    assert (deployed["parameters"], deployed["name"]) == (LOADER_JOB["parameters"], LOADER_JOB["name"])
    assert deployed["max_concurrent_runs"] == LOADER_JOB["max_concurrent_runs"]
    assert (task["task_key"], task["python_wheel_task"]) == (local["task_key"], local["python_wheel_task"])


def test_the_example_spoke_comes_with_its_jobs_and_feeds_below_the_stacks_landing_root(tmp_path: Path) -> None:
    spoke = install(FALCON, tmp_path / "s", LANDING, "spark_catalog", 2001)
    assert (spoke.lob, loader_job(spoke)) == ("falcon", spoke.job_ids["bronze_job"])
    assert set(spoke.job_ids) == {"bronze_job", "silver_job", "gold_job", "downstream_job"}
    text = spoke.config.read_text("utf-8")
    parsed = parse_config(text, lob="falcon", catalog="spark_catalog", allowed_roots=[LANDING + "/"])
    assert parsed.errors == ()
    assert len(parsed.feeds) == 5
    for job in spoke.jobs:
        made = Job(job["job_id"], job["settings"])
        values = {f"job.parameters.{name}": value for name, value in made.parameters({}).items()}
        for task in made.tasks():
            kind, path, widgets = task.command({**values, "job.run_id": "5", "job.id": "1"})
            assert (kind, Path(path).is_relative_to(spoke.directory)) == ("notebook_task", True)
            assert json.loads(widgets)["catalog"] == "spark_catalog"


def test_a_folder_that_is_no_spoke_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds 0 files \*_config\.csv"):
        install(tmp_path, tmp_path / "s", LANDING, "c", 1)


def test_only_the_container_of_a_source_is_replaced() -> None:
    text = 'a,source_path\n"x,y",abfss://raw@acct.dfs.core.windows.net/falcon/in/\n\n'
    assert localized(text, LANDING) == 'a,source_path\n"x,y",abfss://landing@host:1/raw/falcon/in/\n'


NOTEBOOK = """# Databricks notebook source
import helper, os
from pathlib import Path
dbutils.widgets.text("declared", "default")
print(sorted(dbutils.widgets.getAll().items()), helper.NAME, Path.cwd().name, spark)
try:
    dbutils.widgets.get("unknown")
except ValueError as error:
    print("refused", "InputWidgetNotDefined" in str(error))
dbutils.notebook.exit("done")
print("never")
"""


def test_a_notebook_has_its_widgets_its_folder_and_an_exit(tmp_path: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "n.py").write_text(NOTEBOOK)
    (folder / "helper.py").write_text("NAME = 'helps'")
    # pyspark's place is taken: what a session is, other tests show.
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").touch()
    (tmp_path / "pyspark" / "sql.py").write_text(
        "class SparkSession:\n    class builder:\n        getOrCreate = staticmethod(lambda: 'a session')\n"
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from local_stack.databricks.jobs_task import run; "
        "run('notebook_task', sys.argv[2], sys.argv[3])"
    )
    widgets = json.dumps({"category": "falcon", "empty": ""})
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(folder / "n.py"), widgets],
        capture_output=True, text=True, check=False, cwd=PROJECT, start_new_session=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = "[('category', 'falcon'), ('declared', 'default'), ('empty', '')] helps src a session"
    assert done.stdout.splitlines() == [shown, "refused True", "done"]


def test_the_jobs_own_parameters_count_more_than_a_tasks() -> None:
    task = {"task_key": "t", "notebook_task": {"notebook_path": "/n", "base_parameters": {"a": "1", "b": "2"}}}
    [made] = Job(1, {"tasks": [task]}).tasks()
    _, _, widgets = made.command({"job.parameters.b": "3", "job.run_id": "4"})
    assert json.loads(widgets) == {"a": "1", "b": "3"}


def test_the_bundles_are_yaml_without_tabs_or_doubles() -> None:
    for path in [*FALCON.rglob("*.yml"), *(PROJECT / "infra" / "bundle").rglob("*.yml")]:
        assert yaml.safe_load(path.read_text("utf-8")), path
