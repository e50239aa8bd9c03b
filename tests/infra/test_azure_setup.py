"""docs/azure-setup.md: whatever it names is there, and the grants are the least that work."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from hubctl.main import app
from tests.infra.bicep import INFRA, bicep_files, parameter_files, strings, text
from tests.infra.bundle import GIVEN, read

ROOT = INFRA.parent
PAGE = (ROOT / "docs" / "azure-setup.md").read_text("utf-8")
BLOCKS = re.findall(r"([^\n]*)\n```(\w*)\n(.*?)```", PAGE, re.DOTALL)
MARK = "Needs Azure."
COMMANDS = "".join(block for _, language, block in BLOCKS if language != "sql")
STATEMENTS = [
    statement.strip()
    for _, language, block in BLOCKS
    if language == "sql"
    for statement in block.split(";")
    if statement.strip()
]
GRANTS = {
    "SERVICE": {
        ("CATALOG dev", "USE CATALOG"), ("SCHEMA dev.bronze_metadata", "USE SCHEMA, SELECT, MODIFY"),
        ("SCHEMA dev.falcon_bronze", "USE SCHEMA, SELECT"),
    },
    "LOADER": {
        ("CATALOG dev", "USE CATALOG"), ("SCHEMA dev.bronze_metadata", "USE SCHEMA, SELECT, MODIFY"),
        ("SCHEMA dev.falcon_bronze", "USE SCHEMA, CREATE TABLE, SELECT, MODIFY"),
        ("EXTERNAL LOCATION landing", "READ FILES"),
    },
    "RELEASE": {
        ("CATALOG dev", "USE CATALOG"), ("SCHEMA dev.bronze_metadata", "USE SCHEMA, CREATE TABLE, SELECT, MODIFY"),
    },
    "SPOKE": {
        ("CATALOG dev", "USE CATALOG"), ("SCHEMA dev.falcon_bronze", "USE SCHEMA, SELECT"),
        ("SCHEMA dev.falcon_silver", "USE SCHEMA, CREATE TABLE, SELECT, MODIFY"),
        ("SCHEMA dev.falcon_gold", "USE SCHEMA, CREATE TABLE, SELECT, MODIFY"),
        ("SCHEMA dev.bronze_metadata", "USE SCHEMA, SELECT, MODIFY"),
        ("SCHEMA dev.falcon_bronze", "CREATE TABLE, MODIFY"), ("EXTERNAL LOCATION landing_falcon", "READ FILES"),
    },
}  # fmt: skip
"""What each principal is given, and nothing else: docs/security.md says why."""


def test_a_block_that_is_not_marked_runs_as_it_stands(tmp_path: Path) -> None:
    tried = [block for before, _, block in BLOCKS if before != MARK]
    assert len(tried) == 1
    done = subprocess.run(
        ["bash", "-euc", f"{tried[0]}\nenv"], env={"PATH": os.environ["PATH"]}, cwd=tmp_path, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    there = set(re.findall(r"^(\w+)=", done.stdout, re.MULTILINE))
    for name in ("dev.bicepparam", "staging.bicepparam"):
        # With a second argument the variable may be missing.
        read_ = set(re.findall(r"readEnvironmentVariable\('(\w+)'\)", text(parameter_files()[name].root)))
        assert read_
        assert read_ <= there


def test_azd_is_given_what_its_parameters_read() -> None:
    wanted = set(re.findall(r"readEnvironmentVariable\('(\w+)'\)", text(parameter_files()["main.bicepparam"].root)))
    given = set(re.findall(r"azd env set (\w+)", COMMANDS))
    # azd asks for these itself.
    assert wanted - {"AZURE_ENV_NAME", "AZURE_LOCATION"} <= given


def test_the_files_that_commands_name_are_there() -> None:
    named = set(re.findall(r"(?<![\w/])(?:infra|scripts)/[\w./-]+", COMMANDS + PAGE))
    assert {"infra/main.bicep", "scripts/deploy_bundle.sh"} <= named
    assert [name for name in named if not (ROOT / name.rstrip(".")).exists()] == []


def test_the_commands_of_hubctl_are_there_with_their_options() -> None:
    called = re.findall(r"hubctl (\w+)([^\n]*)", COMMANDS)
    assert {name for name, _ in called} == {"migrate", "load"}
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, options in called:
        known = {one for parameter in commands[name].params for one in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= known
    assert CliRunner().invoke(app, ["migrate", "--help"]).exit_code == 0


def test_parameters_and_outputs_that_are_named_are_those_of_the_template() -> None:
    main = bicep_files()["main.bicep"]
    choices = PAGE.split("Choices:")[1].split("With azd")[0]
    named = {
        name for row in re.findall(r"^\| ([^|]*) \|", choices, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert len(named) >= 7
    assert named <= set(main.of_kind("param"))
    assert set(re.findall(r"properties\.outputs\.(\w+)\.value", COMMANDS)) <= set(main.outputs)


def test_queues_and_containers_are_those_that_are_made() -> None:
    storage = bicep_files()["modules/storage.bicep"]
    made = PAGE.split("What is made:")[1].split("Log Analytics")[0]
    names = {*strings(storage.declarations["queues"].node), *strings(storage.declarations["containers"].node)}
    assert set(re.findall(r"`([a-z-]+)`", made)) == names


def test_jobs_and_variables_of_the_bundle_are_those_that_there_are() -> None:
    bundle = read()
    assert set(re.findall(r"^\| `(\w+)` \| [A-Zt]", PAGE.split("## 3")[1], re.MULTILINE)) == set(
        bundle["resources"]["jobs"]
    )
    named = set(re.findall(r"BUNDLE_VAR_(\w+)", PAGE))
    assert set(GIVEN) <= named <= set(bundle["variables"])
    [job] = re.findall(r"\.resources\.jobs\.(\w+)\.id", COMMANDS)
    assert job in bundle["resources"]["jobs"]


def test_each_principal_comes_to_the_workspace_before_it_is_granted_anything() -> None:
    made = re.findall(r"service-principals create[^$]*\$(\w+)", COMMANDS)
    assert set(made) == {"SERVICE", "LOADER", "RELEASE"}
    assert PAGE.index("service-principals create") < PAGE.index("GRANT ")


def test_a_caller_behind_entra_is_told_of_the_variable_that_hubctl_reads() -> None:
    shell = (ROOT / "hubctl" / "shell.py").read_text("utf-8")
    [variable] = re.findall(r'os\.environ\.get\("(\w+)"\)', shell)
    assert f'export {variable}=$(az account get-access-token --resource "api://$HUB_ENTRA_CLIENT_ID"' in COMMANDS
    assert "'api://${entraClientId}'" in text(bicep_files()["modules/function-app.bicep"].root)


@pytest.mark.parametrize("principal", GRANTS)
def test_a_principal_is_granted_what_it_needs_and_no_more(principal: str) -> None:
    found = set()
    for statement in STATEMENTS:
        match = re.fullmatch(r"GRANT ([A-Z, ]+) ON (CATALOG|SCHEMA|EXTERNAL LOCATION) ([\w.]+) TO `(\w+)`", statement)
        if match is None:
            assert re.fullmatch(r"CREATE SCHEMA IF NOT EXISTS dev\.\w+", statement), statement
        elif match[4] == principal:
            found.add((f"{match[2]} {match[3]}", match[1]))
    assert found == GRANTS[principal]


def test_nobody_owns_or_manages_by_a_grant() -> None:
    principals = {name for statement in STATEMENTS for name in re.findall(r"TO `(\w+)`", statement)}
    assert principals == set(GRANTS)
    assert not re.search(r"ALL PRIVILEGES|MANAGE\b|WRITE FILES", "\n".join(STATEMENTS))
