"""examples/spoke_falcon: a spoke that fits this hub, its templates and its demo's data."""

from typing import TYPE_CHECKING

import pytest
import yaml

from deltalake_hub import __version__
from local_stack.demo_data import config_csv
from tests.spokes.run import FALCON, spoke_tests

if TYPE_CHECKING:
    from local_stack.stack import Stack

PROJECT = FALCON.parents[1]


def test_its_own_tests_pass_without_spark() -> None:
    said = spoke_tests(FALCON, "-m", "not spark")
    assert "passed" in said
    assert "skipped" not in said


def test_its_silver_and_gold_work_on_spark_connect(parts: "Stack", spark: object) -> None:
    said = spoke_tests(FALCON, "-m", "spark", SPARK_REMOTE=parts.spark_remote)
    assert "passed" in said
    assert "skipped" not in said


def test_its_feeds_are_the_demos() -> None:
    csv = (FALCON / "configs" / "bronze" / "falcon_config.csv").read_text("utf-8")
    assert csv == config_csv("abfss://raw@acct.dfs.core.windows.net")


def test_it_pins_this_version_of_the_hub() -> None:
    bundle = yaml.safe_load((FALCON / "databricks.yml").read_text())
    assert bundle["variables"]["hub_version"]["default"] == __version__


@pytest.mark.parametrize("pipeline", ["ci.yml", "release.yml"])
def test_its_pipelines_give_the_hubs_templates_parameters_that_they_have(pipeline: str) -> None:
    extends = yaml.safe_load((FALCON / "azure-pipelines" / pipeline).read_text())["extends"]
    path, _, repository = extends["template"].partition("@")
    assert repository == "hub"
    declared = {each["name"]: each for each in yaml.safe_load((PROJECT / path).read_text())["parameters"]}
    assert set(extends["parameters"]) <= set(declared)
    assert {name for name, each in declared.items() if "default" not in each} <= set(extends["parameters"])


def test_its_secret_scope_and_feed_are_called_as_teams_will_look_for_them() -> None:
    jobs = "".join(file.read_text() for file in (FALCON / "resources").glob("*.yml"))
    assert "{{secrets/ado-artifacts/ado-pat}}" in jobs
    assert "scripts/configure_pip.sh" in jobs
    assert "/deltalake-artifacts/pypi/simple/" in (FALCON / "databricks.yml").read_text()
