"""Planning 20,000 blobs against a tracker of 200,000 rows: time, statements, memory."""

import dataclasses
import time
from datetime import datetime

from azure.storage.blob import BlobServiceClient

from benchmarks.bench import FINAL, LOB, Bench, BenchFeed, CountingSql
from benchmarks.memory import peak_memory_mb
from benchmarks.results import Result, at_most, told
from hub_core.hub import Hub
from hub_core.load import Load, new_id
from hub_core.messages import LoadMessage
from hub_core.model import Trigger
from hub_core.paths import parse_abfss
from hub_core.request import LoadRequest
from hub_core.tracker import SqlTracker

FILES = 20_000
TRACKED = 200_000


def measure(bench: Bench) -> list[Result]:
    """The figures; the runs that planning submits are canceled, as loading is measured elsewhere."""
    with bench.lap(f"upload of {FILES:,} blobs"):
        bench.upload("many", ((f"d_{number:06d}.csv", b"id\n1\n") for number in range(FILES)))
        bench.upload("few", ((f"d_{number:06d}.csv", b"id\n1\n") for number in range(20)))
    bench.configure([BenchFeed("many", "many"), BenchFeed("many_again", "many", "d_*.csv"), BenchFeed("few", "few")])
    with bench.lap(f"a tracker of {TRACKED:,} rows"):
        _fill_tracker(bench)
    place = parse_abfss(bench.folder("many"))
    service = BlobServiceClient.from_connection_string(bench.stack.storage_connection_string)
    with bench.lap("bare listing"):
        blobs = service.get_container_client(place.container).list_blobs(name_starts_with=f"{place.name}/")
        listed = sum(1 for _ in blobs)
    functions = bench.stack.pid("functions")
    before = peak_memory_mb(functions)
    load = _planned(bench, "many")
    memory = peak_memory_mb(functions)
    planning = (_moment(load["submitted_at"]) - _moment(load["created_at"])).total_seconds()
    statements = {name: _statements(bench, name) for name in ("few", "many_again")}
    bare = bench.laps["bare listing"]
    return [
        told("planning: blobs (Azurite in memory)", listed, "blobs"),
        told("planning: files claimed", load["files"]["total"], "files"),
        told("planning: tracker before", TRACKED, "rows"),
        told("planning: bare listing", bare, "s"),
        at_most("planning: POST to submitted", planning, "s", 2 * bare + 6),
        told("planning: statements for 20 files", statements["few"], "statements"),
        at_most("planning: statements for 20,000 files", statements["many_again"], "statements", statements["few"]),
        told("planning: the function process before", before, "MB"),
        at_most("planning: the function process at most", memory, "MB", 300),
    ]


def _fill_tracker(bench: Bench) -> None:
    bench.spark.sql(
        f"""
        INSERT INTO bronze_metadata.load_tracker (tracker_id, lob, category, subcategory, file_name, source_path,
            dest_table, load_status, load_timestamp, batch_id, row_count, config_id, file_etag, file_size,
            file_modified, attempt, updated_ts)
        SELECT md5(cast(id AS string)), 'falcon', 'bench', 'old', concat(id, '.csv'),
            concat('{bench.folder("old")}/', id, '.csv'), 'spark_catalog.falcon_bronze.old', 'SUCCESS',
            current_timestamp(), md5(cast(id DIV 1000 AS string)), 10, md5('old'), hex(id), 100, current_timestamp(), 1,
            current_timestamp()
        FROM range({TRACKED})
        """  # noqa: S608 — a folder of the benchmark's own
    )


def _planned(bench: Bench, subcategory: str) -> dict[str, object]:
    answer = bench.http.post("/api/loads", json={"lob": LOB, "subcategory": subcategory})
    answer.raise_for_status()
    load: dict[str, object] = answer.json()
    while load["submitted_at"] is None and load["state"] not in FINAL:
        time.sleep(0.2)
        load = bench.http.get(f"/api/loads/{load['id']}").json()
    _cancel(bench, load["run_id"])
    bench.console.print(f"  planned {load['files']}")
    return load


def _statements(bench: Bench, subcategory: str) -> int:
    """SQL statements of one load from its message to its submitted run."""
    counting = CountingSql(bench.sql)
    tracker = SqlTracker(counting, bench.stack.catalog)
    hub: Hub = dataclasses.replace(bench.hub, planner=dataclasses.replace(bench.hub.planner, tracker=tracker))
    now = hub.planner.clock()
    load = Load(
        id=new_id(now),
        lob=LOB,
        trigger=Trigger.REQUEST,
        request=LoadRequest(lob=LOB, subcategory=subcategory),
        created_at=now,
        updated_at=now,
    )
    hub.planner.loads.insert(load)
    hub.plan(LoadMessage(load_id=load.id).to_json())
    _cancel(bench, hub.get(load.id).run_id)
    return counting.statements


def _cancel(bench: Bench, run_id: object) -> None:
    bench.workspace.jobs.cancel_run(int(str(run_id)))


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text))
