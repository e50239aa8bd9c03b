"""Which Chromium the page's tests run in, and where it comes from."""

import os
from pathlib import Path

import pytest

from local_stack import chromium
from local_stack.toolchain import ToolchainError


@pytest.fixture
def bin_(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only directory on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, script: str = "") -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_one_on_path_is_taken_and_nothing_is_fetched(bin_: Path) -> None:
    program(bin_ / "apt-get", "exit 1")
    chrome = program(bin_ / "google-chrome")
    said: list[str] = []
    chromium.fetch(said.append)
    assert chromium.chromium() == chrome
    assert said == [f"chromium: {chrome}"]


def test_root_has_it_installed_where_there_is_none(bin_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    log = bin_ / "log"
    made = f'case "$*" in *install*) echo > {bin_}/chromium; /bin/chmod 755 {bin_}/chromium;; esac'
    program(bin_ / "apt-get", f'echo "$*" >> {log}; {made}')
    chromium.fetch(lambda _: None)
    update, install = log.read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends chromium fonts-dejavu-core")
    assert chromium.chromium() == bin_ / "chromium"


def test_without_it_and_without_the_right_to_install_it_the_remedy_is_named(
    bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bin_ / "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolchainError, match="install Chromium or Google Chrome"):
        chromium.fetch(lambda _: None)


def test_an_install_that_fails_is_quoted(
    bin_: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(bin_ / "apt-get", "echo no route to host; exit 100")
    assert chromium.main() == 1
    assert "apt-get update ended with 100:\n  | no route to host" in capsys.readouterr().err
