"""The stack that is measured, and what measuring on it needs."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx
from databricks.sdk import WorkspaceClient
from rich.console import Console

from hub_core.adapters.warehouse import WarehouseSql
from hub_core.bootstrap import build, warehouse
from hub_core.hub import Hub
from hub_core.settings import Settings
from hub_core.sql import Row, Sql, Value
from local_stack.demo_cloud import Landing
from local_stack.spark_session import connect
from local_stack.stack import Stack

LOB = "falcon"
_HEADER = (
    "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
    "dest_catalog,dest_schema,dest_table,is_active,max_reject_percent,quality_rules"
)
_LOOK_SECONDS = 0.1
FINAL = {"SUCCESS", "PARTIAL", "FAILED", "CANCELED", "EMPTY"}


@dataclass(frozen=True, slots=True)
class BenchFeed:
    """A row of the LOB's CSV; its subcategory is the name of its table."""

    name: str
    folder: str
    pattern: str = "*.csv"
    category: str = "bench"
    max_reject_percent: str = ""
    quality_rules: str = ""


@dataclass
class CountingSql:
    """An engine that counts the statements it hands on."""

    inner: Sql
    statements: int = 0

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        """See `Sql.query`."""
        self.statements += 1
        return self.inner.query(statement, parameters)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        """See `Sql.execute`."""
        self.statements += 1
        return self.inner.execute(statement, parameters)


@dataclass
class Bench:
    """A running stack and its clients."""

    stack: Stack
    console: Console
    laps: dict[str, float] = field(default_factory=dict)

    @cached_property
    def http(self) -> httpx.Client:
        """The service, with its key."""
        headers = {"x-functions-key": self.stack.function_key}
        return httpx.Client(base_url=self.stack.functions_url, headers=headers, timeout=120)

    @cached_property
    def landing(self) -> Landing:
        """The storage account."""
        return Landing(self.stack.storage_connection_string)

    @cached_property
    def settings(self) -> Settings:
        """The service's settings."""
        return Settings.from_environment(self.stack.app_environment())

    @cached_property
    def hub(self) -> Hub:
        """The hub in this process, for what HTTP does not show."""
        os.environ.update(self.stack.app_environment())
        return build(self.settings)

    @cached_property
    def sql(self) -> WarehouseSql:
        """The SQL warehouse."""
        return warehouse(self.settings)

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """The Jobs API."""
        return WorkspaceClient(host=self.stack.databricks_host, token=self.stack.databricks_token)

    @cached_property
    def spark(self) -> Any:
        """A Spark session of our own on the stack's server."""
        return connect(self.stack.spark_remote)

    def configure(self, feeds: Iterable[BenchFeed]) -> None:
        """Put the LOB's CSV."""
        rows = [
            f'{LOB},{feed.category},{feed.name},{feed.pattern},{self.folder(feed.folder)}/,delimited,",",true,'
            f"${{catalog}},{LOB}_bronze,{feed.name},true,{feed.max_reject_percent},{feed.quality_rules}"
            for feed in feeds
        ]
        self.landing.put(f"{self.stack.config_root}/{LOB}_config.csv", "\n".join((_HEADER, *rows)).encode())

    def folder(self, name: str) -> str:
        """A folder of the LOB's, as an abfss URL without a slash at its end."""
        return f"{self.stack.landing_root}/{LOB}/{name}"

    def upload(self, folder: str, files: Iterable[tuple[str, bytes]]) -> int:
        """Land files; how many."""
        uploads = [(f"{self.folder(folder)}/{name}", content) for name, content in files]
        self.landing.put_all([(url, lambda content=content: content) for url, content in uploads], lambda: None)
        return len(uploads)

    def load(self, **request: Any) -> dict[str, Any]:
        """POST, and wait for the end; the load. Asks so often that the asking adds nothing to what is measured."""
        answer = self.http.post("/api/loads", json={"lob": LOB, **request})
        answer.raise_for_status()
        load: dict[str, Any] = answer.json()
        while load["state"] not in FINAL:
            time.sleep(_LOOK_SECONDS)
            load = self.http.get(f"/api/loads/{load['id']}").json()
        return load

    def loaded(self, files: int, **request: Any) -> dict[str, Any]:
        """As `load`, of all dates; raises unless so many files are SUCCESS, and no other."""
        load = self.load(begin_date="2000-01-01", **request)
        if load["state"] != "SUCCESS" or load["files"]["success"] != files:
            raise RuntimeError(f"the load went wrong: {load}")
        return load

    def run_seconds(self, load: Mapping[str, Any]) -> float:
        """How long the load's run took, from its start (Jobs API) to the last file's end in the tracker."""
        started = self.workspace.jobs.get_run(int(load["run_id"])).start_time
        [row] = self.sql.query(
            "SELECT unix_millis(max(updated_ts)) AS ended FROM bronze_metadata.load_tracker WHERE batch_id = :batch_id",
            {"batch_id": load["id"]},
        )
        if started is None:
            raise RuntimeError(f"the run has no start: {load}")
        return (int(str(row["ended"])) - started) / 1000

    def phases(self, load: Mapping[str, Any]) -> dict[str, float]:
        """Where a load of one group of files spent its time, in seconds, by the service's times and the run's log."""
        run = self.workspace.jobs.get_run(int(load["run_id"]))
        output = self.workspace.jobs.get_run_output(int((run.tasks or [])[0].run_id or 0)).logs or ""
        told = [float(line.split()[0]) for line in output.splitlines() if re.match(r" *[0-9.]+ s  ", line)]
        accepted, submitted, finished = (
            datetime.fromisoformat(load[name]).timestamp() for name in ("created_at", "submitted_at", "finished_at")
        )
        claims_known, *_, committed = told
        ran = json.loads(output.splitlines()[-1])["seconds"]
        started, ended = (run.start_time or 0) / 1000, (run.end_time or 0) / 1000
        return {
            "accepted, planned, claimed, submitted": submitted - accepted,
            "the run's process begins and ends": ended - started - ran,
            "the run knows its claims": claims_known,
            "read, checked, committed, counted": committed - claims_known,
            "the tracker is told": ran - committed,
            "the end is noticed": finished - ended,
        }

    def bare(self, folder: str, table: str) -> None:
        """What the loader is held against: one read of the folder, one append to a Delta table."""
        frame = self.spark.read.option("header", True).csv(f"{self.folder(folder)}/")
        self._append(frame, table)

    def bare_file(self, path: str, table: str) -> None:
        """The same of one file below the LOB's folder."""
        self._append(self.spark.read.option("header", True).csv(self.folder(path)), table)

    def _append(self, frame: Any, table: str) -> None:
        self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {LOB}_bronze")
        frame.write.format("delta").mode("append").saveAsTable(f"{LOB}_bronze.{table}")

    def rows(self, table: str) -> int:
        """Rows of a table of the LOB's."""
        return int(self.spark.table(f"{LOB}_bronze.{table}").count())

    @contextmanager
    def app_settings(self, **settings: str) -> Iterator[None]:
        """The service started anew with these settings on top, and anew without them afterwards."""
        self.stack.stop("functions")
        self.stack.settings |= settings
        self.stack.start("functions")
        try:
            yield
        finally:
            self.stack.stop("functions")
            for name in settings:
                del self.stack.settings[name]
            self.stack.start("functions")

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Time what is inside, into `laps`."""
        start = time.perf_counter()
        yield
        self.laps[name] = time.perf_counter() - start
        self.console.print(f"  {name}: {self.laps[name]:.2f} s")
