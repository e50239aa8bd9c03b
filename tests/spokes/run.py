"""A spoke's own tests, run as its CI runs them: in its folder, by a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

FALCON = Path(__file__).parents[2] / "examples" / "spoke_falcon"


def spoke_tests(folder: Path, *options: str, **variables: str) -> str:
    """What pytest said at the end; AssertionError with all it said unless every test passed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HUB_", "COV"))}
    answer = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.strip().splitlines()[-1]
