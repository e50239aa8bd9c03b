"""`hubctl spoke new`, and the template it renders."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from deltalake_hub import __version__
from hubctl.main import app
from hubctl.spoke import filled, render, values_of
from local_stack.databricks.jobs_definition import Job
from local_stack.spoke import install, loader_job
from tests.spokes.run import FALCON, spoke_tests

if TYPE_CHECKING:
    from local_stack.stack import Stack

PROJECT = FALCON.parents[1]
TEMPLATE = PROJECT / "hubctl" / "spoke_template"
SCHEMA = json.loads((TEMPLATE / "databricks_template_schema.json").read_text("utf-8"))
# What a spoke's tables are about: here each spoke is its own.
OWN = re.compile(
    r"README\.md|configs/.*|src/transforms/(clean|enrich|aggregate)\.py|tests/(test_transforms\.py|data/.*)"
    r"|src/(silver/\w+_enrich|gold/\w+_aggregate|downstream/\w+_export)\.py"
)


def new(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["spoke", "new", *arguments])


def files_of(folder: Path) -> set[str]:
    """Files as a checkout has them, without what tools leave behind."""
    paths = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
    made = {"__pycache__", ".pytest_cache", ".ruff_cache", ".coverage", "spark-warehouse"}
    return {path.as_posix() for path in paths if not made.intersection(path.parts)}


@pytest.fixture(scope="module")
def eagle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spokes")
    result = new("eagle", "--output-dir", str(folder))
    assert result.exit_code == 0, result.stderr
    assert f"cd {folder / 'eagle'}" in result.stdout
    return folder / "eagle"


def test_its_tests_pass_as_they_are(eagle: Path) -> None:
    said = spoke_tests(eagle, "-m", "not spark")
    assert "passed" in said
    assert "skipped" not in said


def test_its_silver_and_gold_work_on_spark_connect(parts: "Stack", spark: object, eagle: Path) -> None:
    said = spoke_tests(eagle, "-m", "spark", SPARK_REMOTE=parts.spark_remote)
    assert "passed" in said
    assert "skipped" not in said


def test_its_csv_has_one_feed_and_passes_the_check(eagle: Path) -> None:
    csv = eagle / "configs" / "bronze" / "eagle_config.csv"
    root = "abfss://raw@acct.dfs.core.windows.net/"
    result = CliRunner().invoke(app, ["config", "check", str(csv), "--allowed-root", root, "--json"])
    assert result.exit_code == 0, result.stdout
    assert json.loads(result.stdout)["feeds"] == 1


def test_the_local_jobs_endpoint_can_run_its_jobs(eagle: Path, tmp_path: Path) -> None:
    spoke = install(eagle, tmp_path / "eagle", "abfss://landing@devstoreaccount1.dfs.core.windows.net:1/raw", "c", 1)
    jobs = {str(job["settings"]["name"]): Job(int(job["job_id"]), job["settings"]) for job in spoke.jobs}
    assert set(jobs) == {"eagle_bronze", "eagle_silver", "eagle_gold", "eagle_downstream"}
    bronze = jobs["eagle_bronze"]
    assert loader_job(spoke) == bronze.job_id
    values = bronze.parameters({"batch_id": "b1", "catalog": "c", "traceparent": "t"})
    assert values["category"] == "eagle"
    assert [task.key for task in bronze.tasks()] == [
        "bronze_load",
        "silver_clean",
        "gold_aggregate",
        "downstream_export",
    ]
    known = {"job.run_id": "7"} | {f"job.parameters.{name}": value for name, value in values.items()}
    for job in jobs.values():
        for task in job.tasks():
            assert task.command(known)
    csv = spoke.config.read_text("utf-8")
    assert "abfss://landing@devstoreaccount1.dfs.core.windows.net:1/raw/eagle/sales/orders/" in csv


def test_it_has_the_files_that_falcon_has(eagle: Path) -> None:
    samples = {"tests/data/flights_2013-01-01.csv", "tests/data/orders_2025-01-15.csv"}
    falcon = {name.replace("falcon", "eagle") for name in files_of(FALCON)} - samples
    assert files_of(eagle) - samples == falcon


def test_rendered_for_falcon_the_template_is_the_example_but_for_its_tables() -> None:
    rendered = render(TEMPLATE, values_of(TEMPLATE, {"spoke_name": "falcon"}))
    alike = {name.removeprefix("falcon/"): text for name, text in rendered.items()}
    alike = {name: text for name, text in alike.items() if not OWN.fullmatch(name)}
    assert len(alike) > 15
    for name, text in alike.items():
        assert text == (FALCON / name).read_text("utf-8"), f"{name}: change the example and the template together"


def test_no_action_is_left_and_databricks_own_references_are(eagle: Path) -> None:
    left = set()
    for name in files_of(eagle):
        text = (eagle / name).read_text("utf-8")
        assert "{{." not in text, name
        assert "`}}" not in text, name
        assert "falcon" not in text, name
        if name.endswith((".yml", ".toml", ".csv", ".sh", ".md")):
            left |= set(re.findall(r"\{\{(.*?)\}\}", text))
    assert {reference.split(".")[0].split("/")[0] for reference in left} == {"job", "secrets"}


def test_options_go_where_they_belong(tmp_path: Path) -> None:
    options = {
        "--catalog": "lake",
        "--landing-root": "abfss://land@acct2.dfs.core.windows.net/",
        "--export-root": "abfss://out@acct2.dfs.core.windows.net",
        "--feed-url": "https://pkgs.dev.azure.com/acme/_packaging/deltalake-artifacts/pypi/simple/",
        "--hub-repository": "platform/hub",
    }
    pairs = [word for pair in options.items() for word in pair]
    result = new("eagle", "--output-dir", str(tmp_path), *pairs, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["path"] == str(tmp_path / "eagle")
    assert {Path(name).relative_to("eagle").as_posix() for name in document["files"]} == files_of(tmp_path / "eagle")
    bundle = (tmp_path / "eagle" / "databricks.yml").read_text()
    assert re.findall(r"catalog: (\S+)", bundle) == ["lake_dev", "lake_staging", "lake_prod"]
    assert options["--feed-url"] in bundle
    assert "abfss://out@acct2.dfs.core.windows.net/eagle/" in bundle
    csv = (tmp_path / "eagle" / "configs" / "bronze" / "eagle_config.csv").read_text()
    assert "abfss://land@acct2.dfs.core.windows.net/eagle/sales/orders/" in csv
    assert "name: platform/hub\n" in (tmp_path / "eagle" / "azure-pipelines" / "ci.yml").read_text()
    spoke_tests(tmp_path / "eagle", "-m", "not spark")


@pytest.mark.parametrize("name", ["Eagle", "bald-eagle", "../eagle", "1eagle", ""])
def test_a_name_that_is_no_lobs_is_refused(tmp_path: Path, name: str) -> None:
    result = new(name, "--output-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "no LOB's name" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "eagle").mkdir()
    result = new("eagle", "--output-dir", str(tmp_path))
    assert result.exit_code == 2
    assert "exists" in result.stderr
    assert list((tmp_path / "eagle").iterdir()) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["eagle"]


@pytest.mark.parametrize(
    "option",
    [
        ("--catalog", "no catalog"),
        ("--landing-root", "/mnt/raw"),
        ("--feed-url", "https://build:token@pkgs.dev.azure.com/x/"),
        ("--hub-repository", "a\nb: c"),
    ],
)
def test_a_value_that_a_file_could_not_hold_is_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    result = new("eagle", "--output-dir", str(tmp_path), *option)
    assert result.exit_code == 2
    assert option[0].removeprefix("--") in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert new("eagle", "--output-dir", str(tmp_path / "file")).exit_code == 2


def test_the_template_uses_each_property_of_its_schema_and_no_other() -> None:
    used: set[str] = set()
    for file in (TEMPLATE / "template").rglob("*"):
        used |= set(re.findall(r"\{\{\.(\w+)\}\}", file.relative_to(TEMPLATE).as_posix()))
        if file.is_file() and file.name.endswith(".tmpl"):
            used |= set(re.findall(r"\{\{\.(\w+)\}\}", file.read_text("utf-8")))
    assert used == set(SCHEMA["properties"])


def test_the_schema_is_what_databricks_bundle_init_takes() -> None:
    assert set(SCHEMA) == {"welcome_message", "properties", "success_message"}
    known = {"type", "description", "default", "order", "pattern", "pattern_match_failure_message", "enum"}
    for name, one in SCHEMA["properties"].items():
        assert set(one) <= known, name
        assert one["type"] == "string"
        assert "default" not in one or re.fullmatch(one["pattern"], one["default"])
    assert [one["order"] for one in SCHEMA["properties"].values()] == list(range(1, len(SCHEMA["properties"]) + 1))
    assert filled(SCHEMA["success_message"], {"spoke_name": "eagle"}).startswith("The spoke is in eagle.")


def test_bundle_init_offers_this_version_of_the_hub() -> None:
    assert SCHEMA["properties"]["hub_version"]["default"] == __version__


def test_names_are_those_that_the_hub_takes_for_lobs() -> None:
    from hub_core.feeds import is_lob

    pattern = SCHEMA["properties"]["spoke_name"]["pattern"]
    for name in ("eagle", "e", "e" * 63, "e" * 64, "e_1", "_e", "1e", "Eagle", "e-1", "e.1", ""):
        assert (re.fullmatch(pattern, name) is not None) == is_lob(name), name


def test_what_go_would_take_for_another_action_is_an_error() -> None:
    assert filled("a {{.name}} {{`{{job.run_id}}`}} }}", {"name": "b"}) == "a b {{job.run_id}} }}"
    for text in ("{{ if .x }}", "{{- .name}}", "x {{.name", "{{.name}} {{end}}"):
        with pytest.raises(ValueError, match="not an action"):
            filled(text, {"name": "b"})
    with pytest.raises(KeyError):
        filled("{{.other}}", {"name": "b"})


def test_the_wheel_brings_the_template(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {
            name.removeprefix("hubctl/spoke_template/") for name in archive.namelist() if "spoke_template" in name
        }
    assert shipped == files_of(TEMPLATE)
