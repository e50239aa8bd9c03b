"""The init script writes pip's configuration, and the token nowhere else."""

import os
import stat
import subprocess
from pathlib import Path

from conftest import ROOT

FEED = "https://pkgs.example.com/company/_packaging/deltalake-artifacts/pypi/simple/"
TOKEN = "not-a-token-but-secret"


def run(config: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(config.parent), "PIP_CONFIG_FILE": str(config)}
    environment = {"PATH": os.environ["PATH"], **home, **variables}
    command = ["bash", *options, str(ROOT / "scripts" / "configure_pip.sh")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_pip_is_signed_in_to_the_feed_and_to_nothing_else(tmp_path: Path) -> None:
    answer = run(tmp_path / "pip.conf", HUB_FEED_URL=FEED, ADO_PAT=TOKEN)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "pip.conf").read_text() == f"[global]\nindex-url = {FEED}\n"
    netrc = tmp_path / ".netrc"
    assert netrc.read_text() == f"machine pkgs.example.com login build password {TOKEN}\n"
    assert stat.S_IMODE(netrc.stat().st_mode) == 0o600


def test_the_token_is_not_printed_even_while_bash_traces(tmp_path: Path) -> None:
    answer = run(tmp_path / "pip.conf", "-x", HUB_FEED_URL=FEED, ADO_PAT=TOKEN)
    assert answer.returncode == 0
    assert FEED in answer.stdout
    assert TOKEN not in answer.stdout + answer.stderr


def test_without_token_or_feed_the_cluster_does_not_start(tmp_path: Path) -> None:
    for variables in ({"HUB_FEED_URL": FEED}, {"ADO_PAT": TOKEN}, {"HUB_FEED_URL": "feed", "ADO_PAT": TOKEN}):
        answer = run(tmp_path / "pip.conf", **variables)
        assert answer.returncode != 0
        assert TOKEN not in answer.stdout + answer.stderr
        assert not (tmp_path / "pip.conf").exists()
