"""Two stacks on one machine know nothing of each other; the other is a new spoke's, as its user would start it."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_stack.stack import STACK_FILE, Addresses
from tests.e2e.service import Service, service_on

pytestmark = pytest.mark.stack

HUBCTL = Path(sys.executable).with_name("hubctl")
START_SECONDS = 240


@contextmanager
def up(state: Path, spoke: Path) -> Iterator[Addresses]:
    """`hubctl up --spoke`, until its end here."""
    log = state.with_suffix(".log")
    with log.open("wb") as output:
        command = [HUBCTL, "up", "--state-dir", state, "--spoke", spoke]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (state / STACK_FILE).exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield Addresses(**json.loads((state / STACK_FILE).read_text()))
    finally:
        process.terminate()  # an interrupt is ignored by what a shell has started behind its back
        try:
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()


def test_a_new_spoke_on_a_stack_of_its_own_loads_a_file_and_another_stack_knows_nothing_of_it(
    service: Service, tmp_path: Path
) -> None:
    lob = service.lob
    subprocess.run([HUBCTL, "spoke", "new", lob, "--output-dir", tmp_path], check=True, capture_output=True)
    sample = tmp_path / lob / "tests" / "data" / "orders_2025-01-15.csv"
    rows = len(sample.read_text().splitlines()) - 1
    with up(tmp_path / "stack", tmp_path / lob) as addresses, service_on(addresses) as other:
        other.lob = lob
        assert addresses.function_key != service.stack.function_key
        service.configure(service.row("orders"))
        service.land("orders", "mine.csv", "id\n1\n")
        other.land("sales/orders", sample.name, sample.read_bytes())
        mine, theirs = service.post(), other.post(begin_date="2025-01-15")
        done = other.ended(theirs["id"])
        assert (done["state"], done["rows"]["loaded"]) == ("SUCCESS", rows)
        assert [file["file_name"] for file in other.files(theirs["id"])] == [sample.name]
        # By the spoke's own job, whose later tasks are none of the load's business.
        [row] = other.query(f"SELECT count(*) AS n FROM `{lob}_bronze`.`orders`")  # noqa: S608 — a name made here
        assert row["n"] == rows
        assert other.runs_of(theirs["id"]) == []
        assert [file["file_name"] for file in service.files(service.ended(mine["id"])["id"])] == ["mine.csv"]
        assert service.http.get(f"/api/loads/{theirs['id']}").status_code == 404
        assert other.http.get(f"/api/loads/{mine['id']}").status_code == 404
    shutil.rmtree(tmp_path / "stack")
