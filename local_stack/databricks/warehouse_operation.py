"""One statement on its way: started, polled, fetched, cancelled."""

from __future__ import annotations

import threading
import uuid
from typing import Any

from databricks.sql.thrift_api.TCLIService import ttypes

from local_stack.databricks.warehouse_errors import SessionLost, StatementFailed, failure, from_spark
from local_stack.databricks.warehouse_parameters import parameters_of
from local_stack.databricks.warehouse_results import SUCCESS, Format, Rows
from local_stack.databricks.warehouse_spark import SparkStatements

# An interrupt that arrives between two of a statement's round trips hits nothing, so it is repeated.
_INTERRUPT_AGAIN_SECONDS = 0.5

_States = ttypes.TOperationState
_CANCELED = failure("OPERATION_CANCELED", "Operation has been canceled.", "HY008")


class Operation:
    """A statement in a thread of its own. Its outcome is decided once: rows, a failure, or cancelled."""

    def __init__(
        self, statements: SparkStatements, wanted: Format, row_limit: int | None, seconds: float | None
    ) -> None:
        self._statements = statements
        self._format = wanted
        self._row_limit = row_limit
        self._seconds = seconds
        self._tag = f"statement-{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._decided = threading.Event()
        self._thread_over = threading.Event()
        self._state: int = _States.RUNNING_STATE
        self._failure: StatementFailed | None = None
        self.rows: Rows | None = None
        self.lost = False

    @property
    def failed(self) -> bool:
        """Whether the statement is over and failed of itself."""
        return self._state == int(_States.ERROR_STATE)

    def start(self, statement: str, sent_parameters: list[Any] | None) -> None:
        """Run the statement; returns at once."""
        threading.Thread(target=self._run, args=(statement, sent_parameters), name=self._tag, daemon=True).start()
        if self._seconds:
            timer = threading.Timer(self._seconds, self._time_out)
            timer.daemon = True
            timer.start()

    def wait(self, seconds: float | None) -> None:
        """Return when the outcome is decided, or after so many seconds."""
        self._decided.wait(seconds)

    def cancel(self) -> None:
        """Decide for "cancelled", unless the outcome is known, and interrupt Spark until the thread is over."""
        self._stop(_States.CANCELED_STATE, _CANCELED)

    def status(self) -> Any:
        """The GetOperationStatus answer."""
        answer = ttypes.TGetOperationStatusResp(status=SUCCESS, operationState=self._state, hasResultSet=True)
        if self.rows is not None:
            answer.numModifiedRows = self.rows.modified()
        if self._failure is not None:
            answer.sqlState = self._failure.sql_state
            answer.errorMessage = self._failure.message
            answer.displayMessage = self._failure.message
            answer.diagnosticInfo = self._failure.diagnostic
        return answer

    def finished_rows(self) -> Rows:
        """The rows, when the statement is over. Raises StatementFailed if it failed or was cancelled."""
        self._decided.wait()
        if self._failure is not None:
            raise self._failure
        if self.rows is None:
            raise _CANCELED
        return self.rows

    def _run(self, statement: str, sent_parameters: list[Any] | None) -> None:
        try:
            table = self._statements.run(statement, parameters_of(sent_parameters), self._tag)
            if self._row_limit is not None:
                table = table.slice(0, self._row_limit)
            rows = Rows(table, self._format)
        except SessionLost as error:
            self.lost = True
            self._decide(
                _States.ERROR_STATE, error=failure("INVALID_HANDLE", f"Invalid SessionHandle: {error}", "08003")
            )
        except StatementFailed as error:
            self._decide(_States.ERROR_STATE, error=error)
        except Exception as error:  # noqa: BLE001  Whatever a thread raises must reach the client that polls.
            told = from_spark(error)
            assert isinstance(told, StatementFailed)  # noqa: S101  SessionLost was translated before.
            self._decide(_States.ERROR_STATE, error=told)
        else:
            self._decide(_States.FINISHED_STATE, rows=rows)
        finally:
            self._thread_over.set()

    def _decide(self, state: int, rows: Rows | None = None, error: StatementFailed | None = None) -> bool:
        with self._lock:
            if self._decided.is_set():
                return False
            self.rows, self._failure, self._state = rows, error, state
            self._decided.set()
            return True

    def _time_out(self) -> None:
        told = failure("STATEMENT_TIMEOUT", f"Query cancelled after {self._seconds:g} seconds.", "57KD0")
        self._stop(_States.ERROR_STATE, told)

    def _stop(self, state: int, reason: StatementFailed) -> None:
        if self._decide(state, error=reason):
            threading.Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        while not self._thread_over.is_set():
            try:
                self._statements.interrupt(self._tag)
            except (StatementFailed, SessionLost):
                return
            self._thread_over.wait(_INTERRUPT_AGAIN_SECONDS)
