"""The runbook's commands, run as they stand, on a load that went wrong; and its SQL on the hub's tables."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.service import Service

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)


@pytest.fixture(scope="module")
def failed(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the runbook's blocks name, and where the service is."""
    service.configure(service.row("runbook"))
    service.land("runbook", "good.csv")
    service.land("runbook", "torn.csv", "id,name\n1\n")
    load = service.ended(service.post()["id"])
    assert load["state"] == "PARTIAL"
    config = tmp_path_factory.mktemp("runbook") / f"{service.lob}_config.csv"
    config.write_text("lob,category\n")
    programs = Path(sys.executable).parent
    return {
        "LOAD_ID": load["id"],
        "LOB": service.lob,
        "CONFIG": str(config),
        "HUB_URL": service.stack.functions_url,
        "HUB_KEY": service.stack.function_key,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_commands_runs_as_it_stands(failed: dict[str, str], number: int) -> None:
    done = subprocess.run(
        ["bash", "-euc", BLOCKS[number]], env={**os.environ, **failed}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_the_hubs_tables_are_kept_small_by_the_sql_that_is_shown(service: Service) -> None:
    [block] = re.findall(r"```sql\n(.*?)```", RUNBOOK, re.DOTALL)
    statements = [one.strip() for one in block.split(";") if one.strip()]
    assert len(statements) == 6
    for statement in statements:
        service.query(statement)


def test_every_code_that_the_runbook_names_is_explained() -> None:
    explained = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", RUNBOOK)) - {
        "FAILED", "QUARANTINED", "ACCEPTED", "SUBMITTING", "RUNNING", "VACUUM", "OPTIMIZE",
        "HUB_OVERDUE_HOURS", "HUB_SWEEP_LOADS", "HUB_LOOKBACK_DAYS", "HUB_KEEP_LOADS_DAYS", "LOAD_ID",
    }  # fmt: skip
    assert {code for code in named if f"`{code}`" not in explained} == set()
