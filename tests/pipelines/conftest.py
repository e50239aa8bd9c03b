"""The wheel is built once for all tests of this folder."""

from pathlib import Path

import pytest

from tests.pipelines.processes import run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as scripts/build_wheel.sh builds it."""
    done = run("build_wheel.sh", tmp_path_factory.mktemp("wheel"))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
