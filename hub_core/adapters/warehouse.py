"""The SQL warehouse, through databricks-sql-connector."""

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from databricks import sql
from databricks.sql import exc
from urllib3.exceptions import HTTPError

from hub_core.adapters.pause import Pause
from hub_core.conflicts import again_on_conflict
from hub_core.errors import COLUMN_NOT_FOUND, TABLE_NOT_FOUND, Broken, Transient
from hub_core.logs import logger
from hub_core.sql import Row, Value, changed_rows

log = logger(__name__)
# They warn of the choice of retries at each connection, and tell of each broken one that could not be closed; what goes
# wrong reaches the log as the hub's own error.
for chatty in ("databricks.sql.backend.thrift_backend", "databricks.sql.session"):
    logging.getLogger(chatty).setLevel(logging.CRITICAL)

# A DML that answered 503 may have run: every statement of the hub is safe to run twice, so the connector may retry.
# It tries 429 and 503 again for a minute, as it is asked to (else after 0.5, 0.75, … s); of a longer Retry-After its
# error tells. Its newer retries wait `_retry_delay_max` at least, and tell nobody what they were asked for.
# No answer takes a minute: statements that do are asked after, a quarter of a minute at a time.
_OPTIONS = {
    "_enable_v3_retries": False,
    "_retry_delay_min": 0.5,
    "_retry_delay_max": 3600.0,
    "_retry_delay_default": 1.0,
    "_retry_stop_after_attempts_count": 8,
    "_retry_stop_after_attempts_duration": 60.0,
    "_socket_timeout": 60,
    "enable_telemetry": False,
    "use_cloud_fetch": False,
    "user_agent_entry": "deltalake-hub",
}
_IDLE_SECONDS = 600
_CONFLICT_SECONDS = 120
_REFUSALS = (429, 503)
_UNKNOWN = (400, 404)
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
        self._pause = Pause("WAREHOUSE_UNAVAILABLE", "the SQL warehouse", now)
        self._idle: queue.SimpleQueue[tuple[float, Any]] = queue.SimpleQueue()

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        """See `Sql.query`."""
        return self._run(statement, parameters)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        """See `Sql.execute`: on concurrent modification the whole statement again, for two minutes, with jitter."""
        answer = again_on_conflict(lambda: self._run(statement, parameters), _is_conflict, _CONFLICT_SECONDS)
        return changed_rows(answer)

    def close(self) -> None:
        """Close the connections that wait for a next statement."""
        while (connection := self._take()) is not None:
            _close(connection)

    def _run(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        with self._translated():
            kept = self._take()
            if kept is not None:
                try:
                    return self._run_on(kept, statement, parameters)
                except exc.DatabaseError as error:
                    if not _is_session_gone(error):
                        raise
                    # The warehouse does not know the session any more, nor, most likely, those kept beside it.
                    self._forget()
            return self._run_on(sql.connect(**self._arguments), statement, parameters)

    def _run_on(self, connection: Any, statement: str, parameters: Mapping[str, Value]) -> list[Row]:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, dict(parameters))
                rows: list[Row] = cursor.fetchall_arrow().to_pylist()
        except BaseException as error:
            if _is_refusal(error):
                # Closing would be one more request, and the session is well.
                self._idle.put((self._now(), connection))
            else:
                # Whatever broke, its session may be gone with it.
                _close_aside(connection)
            raise
        self._idle.put((self._now(), connection))
        return rows

    def _take(self) -> Any | None:
        while True:
            try:
                since, connection = self._idle.get_nowait()
            except queue.Empty:
                return None
            if self._now() - since < _IDLE_SECONDS:
                return connection
            _close_aside(connection)

    def _forget(self) -> None:
        while (connection := self._take()) is not None:
            _close_aside(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._pause.check()
        try:
            yield
        except exc.ServerOperationError as error:
            raise _statement_error(str(error.message or "")) from error
        except exc.RequestError as error:
            problem = _request_error(error.context or {})
            if isinstance(problem, Transient):
                self._pause.asked(problem.retry_after or 0.0)
            raise problem from error
        except (exc.Error, HTTPError, OSError, EOFError) as error:
            # Connections that could not be made, answers that broke off: the connector hands on urllib3's own errors.
            raise Transient("WAREHOUSE_UNAVAILABLE", f"the SQL warehouse: {type(error).__name__}") from error
        except ValueError as error:
            # The connector reads Retry-After as a number of seconds, and breaks where a gateway has sent a date.
            raise Transient(
                "WAREHOUSE_UNAVAILABLE", "the SQL warehouse asked to wait, until no one knows when"
            ) from error


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, Transient) and error.code == CONCURRENT_MODIFICATION


def _close(connection: Any) -> None:
    try:
        connection.close()
    except (exc.Error, HTTPError) as error:
        log.debug("closing a broken connection: %s", type(error).__name__)


def _close_aside(connection: Any) -> None:
    # Closing is one more request to a warehouse that may not answer, and nobody's concern.
    threading.Thread(target=_close, args=(connection,), daemon=True, name="close-connection").start()


def _is_session_gone(error: exc.DatabaseError) -> bool:
    """Whether a session that was kept is not known any more: said by Thrift, or as HTTP 400 or 404 before it."""
    if isinstance(error, exc.RequestError):
        return (error.context or {}).get("http-code") in _UNKNOWN
    return type(error) is exc.DatabaseError


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, exc.RequestError) and (error.context or {}).get("http-code") in _REFUSALS


def _request_error(context: Mapping[str, Any]) -> Broken | Transient:
    status = context.get("http-code")
    if status in (401, 403):
        return Broken("WAREHOUSE_DENIED", "the SQL warehouse refused the sign-in; check CAN USE on it")
    if status in _UNKNOWN:
        return Broken("WAREHOUSE_GONE", f"the SQL warehouse answered {status}; check HUB_WAREHOUSE_ID")
    asked = context.get("bounded-retry-delay") if status in _REFUSALS else None
    said = f"the SQL warehouse cannot be reached ({status or 'no answer'})"
    return Transient("WAREHOUSE_UNAVAILABLE", said, retry_after=asked)


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
    if state == "42703":
        return Broken(COLUMN_NOT_FOUND, first)
    if state == "42501":
        return Broken("WAREHOUSE_DENIED", first)
    return Broken("SQL_FAILED", first)
