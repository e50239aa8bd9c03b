"""The SQL warehouse, through databricks-sql-connector."""

import logging
import queue
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from databricks import sql
from databricks.sql import exc

from hub_core.conflicts import again_on_conflict
from hub_core.errors import TABLE_NOT_FOUND, Broken, Transient
from hub_core.ports import Row, Value

log = logging.getLogger(__name__)

# A DML that answered 503 may have run: every statement of the hub is safe to run twice, so the connector may retry.
_OPTIONS = {
    "_retry_delay_min": 0.5,
    "_retry_delay_max": 10.0,
    "_retry_stop_after_attempts_count": 6,
    "_retry_stop_after_attempts_duration": 60.0,
    "_socket_timeout": 300,
    "enable_telemetry": False,
    "use_cloud_fetch": False,
    "user_agent_entry": "deltalake-hub",
}
_IDLE_SECONDS = 600
_CONFLICT_SECONDS = 120
CONCURRENT_MODIFICATION = "CONCURRENT_MODIFICATION"

# Databricks begins an error's text with its class and ends it with its SQLSTATE; the connector hands on nothing else.
# https://docs.databricks.com/error-messages/sqlstates
_ERROR_CLASS = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
_SQLSTATE = re.compile(r"SQLSTATE:? ?([0-9A-Z]{5})")
_CONCURRENT = ("DELTA_CONCURRENT_", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED", "CONCURRENT_")


class WarehouseSql:
    """`Sql` on a warehouse: a connection for each statement under way, kept for the next."""

    def __init__(self, host: str, warehouse_id: str, sign_in: Mapping[str, Any], now: Callable[[], float]) -> None:
        path = f"/sql/1.0/warehouses/{warehouse_id}"
        self._arguments = {
            "server_hostname": urlsplit(host).hostname,
            "http_path": path,
            "_connection_uri": f"{host}{path}",
            **sign_in,
            **_OPTIONS,
        }
        self._now = now
        self._idle: queue.SimpleQueue[tuple[float, Any]] = queue.SimpleQueue()

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        """See `Sql.query`."""
        return self._run(statement, parameters, fetch=True)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> None:
        """See `Sql.execute`: on concurrent modification the whole statement again, for two minutes, with jitter."""
        again_on_conflict(lambda: self._run(statement, parameters, fetch=False), _is_conflict, _CONFLICT_SECONDS)

    def close(self) -> None:
        """Close the connections that wait for a next statement."""
        while (connection := self._take()) is not None:
            _close(connection)

    def _run(self, statement: str, parameters: Mapping[str, Value], *, fetch: bool) -> Sequence[Row]:
        with _translated(), self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(statement, dict(parameters))
            if not fetch:
                return []
            table = cursor.fetchall_arrow()
            rows: list[Row] = table.to_pylist()
            return rows

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        connection = self._take() or sql.connect(**self._arguments)
        try:
            yield connection
        except BaseException:
            # Whatever broke, its session may be gone with it.
            _close(connection)
            raise
        self._idle.put((self._now(), connection))

    def _take(self) -> Any | None:
        while True:
            try:
                since, connection = self._idle.get_nowait()
            except queue.Empty:
                return None
            if self._now() - since < _IDLE_SECONDS:
                return connection
            _close(connection)


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, Transient) and error.code == CONCURRENT_MODIFICATION


def _close(connection: Any) -> None:
    try:
        connection.close()
    except exc.Error as error:
        log.debug("closing a broken connection: %s", type(error).__name__)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.ServerOperationError as error:
        raise _statement_error(str(error.message or "")) from error
    except exc.RequestError as error:
        status = (error.context or {}).get("http-code")
        if status in (401, 403):
            raise Broken("WAREHOUSE_DENIED", "the SQL warehouse refused the sign-in; check CAN USE on it") from error
        if status in (400, 404):
            raise Broken("WAREHOUSE_GONE", f"the SQL warehouse answered {status}; check HUB_WAREHOUSE_ID") from error
        raise Transient(
            "WAREHOUSE_UNAVAILABLE", f"the SQL warehouse cannot be reached ({status or 'no answer'})"
        ) from error
    except exc.Error as error:
        # Sessions that ended, results that broke off, connections that were closed: a new one may do.
        raise Transient("WAREHOUSE_UNAVAILABLE", f"the SQL warehouse: {type(error).__name__}") from error


def _statement_error(message: str) -> Broken | Transient:
    found = _ERROR_CLASS.search(message)
    name = found[1] if found else "UNKNOWN"
    state = (match[1] if (match := _SQLSTATE.search(message)) else "") or ""
    first = message.split("\n", 1)[0][:1000]
    if name.startswith(_CONCURRENT) or state in ("2D521", "40000", "40001"):
        return Transient(CONCURRENT_MODIFICATION, first)
    if state.startswith(("08", "57", "58")) or state == "HY008":
        return Transient("WAREHOUSE_UNAVAILABLE", first)
    if state in ("42P01", "42704") or name.startswith("TABLE_OR_VIEW_NOT_FOUND"):
        return Broken(TABLE_NOT_FOUND, first)
    if state == "42501":
        return Broken("WAREHOUSE_DENIED", first)
    return Broken("SQL_FAILED", first)
