"""Chromium, for the tests of the operators' page: the one on PATH, or Debian's package.

`python -m local_stack.chromium` (the last part of `make setup`) installs it where there is none; the service, the
stack and the demo do without.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local_stack.toolchain import ToolchainError, told

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The package depends on no font; without any, a page is boxes.
PACKAGES = ("chromium", "fonts-dejavu-core")
REMEDY = "install Chromium or Google Chrome (Debian: apt-get install chromium), then run `make setup` again"


def chromium() -> Path:
    """The machine's Chromium; raises ToolchainError, with the remedy, where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise ToolchainError(f"there is no {', '.join(NAMES)} on PATH: {REMEDY}")


def fetch(say: Callable[[str], None] = print) -> None:
    """Install Chromium where there is none, which takes root and apt-get."""
    try:
        program = chromium()
    except ToolchainError:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise
        say("chromium: apt-get install, about a minute")
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *PACKAGES)
        program = chromium()
    say(f"chromium: {program}")


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ran = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ran.returncode:
        tail = "\n".join(f"  | {line}" for line in ran.stdout.splitlines()[-25:])
        raise ToolchainError(f"apt-get {arguments[0]} ended with {ran.returncode}:\n{tail}\n{REMEDY}")


def main() -> int:
    """Fetch it; the exit code."""
    return told(fetch)


if __name__ == "__main__":
    sys.exit(main())
