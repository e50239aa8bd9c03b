"""The pipelines as Azure Pipelines would run them: valid, all references and parameters resolved, names as agreed."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from tests.pipelines.expander import TemplateError, declared, expand_file
from tests.pipelines.processes import ROOT, SCRIPTS

PIPELINES = ROOT / "azure-pipelines"
TEMPLATES = PIPELINES / "templates"
FALCON = ROOT / "examples" / "spoke_falcon" / "azure-pipelines"
FILES = sorted(PIPELINES.rglob("*.yml"))
TARGETS = ["dev", "staging", "prod"]
SUFFIX = {"dev": "DEV", "staging": "STG", "prod": "PRD"}
AZURE_DEVOPS = (ROOT / "docs" / "azure-devops.md").read_text("utf-8")

SPOKE_CI = """
resources:
  repositories:
    - {{repository: hub, type: git, name: deltalake-hub, ref: refs/tags/v0.1.0}}
extends:
  template: azure-pipelines/templates/spoke-ci-template.yml@hub
  parameters: {parameters}
"""
SPOKE_RELEASE = """
trigger: none
resources:
  repositories:
    - {{repository: hub, type: git, name: deltalake-hub, ref: refs/tags/v0.1.0}}
  pipelines:
    - {{pipeline: ci, source: spoke-falcon-ci}}
extends:
  template: azure-pipelines/templates/spoke-release-template.yml@hub
  parameters: {parameters}
"""


def spoke(folder: Path, text: str, **parameters: Any) -> dict[str, Any]:
    """A spoke's pipeline with these parameters, expanded."""
    file = folder / "pipeline.yml"
    file.write_text(text.format(parameters=json.dumps(parameters)))
    return expand_file(file)


@pytest.fixture(
    params=[
        "hub-ci", "hub-release", "hub-release with tokens", "falcon ci", "falcon release",
        "spoke ci", "spoke ci with token", "spoke release", "spoke release with token", "spoke release of one target",
    ]
)  # fmt: skip
def pipeline(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Each pipeline that there is, and spokes' that use what the templates offer, expanded."""
    tokens = [{"targetEnvironment": one, "databricksTokenSecret": f"DATABRICKS_TOKEN_{SUFFIX[one]}"} for one in TARGETS]
    match request.param:
        case "hub-ci" | "hub-release":
            return expand_file(PIPELINES / f"{request.param}.yml")
        case "hub-release with tokens":
            return expand_file(PIPELINES / "hub-release.yml", {"targets": tokens})
        case "falcon ci" | "falcon release":
            return expand_file(FALCON / f"{request.param.removeprefix('falcon ')}.yml")
        case "spoke ci":
            return spoke(tmp_path, SPOKE_CI, spokeName="eagle")
        case "spoke ci with token":
            return spoke(
                tmp_path, SPOKE_CI, spokeName="eagle", databricksTokenSecret="DATABRICKS_TOKEN_DEV",
                hubVersion="0.1.0", allowedRoots="abfss://raw@acct.dfs.core.windows.net/", bundleVariables={"a": "b"},
            )  # fmt: skip
        case "spoke release":
            return spoke(tmp_path, SPOKE_RELEASE, spokeName="eagle")
        case "spoke release with token":
            return spoke(tmp_path, SPOKE_RELEASE, spokeName="eagle", targets=tokens)
        case _:
            return spoke(
                tmp_path, SPOKE_RELEASE, spokeName="eagle", targetEnvironment="prod", bundleVariables={"a": "b"},
                databricksHost="https://adb-1.2.azuredatabricks.net", adoEnvironment="eagle-prod",
            )  # fmt: skip


def steps_of(document: Any) -> Iterator[dict[str, Any]]:
    """Every step of an expanded pipeline."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "steps":
                yield from value
            else:
                yield from steps_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from steps_of(value)


def scripts_of(document: Any) -> list[str]:
    """What the steps run in Bash."""
    return [step.get("bash") or step.get("inputs", {}).get("inlineScript", "") for step in steps_of(document)]


def calls_of(document: Any) -> list[list[str]]:
    """The calls of the project's scripts in a pipeline: the script's name, then its arguments."""
    calls = []
    for script in scripts_of(document):
        for line in script.splitlines():
            # Command substitution with its own words counts as one.
            for command in re.split(r"\||&&|\$\((?=bash )", line):
                words = shlex.split(command.strip().removesuffix(")"))
                if words[:1] == ["bash"]:
                    calls.append([words[1].rpartition("/")[2], *words[2:]])
    return calls


# The schema


def _validate(file: Path) -> None:
    # `python` for regular expressions: some of the schema's are none of JavaScript's strict ones.
    arguments = ["--regex-variant", "python", "--builtin-schema", "vendor.azure-pipelines"]
    told = CliRunner().invoke(check_jsonschema, [*arguments, "--data-transform", "azure-pipelines", str(file)])
    assert told.exit_code == 0, told.output


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_file_is_valid_by_the_schema_of_azure_pipelines(file: Path) -> None:
    _validate(file)


def test_each_pipeline_is_valid_once_it_is_expanded(pipeline: dict[str, Any], tmp_path: Path) -> None:
    assert "${{" not in json.dumps(pipeline)
    file = tmp_path / "expanded.yml"
    # To the schema every scalar of a pipeline is text.
    file.write_text(yaml.safe_dump(pipeline, sort_keys=False))
    _validate(file)


def test_a_file_that_is_not_valid_is_found(tmp_path: Path) -> None:
    file = tmp_path / "bad.yml"
    file.write_text("steps:\n  - task: AzureCLI@2\n    inputs:\n      script: echo\n")
    with pytest.raises(AssertionError):
        _validate(file)


# References and parameters


def test_every_template_is_used_and_uses_every_parameter_that_it_declares() -> None:
    texts = {file: file.read_text("utf-8") for file in FILES}
    used = {
        (file.parent / reference).resolve()
        for file, text in texts.items()
        for reference in re.findall(r"template: ([\w/.-]+\.yml)$", text, re.MULTILINE)
    }
    entries = {TEMPLATES / "spoke-ci-template.yml", TEMPLATES / "spoke-release-template.yml"}
    assert {file for file in FILES if file.is_relative_to(TEMPLATES)} == used | entries
    for file, text in texts.items():
        for one in declared(file):
            assert re.search(rf"\bparameters\.{one['name']}\b", text), f"{file.name}: {one['name']}"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "needs the parameter spokeName"),
        ({"spokeName": "eagle", "spokename": "x"}, "has no parameter spokename"),
        ({"spokeName": "eagle", "targetEnvironment": "stg"}, "not one of"),
        ({"spokeName": ["eagle"]}, "not of type string"),
        ({"spokeName": "eagle", "targets": [{"targetEnvironment": "test"}]}, "not one of"),
    ],
)
def test_a_spoke_that_passes_a_wrong_parameter_is_refused(
    tmp_path: Path, parameters: dict[str, Any], told: str
) -> None:
    with pytest.raises(TemplateError, match=told):
        spoke(tmp_path, SPOKE_RELEASE, **parameters)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("spoke-release-template.yml", "spoke-release-templates.yml", "there is no"),
        ("@hub", "@platform", "no repository"),
    ],
)
def test_a_template_that_is_not_there_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told):
        spoke(tmp_path, SPOKE_RELEASE.replace(old, new), spokeName="eagle")


# Scripts


def _arity(script: str) -> tuple[int, float]:
    """How many arguments a script takes, by its usage line."""
    [usage] = re.findall(rf'"usage: {re.escape(script)} ?(.*)"', (SCRIPTS / script).read_text("utf-8")) or [""]
    words = usage.split()
    return sum(not word.startswith("[") for word in words), float("inf") if "…" in usage else len(words)


def test_every_script_that_is_called_exists_and_gets_the_arguments_that_it_takes(pipeline: dict[str, Any]) -> None:
    calls = calls_of(pipeline)
    assert calls
    for script, *arguments in calls:
        least, most = _arity(script)
        assert least <= len(arguments) <= most, [script, *arguments]


def test_every_script_of_the_platform_is_called_by_a_pipeline_or_a_cluster(tmp_path: Path) -> None:
    documents = [expand_file(PIPELINES / "hub-ci.yml"), expand_file(PIPELINES / "hub-release.yml")]
    documents += [spoke(tmp_path, text, spokeName="eagle") for text in (SPOKE_CI, SPOKE_RELEASE)]
    called = {call[0] for document in documents for call in calls_of(document)}
    # make check calls the first; the second is a cluster's init script.
    others = {"check_requirements.sh", "configure_pip.sh"}
    assert called | others == {file.name for file in SCRIPTS.glob("*.sh")}


def test_no_secret_stands_in_a_script_where_processes_are_listed(pipeline: dict[str, Any]) -> None:
    for script in scripts_of(pipeline):
        assert not re.search(r"\$\([^)]*(TOKEN|AccessToken|PAT)[^)]*\)", script), script


def test_no_variable_of_azure_pipelines_stands_inside_a_command_substitution(pipeline: dict[str, Any]) -> None:
    # `$(echo $(wheel))`: Azure Pipelines looks for a variable whose name ends at the first bracket.
    for script in scripts_of(pipeline):
        assert not re.search(r"\$\([^()]*\$\(", script), script


# What the pipelines do


def test_ci_checks_tests_with_coverage_and_publishes_the_wheel_and_the_function_app() -> None:
    ci = expand_file(PIPELINES / "hub-ci.yml")
    assert [step["artifact"] for step in steps_of(ci) if "publish" in step] == ["hub-wheel", "hub-function-app"]
    scripts = scripts_of(ci)
    assert "make check" in scripts
    assert {"run_tests.sh", "build_wheel.sh", "build_function_app.sh"} <= {call[0] for call in calls_of(ci)}
    tasks = {step["task"].partition("@")[0]: step for step in steps_of(ci) if "task" in step}
    results = "$(Agent.TempDirectory)/results"
    assert ["run_tests.sh", results] in calls_of(ci)
    assert tasks["PublishTestResults"]["inputs"]["testResultsFiles"] == f"{results}/junit.xml"
    assert tasks["PublishCodeCoverageResults"]["inputs"]["summaryFileLocation"] == f"{results}/coverage.xml"
    for name in ("PublishTestResults", "PublishCodeCoverageResults"):
        assert tasks[name]["condition"] == "succeededOrFailed()", "results of failed tests are what one wants to see"
    assert ci["trigger"]["paths"]["exclude"]
    for package in ("deltalake_hub", "hub_core", "spark_jobs", "ddl", "hubctl", "function_app", "infra"):
        assert package not in ci["trigger"]["paths"]["exclude"]


def test_only_a_new_version_on_main_starts_a_release_and_only_once_everything_passed() -> None:
    ci, release = (expand_file(PIPELINES / f"hub-{one}.yml") for one in ("ci", "release"))
    [mark] = [stage for stage in ci["stages"] if stage["stage"] == "mark"]
    assert mark["dependsOn"] == [stage["stage"] for stage in ci["stages"][:-1]]
    assert "refs/heads/main" in mark["condition"]
    [source] = release["resources"]["pipelines"]
    [script] = [one for one in scripts_of(mark) if "addbuildtag" in one]
    assert re.findall(r"addbuildtag\](\w+)", script) == source["trigger"]["tags"]
    assert release["trigger"] == "none"


def test_the_release_publishes_and_deploys_what_ci_built_and_builds_nothing() -> None:
    ci, release = (expand_file(PIPELINES / f"hub-{one}.yml") for one in ("ci", "release"))
    published = {step["artifact"] for step in steps_of(ci) if "publish" in step}
    downloaded = [(step["download"], step["artifact"]) for step in steps_of(release) if "download" in step]
    assert downloaded == [("ci", "hub-wheel"), *[("ci", "hub-wheel"), ("ci", "hub-function-app")] * 3]
    assert {artifact for _, artifact in downloaded} == published
    assert not any(call[0].startswith("build_") for call in calls_of(release))
    assert not re.search(r"\b(build|wheel \.)\b", " ".join(script for script in scripts_of(release)))
    deployments = [step for step in steps_of(release) if step.get("displayName") == "Deploy the loader's bundle"]
    assert [step["env"]["BUNDLE_VAR_wheel_build"] for step in deployments] == ["true"] * 3
    bundle = yaml.safe_load((ROOT / "infra" / "bundle" / "databricks.yml").read_text("utf-8"))
    for step in deployments:
        passed = {name.removeprefix("BUNDLE_VAR_") for name in step["env"] if name.startswith("BUNDLE_VAR_")}
        assert passed <= set(bundle["variables"])
        assert {name for name, one in bundle["variables"].items() if "default" not in one} <= passed


def test_the_release_works_on_the_commit_that_ci_built() -> None:
    release = expand_file(PIPELINES / "hub-release.yml")
    checkouts = [step for step in steps_of(release) if "checkout" in step]
    moved = [step for step in scripts_of(release) if "git checkout --detach" in step]
    assert len(checkouts) == len(moved) == 4
    assert all("$(resources.pipeline.ci.sourceCommit)" in one for one in moved)


def test_in_each_target_the_tables_come_first_then_the_bundle_then_the_function_app() -> None:
    release = expand_file(PIPELINES / "hub-release.yml")
    for stage in release["stages"][1:]:
        names = [step.get("displayName") for step in steps_of(stage)]
        order = ["Migrate the hub's tables", "Deploy the loader's bundle", "Deploy the function app"]
        assert [name for name in names if name in order] == order
    assert [script for script in scripts_of(release) if script == "hubctl migrate"] == ["hubctl migrate"] * 3


@pytest.mark.parametrize("of", ["hub", "spoke"])
def test_a_release_goes_to_dev_then_staging_then_prod_each_under_its_environments_approval(
    of: str, tmp_path: Path
) -> None:
    release = (
        expand_file(PIPELINES / "hub-release.yml")
        if of == "hub"
        else spoke(tmp_path, SPOKE_RELEASE, spokeName="falcon")
    )
    stages = [stage for stage in release["stages"] if stage["stage"] != "publish"]
    assert [stage["stage"] for stage in stages] == TARGETS
    # Without dependsOn a stage waits for the one before it.
    assert not any("dependsOn" in stage for stage in stages)
    assert [job["environment"] for stage in stages for job in stage["jobs"]] == [f"databricks-{one}" for one in TARGETS]
    for stage, target in zip(stages, TARGETS, strict=True):
        assert {"group": "databricks-secrets"} in stage["variables"]
        [deploy] = [call for call in calls_of(stage) if call[0] == "deploy_bundle.sh"]
        assert deploy[1] == target
        text = json.dumps(stage)
        assert f"$(DATABRICKS_HOST_{SUFFIX[target]})" in text
        others = {SUFFIX[one] for one in TARGETS} - {SUFFIX[target]}
        assert not any(f"_{other})" in text for other in others), "another environment's variable"


def _bundle_step(stage: dict[str, Any]) -> dict[str, Any]:
    [step] = [step for step in steps_of(stage) if "deploy_bundle.sh" in json.dumps(step)]
    return step


def test_by_default_a_spoke_is_deployed_by_workload_identity(tmp_path: Path) -> None:
    for stage in spoke(tmp_path, SPOKE_RELEASE, spokeName="falcon")["stages"]:
        step = _bundle_step(stage)
        assert step["task"] == "AzureCLI@2"
        assert step["inputs"]["azureSubscription"] == f"azure-{stage['stage']}"
        assert step["env"]["DATABRICKS_AUTH_TYPE"] == "azure-cli"
        assert "TOKEN" not in json.dumps(step["env"])


def test_where_a_secret_is_named_a_spoke_is_deployed_with_that_token(tmp_path: Path) -> None:
    targets = [
        {"targetEnvironment": one, "databricksTokenSecret": f"DATABRICKS_TOKEN_{SUFFIX[one]}"} for one in TARGETS
    ]
    for stage in spoke(tmp_path, SPOKE_RELEASE, spokeName="falcon", targets=targets)["stages"]:
        step = _bundle_step(stage)
        assert "task" not in step
        assert step["env"]["DATABRICKS_TOKEN"] == f"$(DATABRICKS_TOKEN_{SUFFIX[stage['stage']]})"
        assert step["env"]["DATABRICKS_AUTH_TYPE"] == "pat"


def test_the_same_choice_is_the_hubs_release_and_a_spokes_validation(tmp_path: Path) -> None:
    named = [{"targetEnvironment": "dev", "databricksTokenSecret": "DATABRICKS_TOKEN_DEV"}]
    for release, task in (
        (expand_file(PIPELINES / "hub-release.yml"), "AzureCLI@2"),
        (expand_file(PIPELINES / "hub-release.yml", {"targets": named}), None),
    ):
        [dev] = [stage for stage in release["stages"] if stage["stage"] == "dev"]
        assert _bundle_step(dev).get("task") == task
        [migrate] = [step for step in steps_of(dev) if step.get("displayName") == "Migrate the hub's tables"]
        assert migrate.get("task") == task
    for parameters, task in (({}, "AzureCLI@2"), ({"databricksTokenSecret": "DATABRICKS_TOKEN_DEV"}, None)):
        ci = spoke(tmp_path, SPOKE_CI, spokeName="falcon", **parameters)
        [step] = [step for step in steps_of(ci) if "bundle validate" in json.dumps(step)]
        assert step.get("task") == task


def test_a_spokes_ci_tests_validates_and_checks_its_feeds_before_its_bundle_is_published(tmp_path: Path) -> None:
    ci = spoke(tmp_path, SPOKE_CI, spokeName="falcon")
    scripts = scripts_of(ci)
    order = ["pip install", "run_tests.sh", "hubctl config check", "databricks bundle validate -t", "git archive"]
    places = [next(place for place, script in enumerate(scripts) if part in script) for part in order]
    assert places == sorted(places)
    last = list(steps_of(ci))[-1]
    assert last["artifact"] == "spoke-falcon"
    assert any(step.get("task") == "PipAuthenticate@1" for step in steps_of(ci))
    assert any(step.get("task") == "PublishTestResults@2" for step in steps_of(ci))


def test_a_spokes_release_takes_cis_bundle_and_puts_its_csv_last_after_a_check(tmp_path: Path) -> None:
    for stage in spoke(tmp_path, SPOKE_RELEASE, spokeName="falcon")["stages"]:
        [download] = [step for step in steps_of(stage) if "download" in step]
        assert download == {"download": "ci", "artifact": "spoke-falcon"}
        scripts = scripts_of(stage)
        order = ["hubctl config check", "deploy_bundle.sh", "publish_config.sh"]
        places = [next(place for place, script in enumerate(scripts) if part in script) for part in order]
        assert places == sorted(places)
        assert places[-1] == len(scripts) - 1
        [put] = [call for call in calls_of(stage) if call[0] == "publish_config.sh"]
        assert put[1:] == ["$(config)", "falcon", f"$(HUB_CONFIG_ROOT_{SUFFIX[stage['stage']]})"]
        variables = {one["name"]: one["value"] for one in stage["variables"] if "name" in one}
        assert variables["config"] == "$(bundle)/configs/bronze/falcon_config.csv"
        assert variables["bundle"] == "$(Pipeline.Workspace)/ci/spoke-falcon"


def test_one_target_alone_may_go_its_own_way(tmp_path: Path) -> None:
    release = spoke(
        tmp_path, SPOKE_RELEASE, spokeName="eagle", targetEnvironment="prod", adoEnvironment="eagle-prod",
        databricksHost="https://adb-1.2.azuredatabricks.net", azureServiceConnection="eagle-connection",
        hubConfigRoot="abfss://c@a.dfs.core.windows.net/", bundleVariables={"service_principal": "some-id"},
        configPath="feeds.csv",
    )  # fmt: skip
    [stage] = release["stages"]
    assert stage["jobs"][0]["environment"] == "eagle-prod"
    step = _bundle_step(stage)
    assert step["env"]["DATABRICKS_HOST"] == "https://adb-1.2.azuredatabricks.net"
    assert step["env"]["BUNDLE_VAR_service_principal"] == "some-id"
    assert step["inputs"]["azureSubscription"] == "eagle-connection"
    [put] = [call for call in calls_of(stage) if call[0] == "publish_config.sh"]
    assert put[-1] == "abfss://c@a.dfs.core.windows.net/"
    assert "$(bundle)/feeds.csv" in json.dumps(stage["variables"])


def test_the_version_of_the_hub_in_a_spoke_is_its_own_pin_unless_one_is_given(tmp_path: Path) -> None:
    for parameters, requirement in (({}, "deltalake-hub[cli]"), ({"hubVersion": "0.4.2"}, "deltalake-hub[cli]==0.4.2")):
        for text in (SPOKE_CI, SPOKE_RELEASE):
            document = spoke(tmp_path, text, spokeName="eagle", **parameters)
            installs = [step for step in steps_of(document) if "pip install -r" in step.get("bash", "")]
            assert {step["env"]["HUB"] for step in installs} == {requirement}
            assert all("requirements.txt" in step["bash"] for step in installs)


# Names


def test_names_are_the_ones_that_teams_look_for_in_files_and_docs() -> None:
    yaml_text = "\n".join(file.read_text("utf-8") for file in FILES)
    for name in ("deltalake-artifacts", "databricks-secrets"):
        assert name in yaml_text
    assert {"ado-artifacts", "ado-pat"} <= set(
        re.findall(r"ado-\w+", (SCRIPTS / "configure_pip.sh").read_text("utf-8"))
    )
    names = ["deltalake-artifacts", "databricks-secrets", "ado-artifacts", "ado-pat", "hub-wheel", "spoke-falcon"]
    names += [f"databricks-{one}" for one in TARGETS]
    names += [f"{name}_{suffix}" for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN") for suffix in SUFFIX.values()]
    for name in names:
        assert f"`{name}`" in AZURE_DEVOPS, name


def test_every_variable_and_service_connection_of_the_pipelines_is_in_the_checklist_and_no_other(
    tmp_path: Path,
) -> None:
    tokens = [{"targetEnvironment": one, "databricksTokenSecret": f"DATABRICKS_TOKEN_{SUFFIX[one]}"} for one in TARGETS]
    documents = [expand_file(PIPELINES / "hub-ci.yml"), expand_file(PIPELINES / "hub-release.yml")]
    documents += [expand_file(PIPELINES / "hub-release.yml", {"targets": tokens})]
    documents += [spoke(tmp_path, text, spokeName="falcon") for text in (SPOKE_CI, SPOKE_RELEASE)]
    text = json.dumps(documents)
    variables = set(re.findall(r"\$\(([A-Z][A-Z_]+_(?:DEV|STG|PRD))\)", text))
    assert variables == set(re.findall(r"`([A-Z][A-Z_]+_(?:DEV|STG|PRD))`", AZURE_DEVOPS))
    connections = set(re.findall(r"\"azure-(?:dev|staging|prod)\"", text))
    assert {one.strip('"') for one in connections} == set(re.findall(r"`(azure-(?:dev|staging|prod))`", AZURE_DEVOPS))
