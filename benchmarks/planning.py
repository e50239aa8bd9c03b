"""Planning 20,000 blobs against a tracker of 200,000 rows: time, statements, memory."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from azure.storage.blob import BlobServiceClient

from benchmarks.bench import FINAL, LOB, Bench, BenchFeed, CountingSql
from benchmarks.listing import ETAG, MODIFIED, SIZE
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
        fill_tracker(bench, "old", TRACKED)
    place = parse_abfss(bench.folder("many"))
    service = BlobServiceClient.from_connection_string(bench.stack.storage_connection_string)
    with bench.lap("bare listing"):
        blobs = service.get_container_client(place.container).list_blobs(name_starts_with=f"{place.name}/")
        listed = sum(1 for _ in blobs)
    functions = bench.stack.pid("functions")
    before = peak_memory_mb(functions)
    load = submitted(bench, subcategory="many")
    memory = peak_memory_mb(functions)
    cancel(bench, load)
    statements = {name: _statements(bench, name) for name in ("few", "many_again")}
    bare = bench.laps["bare listing"]
    return [
        told("planning: blobs (Azurite in memory)", listed, "blobs"),
        told("planning: files claimed", load["files"]["total"], "files"),
        told("planning: tracker before", TRACKED, "rows"),
        told("planning: bare listing", bare, "s"),
        at_most("planning: POST to submitted", planning_seconds(load), "s", 2 * bare + 6),
        told("planning: statements for 20 files", statements["few"], "statements"),
        at_most("planning: statements for 20,000 files", statements["many_again"], "statements", statements["few"]),
        told("planning: the function process before", before, "MB"),
        at_most("planning: the function process at most", memory, "MB", 300),
    ]


def fill_tracker(bench: Bench, feed: str, rows: int, names: Sequence[str] = (), config_id: str = "gone") -> None:
    """Rows of files that were loaded earlier: of `names` below the feed's folder, and of others that are gone."""
    from pyspark.sql.connect import functions as F  # noqa: N812 — Spark's own habit

    folder, spark = bench.folder(feed), bench.spark
    known = spark.createDataFrame([(name,) for name in names], "name string")
    others = spark.range(rows - len(names)).select(F.concat(F.col("id"), F.lit(".gone.csv")).alias("name"))
    loaded = known.union(others).select(
        F.md5("name").alias("tracker_id"), F.lit(LOB).alias("lob"), F.lit("bench").alias("category"),
        F.lit(feed).alias("subcategory"), F.substring_index("name", "/", -1).alias("file_name"),
        F.concat(F.lit(f"{folder}/"), "name").alias("source_path"),
        F.lit(f"{bench.stack.catalog}.{LOB}_bronze.{feed}").alias("dest_table"), F.lit("SUCCESS").alias("load_status"),
        F.current_timestamp().alias("load_timestamp"),
        F.md5(F.substring(F.md5("name"), 1, 3)).alias("batch_id"), F.lit(10).cast("bigint").alias("row_count"),
        F.lit(config_id).alias("config_id"), F.lit(ETAG).alias("file_etag"),
        F.lit(SIZE).cast("bigint").alias("file_size"), F.lit(MODIFIED).alias("file_modified"),
        F.lit(1).alias("attempt"),
        F.current_timestamp().alias("updated_ts"),
    )  # fmt: skip
    loaded.writeTo("bronze_metadata.load_tracker").append()


def submitted(bench: Bench, **request: Any) -> dict[str, Any]:
    """POST a load, and wait until its run is submitted."""
    answer = bench.http.post("/api/loads", json={"lob": LOB, **request})
    answer.raise_for_status()
    load: dict[str, Any] = answer.json()
    while load["submitted_at"] is None and load["state"] not in FINAL:
        time.sleep(0.2)
        load = bench.http.get(f"/api/loads/{load['id']}").json()
    bench.console.print(f"  planned {load['files']}")
    return load


def planning_seconds(load: Mapping[str, Any]) -> float:
    """From its acceptance to its submitted run."""
    accepted, sent = (datetime.fromisoformat(load[name]) for name in ("created_at", "submitted_at"))
    return (sent - accepted).total_seconds()


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
    cancel(bench, {"run_id": hub.get(load.id).run_id})
    return counting.statements


def cancel(bench: Bench, load: Mapping[str, Any]) -> None:
    """End the load's run: loading is measured elsewhere."""
    bench.workspace.jobs.cancel_run(int(load["run_id"]))
