"""Scripts as a pipeline runs them, in a process of their own, and stand-ins for programs that only Azure answers."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
# Records one call as a line of JSON. `fail` beside it holds words: a call with one of them among its arguments fails.
_RECORDER = """#!{python}
import json, os, sys
from pathlib import Path
here = Path(__file__)
with here.with_suffix(".calls").open("a") as calls:
    print(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}), file=calls)
answer = here.with_suffix(".answer")
if answer.exists():
    print(answer.read_text())
fail = here.with_suffix(".fail")
sys.exit(7 if fail.exists() and set(fail.read_text().split()) & set(sys.argv[1:]) else 0)
"""


@dataclass(frozen=True)
class Call:
    """One call of a recorded program."""

    argv: list[str]
    env: dict[str, str]
    cwd: str


class Recorded:
    """A program on PATH that does nothing but record how it was called."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(exist_ok=True)
        self.program = folder / name
        self.program.write_text(_RECORDER.format(python=sys.executable))
        self.program.chmod(0o755)

    def fails_with(self, *words: str) -> None:
        """From now on, a call with one of these arguments exits with 7."""
        self.program.with_suffix(".fail").write_text(" ".join(words))

    def answers(self, text: str) -> None:
        """From now on, each call prints this."""
        self.program.with_suffix(".answer").write_text(text)

    @property
    def calls(self) -> list[Call]:
        """All calls so far."""
        file = self.program.with_suffix(".calls")
        return [Call(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def run(
    script: str | Path,
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    path: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a script of `scripts/`, or another; programs in `path` come first."""
    first = f"{path}:" if path else ""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DATABRICKS_", "UV_PUBLISH_"))},
        "PATH": f"{first}{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        **(env or {}),
    }
    return subprocess.run(
        ["bash", str(SCRIPTS / script), *map(str, arguments)],
        cwd=cwd or ROOT,
        input=stdin,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
