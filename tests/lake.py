"""A lake on the real stack: files in Azurite, claims in the tracker, the loader's own code on the Spark server."""

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from typing import Any
from uuid import uuid4

from hub_core import statements
from hub_core.model import Claim, Feed, FileFormat, FileOutcome, SourceFile
from hub_core.tracker import SqlTracker
from spark_jobs.loader import Loader, LoadResult
from spark_jobs.spark_sql import SparkSql


class Lake:
    """What a test needs of storage and Spark; every lake has folders and tables of its own."""

    def __init__(self, spark: Any, container: Any, root: str, catalog: str) -> None:
        self.catalog = catalog
        self.connect(spark)
        self._container = container
        self._root = root
        self.name = "t" + uuid4().hex[:8]

    def connect(self, spark: Any) -> None:
        """Go on with this session."""
        self.spark = spark
        self.sql = SparkSql(spark)
        self.tracker = SqlTracker(self.sql, self.catalog)

    def migrate(self) -> None:
        self.sql.execute(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}.bronze_metadata", {})
        for table in ("file_config", "load_tracker", "quarantine"):
            statement = (files("ddl") / f"{table}.sql").read_text().format(catalog=self.catalog)
            self.sql.execute(statement, {})

    def feed(self, name: str, **options: Any) -> Feed:
        """A feed of its own folder and table, of the LOB falcon unless `options` say otherwise."""
        delimited = options.get("file_format") is not FileFormat.PARQUET
        default = Feed(
            lob="falcon",
            category=f"{self.name}_{name}",
            subcategory="test",
            file_pattern="*",
            source_path=f"{self._root}{self.name}/{name}/",
            file_format=FileFormat.DELIMITED,
            delimiter="," if delimited else None,
            has_header=True,
            dest_catalog=self.catalog,
            dest_schema="falcon_bronze",
            dest_table=f"{self.name}_{name}",
        )
        return replace(default, **options)

    def put(self, feed: Feed, name: str, data: bytes | str) -> None:
        blob = feed.source_path[len(self._root) :] + name
        self._container.upload_blob(blob, data if isinstance(data, bytes) else data.encode(), overwrite=True)

    def delete(self, feed: Feed, name: str) -> None:
        self._container.delete_blob(feed.source_path[len(self._root) :] + name)

    def listed(self, feed: Feed) -> list[SourceFile]:
        prefix = feed.source_path[len(self._root) :]
        return [
            SourceFile(self._root + blob.name, blob.size, blob.last_modified, blob.etag)
            for blob in self._container.list_blobs(name_starts_with=prefix, include=["metadata"])
            if not (blob.metadata or {}).get("hdi_isfolder")
        ]

    def sync(self, *feeds: Feed) -> None:
        rows = json.dumps([statements.feed_row(feed) for feed in feeds])
        statement = statements.SYNC_FEEDS.format_map(statements.table_names(self.catalog))
        self.sql.execute(statement, {"rows": rows, "hash": "h", "lob": feeds[0].lob, "deactivate": False})

    def claim(self, *feeds: Feed, batch: str | None = None, attempt: int = 1) -> str:
        """A batch that has claimed all files of the feeds, which are of one LOB."""
        batch = batch or uuid4().hex
        claims = [Claim(feed, file, attempt) for feed in feeds for file in self.listed(feed)]
        self.tracker.claim(feeds[0].lob, batch, claims)
        return batch

    def load(self, batch: str) -> LoadResult:
        return Loader(self.spark, self.catalog, batch, "1").run()

    def files(self, batch: str, feed: Feed | None = None) -> dict[str, FileOutcome]:
        """The batch's files by path below the feed's folder."""
        found = self.tracker.files(batch, None, "", 1_000_000)
        mine = [one for one in found if feed is None or one.path.startswith(feed.source_path)]
        return {one.path[len(feed.source_path) :] if feed else one.path: one for one in mine}

    def rows(self, feed: Feed, *columns: str) -> list[tuple[Any, ...]]:
        """The table's rows, sorted; None first."""
        frame = self.spark.table(feed.table).select(*[f"`{column}`" for column in columns])
        return sorted((tuple(row) for row in frame.collect()), key=lambda row: [(v is not None, v) for v in row])

    def commits(self, feed: Feed) -> list[str]:
        """The operations of the table's history that wrote rows, newest first."""
        history = self.spark.sql(f"DESCRIBE HISTORY {feed.table}").select("operation", "operationMetrics").collect()
        return [row["operation"] for row in history if int(row["operationMetrics"].get("numOutputRows", 0)) > 0]

    def quarantined(self, feed: Feed) -> list[tuple[str, str, str]]:
        """(raw_record, rule, reason) of the table's quarantined records."""
        frame = self.spark.table(f"{self.catalog}.bronze_metadata.quarantine")
        rows = frame.where(frame.dest_table == feed.table).select("raw_record", "rule", "reason").collect()
        return sorted((row[0], row[1], row[2]) for row in rows)

    def parquet(self, feed: Feed, name: str, table: Any) -> None:
        """Put a pyarrow table as a parquet file."""
        import pyarrow.parquet as pq

        target = io.BytesIO()
        pq.write_table(table, target)
        self.put(feed, name, target.getvalue())


@contextmanager
def open_lake(parts: Any, spark: Any) -> Iterator[Lake]:
    """A lake over a container of its own, which goes with it."""
    from azure.storage.blob import BlobServiceClient

    # What SPARK_REMOTE does in a run: functions make expressions of Spark Connect.
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    service = BlobServiceClient.from_connection_string(parts.storage_connection_string)
    name = "loader" + uuid4().hex[:8]
    container = service.create_container(name)
    lake = Lake(spark, container, f"abfss://{name}@{parts.account_host}/", parts.catalog)
    lake.migrate()
    yield lake
    service.delete_container(name)


def next_second() -> None:
    """Wait until a file written now has another modification time than one written before."""
    time.sleep(1.1)
