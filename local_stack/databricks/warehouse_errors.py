"""What can go wrong with a statement, in the shape in which Databricks tells it.

`Refusal` is an answer about the request itself (a Thrift status), `StatementFailed` one about a statement
that ran, `SessionLost` and `WarehouseUnavailable` are about the engine behind the endpoint.
"""

from __future__ import annotations

import re

import grpc
from pyspark.errors import PySparkException
from thrift.transport import TTransport

# Spark appends the query plan to analysis errors; Databricks shows the message without it.
_PLAN = re.compile(r";?\n['+!:\w]\w*.*", re.DOTALL)
_SQL_STATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
CONNECTION_LOST = "08S01"
_LOST_SESSION = ("INVALID_HANDLE.SESSION", "NO_ACTIVE_SESSION")


class Refusal(Exception):
    """The request cannot be answered: becomes ERROR_STATUS with this SQLSTATE."""

    def __init__(self, message: str, sql_state: str) -> None:
        super().__init__(message)
        self.message = message
        self.sql_state = sql_state


class StatementFailed(Exception):
    """A statement failed: `message` reads "[CONDITION] text. SQLSTATE: xxxxx", as Databricks' does."""

    def __init__(self, message: str, sql_state: str, diagnostic: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.sql_state = sql_state
        self.diagnostic = diagnostic or message


class SessionLost(Exception):
    """Spark no longer knows the session: it was restarted, or closed the session after an idle hour."""


class WarehouseUnavailable(TTransport.TTransportException):  # type: ignore[misc]
    """Spark does not accept connections, and nothing was executed: becomes HTTP 503.

    A TTransportException, since that is the only kind that TCLIService.Processor lets through.
    """


def failure(condition: str, text: str, sql_state: str) -> StatementFailed:
    """The error that this endpoint itself raises about a statement."""
    return StatementFailed(f"[{condition}] {text} SQLSTATE: {sql_state}", sql_state)


def from_spark(error: BaseException) -> StatementFailed | SessionLost:
    """The same error in Databricks' shape; a message without a SQLSTATE gets the one that Spark sent apart."""
    if isinstance(error, grpc.RpcError):
        return _connection_lost(str(error))
    if not isinstance(error, PySparkException):
        return failure("INTERNAL_ERROR", f"{type(error).__name__}: {error}", "XX000")
    condition = error.getCondition() or ""
    if condition.startswith(_LOST_SESSION):
        return SessionLost(str(error))
    status = getattr(error, "_grpc_status_code", None)
    # The message apart from the JVM's stack trace, which getMessage() would append.
    message = (getattr(error, "_message", None) or str(error)).strip()
    if status is grpc.StatusCode.UNAVAILABLE or condition == "RETRIES_EXCEEDED":
        return _connection_lost(message)
    diagnostic = f"{message}\n{getattr(error, '_stacktrace', None) or ''}".strip()
    return shaped(message, condition, error.getSqlState(), diagnostic)


def shaped(message: str, condition: str, sql_state: str | None, diagnostic: str = "") -> StatementFailed:
    """A failure whose message begins with its condition and states its SQLSTATE, whatever Spark left out."""
    if "== SQL" not in message:
        message = _PLAN.sub("", message, count=1)
    told = _SQL_STATE.search(message)
    state = told.group(1) if told else sql_state or "HY000"
    if not message.startswith("["):
        message = f"[{condition or 'UNCLASSIFIED_ERROR'}] {message}"
    if not told:
        message = f"{message} SQLSTATE: {state}"
    return StatementFailed(message, state, diagnostic)


def _connection_lost(message: str) -> StatementFailed:
    return failure("CONNECTION_LOST", f"Spark went away; the statement may have run. {message[:500]}", CONNECTION_LOST)
