"""The service of a running stack, as tests use it: files and configs in storage, requests over HTTP, tables by SQL."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from databricks.sdk import WorkspaceClient

from hub_core.adapters.warehouse import WarehouseSql
from hub_core.bootstrap import build, warehouse
from hub_core.hub import Hub
from hub_core.load import Load, new_id
from hub_core.messages import LoadMessage
from hub_core.model import Trigger
from hub_core.request import LoadRequest
from hub_core.settings import Settings
from local_stack.stack import Addresses
from tests.unit.doubles import HEADER

FINAL = {"SUCCESS", "PARTIAL", "FAILED", "CANCELED", "EMPTY"}


@dataclass
class Service:
    """One LOB of its own on the stack."""

    stack: Addresses
    sql: WarehouseSql
    hub: Hub
    lob: str = field(default_factory=lambda: f"lob{uuid.uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        headers = {"x-functions-key": self.stack.function_key}
        self.http = httpx.Client(base_url=self.stack.functions_url, headers=headers, timeout=120)
        self.blobs = BlobServiceClient.from_connection_string(self.stack.storage_connection_string)

    def close(self) -> None:
        self.http.close()
        self.blobs.close()
        self.sql.close()

    # storage

    def row(self, subcategory: str, pattern: str = "*.csv", **cells: str) -> str:
        """A row of the CSV for a delimited feed in a folder of its own."""
        source = f"{self.stack.landing_root}/{self.lob}/{subcategory}/"
        kind = cells.get("file_format", "delimited")
        delimiter = '","' if kind == "delimited" else ""
        return (
            f"{self.lob},things,{subcategory},{pattern},{source},{kind},{delimiter},true,"
            f"${{catalog}},{self.lob}_bronze,{subcategory}_raw,true"
        )

    def configure(self, *rows: str, header: str = HEADER) -> None:
        """Put the LOB's CSV where a spoke's release puts it."""
        text = "\n".join((header, *rows)) + "\n"
        self.blobs.get_blob_client("config", f"feeds/{self.lob}_config.csv").upload_blob(text, overwrite=True)

    def land(self, subcategory: str, name: str, content: str | bytes = "id,name\n1,a\n2,b\n") -> str:
        """Upload a file for a feed; its path."""
        blob = f"raw/{self.lob}/{subcategory}/{name}"
        self.blobs.get_blob_client("landing", blob).upload_blob(content, overwrite=True)
        return f"{self.stack.landing_root}/{self.lob}/{subcategory}/{name}"

    # HTTP

    def post(self, **request: Any) -> dict[str, Any]:
        """POST loads for this LOB; the load."""
        answer = self.http.post("/api/loads", json={"lob": self.lob, **request})
        assert answer.status_code in (200, 202), answer.text
        document: dict[str, Any] = answer.json()
        return document

    def get(self, load_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/api/loads/{load_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def ended(self, load_id: str, seconds: float = 240) -> dict[str, Any]:
        """The load once it is final."""
        deadline = time.monotonic() + seconds
        while (load := self.get(load_id))["state"] not in FINAL:
            assert time.monotonic() < deadline, f"not final after {seconds} s: {load}"
            time.sleep(0.5)
        return load

    def files(self, load_id: str) -> list[dict[str, Any]]:
        value: list[dict[str, Any]] = self.http.get(f"/api/loads/{load_id}/files").json()["value"]
        return value

    # the queue's messages, without the queue

    def record(self, **request: Any) -> str:
        """A load that was accepted but not queued; its id."""
        now = self.hub.planner.clock()
        load = Load(
            id=new_id(now),
            lob=self.lob,
            trigger=Trigger.REQUEST,
            request=LoadRequest(lob=self.lob, **request),
            created_at=now,
            updated_at=now,
        )
        assert self.hub.planner.loads.insert(load)
        return load.id

    def redeliver(self, load_id: str) -> None:
        """Queue the load's message, as the host does for one whose function was killed."""
        self.hub.planner.queue.put(LoadMessage(load_id=load_id).to_json())

    def planner_process(self, load_id: str, *options: str) -> subprocess.Popen[bytes]:
        """Another process that moves the load on; see planner_process.py."""
        arguments = [sys.executable, "-m", "tests.e2e.planner_process", load_id, *options]
        return subprocess.Popen(arguments, env={**os.environ, **self.stack.app_environment()})

    # what came of it

    def runs_of(self, load_id: str) -> list[int]:
        """The Databricks runs of that batch."""
        client = WorkspaceClient(host=self.stack.databricks_host, token=self.stack.databricks_token)
        runs = client.jobs.list_runs(job_id=int(self.stack.loader_job_id))
        return [
            int(run.run_id or 0)
            for run in runs
            if any(p.name == "batch_id" and p.value == load_id for p in run.job_parameters or [])
        ]

    def query(self, statement: str, **parameters: Any) -> Sequence[Any]:
        return self.sql.query(statement, parameters)

    def tracker_rows(self, subcategory: str) -> Sequence[Any]:
        return self.query(
            "SELECT source_path, batch_id, load_status, row_count FROM bronze_metadata.load_tracker "
            "WHERE lob = :lob AND subcategory = :subcategory",
            lob=self.lob,
            subcategory=subcategory,
        )

    def bronze_count(self, subcategory: str) -> int:
        [row] = self.query(f"SELECT count(*) AS n FROM `{self.lob}_bronze`.`{subcategory}_raw`")  # noqa: S608
        return int(row["n"])


@contextmanager
def service_on(stack: Addresses) -> Iterator[Service]:
    """A LOB of its own on a stack that is up."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.app_environment().items():
            environment.setenv(name, value)
        settings = Settings.from_environment()
        made = Service(stack, warehouse(settings), build(settings))
    try:
        yield made
    finally:
        made.close()
