"""docs/spokes.md says what is so; its commands are run by tests/unit/test_docs_commands.py."""

import os
import re
import subprocess
import sys

from hub_core.feeds import parse_config
from tests.spokes.run import FALCON

PROJECT = FALCON.parents[1]
PAGE = (PROJECT / "docs" / "spokes.md").read_text("utf-8")
HEADER = (FALCON / "configs" / "bronze" / "falcon_config.csv").read_text("utf-8").splitlines()[0]


def block(language: str) -> str:
    """The only fenced block of a language, without its indentation."""
    (found,) = re.finditer(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    return re.sub(rf"^{found[1]}", "", found[2], flags=re.MULTILINE)


def test_its_row_is_a_feed() -> None:
    root = "abfss://raw@acct.dfs.core.windows.net/"
    parsed = parse_config(f"{HEADER}\n{block('csv')}", lob="falcon", catalog="dev", allowed_roots=[root])
    assert parsed.errors == ()
    assert len(parsed.feeds) == 1


def test_its_options_are_those_of_the_command() -> None:
    told = set(re.findall(r"^ *\| `(--[\w-]+)", PAGE, re.MULTILINE))
    command = [sys.executable, "-m", "hubctl.main", "spoke", "new", "--help"]
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert told == set(re.findall(r"--[\w-]+", said)) - {"--help", "--json"}


def test_what_notebooks_import_is_there() -> None:
    subprocess.run([sys.executable, "-c", block("python")], check=True)
