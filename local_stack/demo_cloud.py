"""What the demo does to the cloud as a LOB and an analyst would: lands files, sends their events, queries tables."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from hub_core.paths import Location, parse_abfss
from hubctl.client import HubClient
from hubctl.documents import Load

_UPLOADERS = 8


class Addresses(Protocol):
    """A running stack's addresses, as far as the demo needs them."""

    @property
    def functions_url(self) -> str:
        """The service."""

    @property
    def function_key(self) -> str:
        """Its key."""

    @property
    def event_grid_url(self) -> str:
        """The webhook, with its key."""

    @property
    def storage_connection_string(self) -> str:
        """The storage account."""

    @property
    def databricks_host(self) -> str:
        """The workspace."""

    @property
    def databricks_token(self) -> str:
        """Its token."""

    @property
    def warehouse_http_path(self) -> str:
        """The SQL warehouse."""

    @property
    def catalog(self) -> str:
        """The environment's catalog."""

    @property
    def config_root(self) -> str:
        """Where the spokes' CSVs lie."""

    @property
    def landing_root(self) -> str:
        """Where files land."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A blob as storage has it after an upload."""

    location: Location
    etag: str
    size: int


class Landing:
    """The storage account, by abfss URLs."""

    def __init__(self, connection_string: str) -> None:
        from azure.storage.blob import BlobServiceClient

        self._service = BlobServiceClient.from_connection_string(connection_string)

    def put(self, url: str, content: bytes) -> Landed:
        """Write one blob, whole or not at all."""
        location = parse_abfss(url)
        blob = self._service.get_blob_client(location.container, location.name)
        answer = blob.upload_blob(content, overwrite=True)
        return Landed(location, str(answer["etag"]), len(content))

    def put_all(self, uploads: Iterable[tuple[str, Callable[[], bytes]]], done: Callable[[], None]) -> None:
        """Write many blobs, some at a time; `done` is called after each."""
        with ThreadPoolExecutor(_UPLOADERS) as pool:
            waiting = [pool.submit(self._read_and_put, url, read) for url, read in uploads]
            try:
                for one in as_completed(waiting):
                    one.result()
                    done()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _read_and_put(self, url: str, read: Callable[[], bytes]) -> Landed:
        return self.put(url, read())


class Warehouse:
    """The SQL warehouse as an analyst sees it: databricks-sql-connector."""

    def __init__(self, addresses: Addresses) -> None:
        from databricks import sql

        host, path = addresses.databricks_host.rstrip("/"), addresses.warehouse_http_path
        self._connection = sql.connect(
            server_hostname=urlsplit(host).hostname or "",
            http_path=path,
            access_token=addresses.databricks_token,
            _connection_uri=f"{host}{path}",
            _socket_timeout=300,
            _retry_stop_after_attempts_duration=60.0,
            enable_telemetry=False,
            use_cloud_fetch=False,
        )

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, object]]:
        """The rows of a query, by column name."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, dict(parameters or {}))
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def await_new_load(client: HubClient, known: set[str], lob: str, *, seconds: float) -> Load:
    """The next load of `lob` that nobody here asked for; TimeoutError if none comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for load in client.loads(lob=lob, limit=20):
            if load.id not in known and load.trigger == "event":
                return load
        time.sleep(1.0)
    raise TimeoutError(f"the event made no load within {seconds:g} s")
