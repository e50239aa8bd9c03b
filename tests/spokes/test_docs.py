"""docs/spokes.md: its commands are run, those that need Azure are marked."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hub_core.feeds import parse_config
from tests.spokes.run import FALCON

PROJECT = FALCON.parents[1]
PAGE = (PROJECT / "docs" / "spokes.md").read_text("utf-8")
HEADER = (FALCON / "configs" / "bronze" / "falcon_config.csv").read_text("utf-8").splitlines()[0]


def blocks(language: str) -> list[tuple[str, bool]]:
    """The fenced blocks of a language, without their indentation, and whether `Needs Azure.` stands before each."""
    found = re.finditer(rf"(Needs Azure\.\s+)?^( *)```{language}\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    return [(re.sub(rf"^{match[2]}", "", match[3], flags=re.MULTILINE), bool(match[1])) for match in found]


def test_its_commands_work_as_they_stand(tmp_path: Path) -> None:
    shutil.copytree(FALCON, tmp_path / "examples" / "spoke_falcon", ignore=shutil.ignore_patterns("__pycache__"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # Without Java the new spoke's tests of silver and gold are skipped; others run those on the stack's Spark.
    environment = {"PATH": path, "HOME": str(tmp_path), "JAVA_HOME": str(tmp_path / "no-java")}
    here = [text for text, needs_azure in blocks("sh") if not needs_azure]
    assert len(here) == 2
    for text in here:
        script = ["bash", "-euo", "pipefail", "-c", text]
        answer = subprocess.run(
            script, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert answer.returncode == 0, f"{text}\n{answer.stdout}{answer.stderr}"
    assert (tmp_path / "eagle" / "databricks.yml").is_file()


def test_what_needs_azure_is_said_to() -> None:
    for text, needs_azure in blocks("sh"):
        assert needs_azure == bool(re.search(r"^(databricks|az|hubctl load) ", text, re.MULTILINE)), text


def test_its_row_is_a_feed() -> None:
    ((row, _),) = blocks("csv")
    root = "abfss://raw@acct.dfs.core.windows.net/"
    parsed = parse_config(f"{HEADER}\n{row}", lob="falcon", catalog="dev", allowed_roots=[root])
    assert parsed.errors == ()
    assert len(parsed.feeds) == 1


def test_its_options_are_those_of_the_command() -> None:
    told = set(re.findall(r"^ *\| `(--[\w-]+)", PAGE, re.MULTILINE))
    command = [sys.executable, "-m", "hubctl.main", "spoke", "new", "--help"]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert told == set(re.findall(r"--[\w-]+", said)) - {"--help", "--json"}


def test_what_notebooks_import_is_there() -> None:
    ((imports, _),) = blocks("python")
    subprocess.run([sys.executable, "-c", imports], check=True)
