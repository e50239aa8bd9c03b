"""A message whose planning fails five times for a reason that nobody foresaw."""

import json
import time
from pathlib import Path

from hub_core.hub import Hub
from hub_core.model import LoadState
from local_stack.toolchain import PROJECT
from tests.e2e.service import Service
from tests.outages.behind import Behind
from tests.outages.test_loads import FILES, ROWS, accepted, configured

UNFORESEEN = Path(__file__).parent / "unforeseen"


def impatient_app(directory: Path) -> Path:
    """The app, whose failed messages come back after a second rather than half a minute."""
    directory.mkdir()
    for name in ("function_app.py", "function_app"):
        (directory / name).symlink_to(PROJECT / name)
    settings = json.loads((PROJECT / "host.json").read_text())
    settings["extensions"]["queues"]["visibilityTimeout"] = "00:00:01"
    (directory / "host.json").write_text(json.dumps(settings))
    return directory


def test_a_poisoned_load_is_failed_with_the_reason_and_its_files_load_with_the_next_request(
    calm: Behind, hub: Hub, service: Service, tmp_path: Path
) -> None:
    """Bound: 60 s until it is FAILED; the next reconcile releases its claims."""
    configured(service, "poisoned")
    calm.start_host(impatient_app(tmp_path / "app"), PYTHONPATH=f"{UNFORESEEN}:{PROJECT}")
    start = time.monotonic()
    failed = service.ended(service.post()["id"], 60)
    print(f"FAILED after {time.monotonic() - start:.0f} s")
    calm.processes.kill("functions")
    assert (failed["state"], failed["error"]["code"]) == ("FAILED", "POISONED")
    assert {row["load_status"] for row in service.tracker_rows("poisoned")} == {"CLAIMED"}
    assert service.runs_of(failed["id"]) == []
    hub.reconcile()
    assert not calm.load(failed["id"]).claims_open
    assert {file.error_code for file in hub.files(failed["id"])[0]} == {"RELEASED"}
    again = accepted(hub, service)
    calm.work(hub, calm.final(again.id), 60)
    loaded = calm.load(again.id)
    assert loaded.state is LoadState.SUCCESS
    rows = [row for row in service.tracker_rows("poisoned") if row["load_status"] == "SUCCESS"]
    assert {row["batch_id"] for row in rows} == {again.id}
    assert service.bronze_count("poisoned") == FILES * ROWS
