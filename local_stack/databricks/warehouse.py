"""A SQL warehouse: the Thrift calls that the SQL connector makes, answered by Spark.

Each Thrift session is a Spark session of its own, and each statement runs in a thread of its own, so that
statements are parallel, can be polled, and can be cancelled while ExecuteStatement has long answered.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from typing import Any

from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from thrift.protocol import TBinaryProtocol
from thrift.transport import TTransport

from local_stack.databricks.warehouse_errors import (
    CONNECTION_LOST,
    Refusal,
    SessionLost,
    StatementFailed,
    WarehouseUnavailable,
    failure,
)
from local_stack.databricks.warehouse_operation import Operation
from local_stack.databricks.warehouse_results import SUCCESS, Format
from local_stack.databricks.warehouse_spark import SparkStatements, require_spark

# How long ExecuteStatement waits for a result to answer directly; then the client polls. It is also how long a
# cancel may have to wait, for the connector sends one request at a time.
DIRECT_SECONDS = 2.0
# GetOperationStatus waits too, or the connector, which polls without a pause, would spin.
POLL_SECONDS = 0.25

# Settings that belong to the Thrift server. They say what is done here anyway.
_OWN_SETTINGS = "spark.thriftserver."
_DATABRICKS_SETTINGS = {"TIMEZONE": "spark.sql.session.timeZone", "ANSI_MODE": "spark.sql.ansi.enabled"}
_HARMLESS_SETTINGS = {"QUERY_TAGS", "USE_CACHED_RESULT"}


class Session:
    """A connection: its Spark session and its statements."""

    def __init__(self, statements: SparkStatements, statement_seconds: float | None) -> None:
        self.statements = statements
        self.statement_seconds = statement_seconds
        self.operations: dict[bytes, Operation] = {}


class Warehouse:
    """The handler behind TCLIService.Processor; a call that it does not know is refused by name."""

    def __init__(self, spark_remote: str, catalog: str) -> None:
        self._spark_remote = spark_remote
        self._catalog = catalog
        self._sessions: dict[bytes, Session] = {}
        self._operations: dict[bytes, Operation] = {}
        self._processor = TCLIService.Processor(self)

    def answer(self, request: bytes) -> bytes:
        """One Thrift message for another. Raises WarehouseUnavailable when Spark is down."""
        reply = TTransport.TMemoryBuffer()
        # Without limits: one JSON parameter may carry many megabytes.
        protocol = TBinaryProtocol.TBinaryProtocol(
            TTransport.TMemoryBuffer(request), string_length_limit=None, container_length_limit=None
        )
        self._processor.process(protocol, TBinaryProtocol.TBinaryProtocol(reply))
        answered: bytes = reply.getvalue()
        return answered

    def close(self) -> None:
        """Close every session; there is nothing to close at a Spark that is down."""
        with contextlib.suppress(WarehouseUnavailable):
            require_spark(self._spark_remote)
            for handle in list(self._sessions):
                self._close(handle)

    def OpenSession(self, request: Any) -> Any:  # noqa: N802
        """A Spark session of its own, in the catalog and schema asked for."""
        require_spark(self._spark_remote)
        try:
            session = self._open(request)
        except (Refusal, StatementFailed) as error:
            if error.sql_state == CONNECTION_LOST:
                # Nothing was executed yet, so the client may try again.
                raise WarehouseUnavailable(message=error.message) from error
            return ttypes.TOpenSessionResp(status=_error(error), serverProtocolVersion=_PROTOCOL)
        except SessionLost as error:
            raise WarehouseUnavailable(message=str(error)) from error
        handle = _handle()
        self._sessions[handle.guid] = session
        return ttypes.TOpenSessionResp(
            status=SUCCESS,
            serverProtocolVersion=_PROTOCOL,
            sessionHandle=ttypes.TSessionHandle(sessionId=handle),
            configuration={},
            initialNamespace=request.initialNamespace,
            canUseMultipleCatalogs=True,
        )

    def CloseSession(self, request: Any) -> Any:  # noqa: N802
        """Cancel what still runs in the session, and release it."""
        if not self._close(request.sessionHandle.sessionId.guid):
            return ttypes.TCloseSessionResp(status=_invalid("SessionHandle", request.sessionHandle.sessionId))
        return ttypes.TCloseSessionResp(status=SUCCESS)

    def ExecuteStatement(self, request: Any) -> Any:  # noqa: N802
        """Start a statement; its first rows come along if it is done soon and the client wants them so."""
        identifier = request.sessionHandle.sessionId
        session = self._sessions.get(identifier.guid)
        if session is None:
            return ttypes.TExecuteStatementResp(status=_invalid("SessionHandle", identifier))
        unknown = [key for key in request.confOverlay or {} if not _harmless(key)]
        if unknown:
            refusal = Refusal(f"ExecuteStatement with confOverlay {', '.join(unknown)} is not supported.", "0A000")
            return ttypes.TExecuteStatementResp(status=_error(refusal))
        require_spark(self._spark_remote)
        handle = _handle()
        limit = request.queryTimeout or session.statement_seconds
        operation = Operation(session.statements, Format.asked(request), request.resultRowLimit, limit)
        self._operations[handle.guid] = session.operations[handle.guid] = operation
        operation.start(request.statement, request.parameters)
        direct = request.getDirectResults
        if direct is not None or not request.runAsync:
            operation.wait(DIRECT_SECONDS if request.runAsync else None)
        if operation.lost:
            self._close(identifier.guid)
            return ttypes.TExecuteStatementResp(status=_invalid("SessionHandle", identifier))
        return ttypes.TExecuteStatementResp(
            status=SUCCESS,
            operationHandle=ttypes.TOperationHandle(
                operationId=handle, operationType=ttypes.TOperationType.EXECUTE_STATEMENT, hasResultSet=True
            ),
            directResults=self._direct(handle.guid, operation, direct) if direct is not None else None,
        )

    def GetOperationStatus(self, request: Any) -> Any:  # noqa: N802
        """How far the statement is; waits a moment for its end."""
        operation = self._operations.get(request.operationHandle.operationId.guid)
        if operation is None:
            status = _invalid("OperationHandle", request.operationHandle.operationId)
            return ttypes.TGetOperationStatusResp(status=status)
        operation.wait(POLL_SECONDS)
        return operation.status()

    def GetResultSetMetadata(self, request: Any) -> Any:  # noqa: N802
        """The result's columns; waits for the statement's end."""
        return self._result(
            request, ttypes.TGetResultSetMetadataResp, lambda operation: operation.finished_rows().metadata()
        )

    def FetchResults(self, request: Any) -> Any:  # noqa: N802
        """The next rows; waits for the statement's end."""
        if request.orientation not in {None, ttypes.TFetchOrientation.FETCH_NEXT}:
            refusal = Refusal("FetchResults with an orientation other than FETCH_NEXT is not supported.", "0A000")
            return ttypes.TFetchResultsResp(status=_error(refusal))
        return self._result(request, ttypes.TFetchResultsResp, lambda operation: _fetched(operation, request))

    def CancelOperation(self, request: Any) -> Any:  # noqa: N802
        """Interrupt the statement in Spark."""
        identifier = request.operationHandle.operationId
        operation = self._operations.get(identifier.guid)
        if operation is None:
            return ttypes.TCancelOperationResp(status=_invalid("OperationHandle", identifier))
        operation.cancel()
        return ttypes.TCancelOperationResp(status=SUCCESS)

    def CloseOperation(self, request: Any) -> Any:  # noqa: N802
        """Forget the statement; it is cancelled if it still runs."""
        identifier = request.operationHandle.operationId
        if not self._forget(identifier.guid):
            return ttypes.TCloseOperationResp(status=_invalid("OperationHandle", identifier))
        return ttypes.TCloseOperationResp(status=SUCCESS)

    def __getattr__(self, call: str) -> Callable[[Any], Any]:
        response = getattr(ttypes, f"T{call}Resp", None)
        if response is None:
            raise AttributeError(call)
        refusal = Refusal(f"[UNSUPPORTED_FEATURE] The Thrift call {call} is not supported. SQLSTATE: 0A000", "0A000")
        return lambda _request: response(status=_error(refusal))

    def _open(self, request: Any) -> Session:
        settings, seconds = _settings(request.configuration or {})
        statements = SparkStatements(self._spark_remote, settings)
        namespace = request.initialNamespace
        if namespace is not None:
            catalog = namespace.catalogName
            statements.use(None if catalog == self._catalog else catalog, namespace.schemaName)
        return Session(statements, seconds)

    def _direct(self, guid: bytes, operation: Operation, asked: Any) -> Any:
        direct = ttypes.TSparkDirectResults(operationStatus=operation.status())
        rows = operation.rows
        if rows is not None:
            direct.resultSetMetadata = rows.metadata()
            direct.resultSet = rows.chunk(asked.maxRows, asked.maxBytes)
            if rows.exhausted:
                direct.closeOperation = ttypes.TCloseOperationResp(status=SUCCESS)
                self._forget(guid)
        elif operation.failed:
            self._forget(guid)
        return direct

    def _result(self, request: Any, response: Any, answer: Callable[[Operation], Any]) -> Any:
        identifier = request.operationHandle.operationId
        operation = self._operations.get(identifier.guid)
        if operation is None:
            return response(status=_invalid("OperationHandle", identifier))
        try:
            return answer(operation)
        except StatementFailed as error:
            return response(status=_error(error))

    def _forget(self, guid: bytes) -> bool:
        operation = self._operations.pop(guid, None)
        if operation is None:
            return False
        for session in list(self._sessions.values()):
            session.operations.pop(guid, None)
        operation.cancel()
        return True

    def _close(self, guid: bytes) -> bool:
        session = self._sessions.pop(guid, None)
        if session is None:
            return False
        for handle in list(session.operations):
            self._forget(handle)
        session.statements.close()
        return True


_PROTOCOL = ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V8


def _fetched(operation: Operation, request: Any) -> Any:
    rows = operation.finished_rows()
    fetched = rows.chunk(request.maxRows, request.maxBytes)
    if request.includeResultSetMetadata:
        fetched.resultSetMetadata = rows.metadata()
    return fetched


def _settings(sent: dict[str, str]) -> tuple[dict[str, str], float | None]:
    """A session's settings as Spark's, and its statement timeout in seconds."""
    settings: dict[str, str] = {}
    seconds: float | None = None
    for key, value in sent.items():
        if _harmless(key):
            continue
        if key.startswith("spark."):
            settings[key] = value
        elif key.upper() in _DATABRICKS_SETTINGS:
            settings[_DATABRICKS_SETTINGS[key.upper()]] = value
        elif key.upper() == "STATEMENT_TIMEOUT":
            seconds = float(value) or None
        else:
            raise failure("CONFIG_NOT_AVAILABLE", f"Configuration {key} is not available.", "42K0I")
    return settings, seconds


def _harmless(key: str) -> bool:
    return key.startswith(_OWN_SETTINGS) or key.upper() in _HARMLESS_SETTINGS


def _handle() -> Any:
    return ttypes.THandleIdentifier(guid=uuid.uuid4().bytes, secret=uuid.uuid4().bytes)


def _error(error: Refusal | StatementFailed) -> Any:
    return ttypes.TStatus(
        statusCode=ttypes.TStatusCode.ERROR_STATUS,
        sqlState=error.sql_state,
        errorMessage=error.message,
        displayMessage=error.message,
    )


def _invalid(kind: str, identifier: Any) -> Any:
    message = f"Invalid {kind}: {kind} [{uuid.UUID(bytes=identifier.guid)}]"
    return ttypes.TStatus(
        statusCode=ttypes.TStatusCode.INVALID_HANDLE_STATUS,
        sqlState="HY000",
        errorMessage=message,
        displayMessage=message,
    )
