"""What an engine error means for the loader, told by class, condition and SQLSTATE, never by message text."""

from typing import Any
from urllib.parse import unquote

CONCURRENCY_SQLSTATE = "2D521"
"""Delta's concurrent modification errors."""

_CONCURRENCY_CLASSES = frozenset(
    {
        "ConcurrentAppendException",
        "ConcurrentDeleteDeleteException",
        "ConcurrentDeleteReadException",
        "ConcurrentTransactionException",
        "ConcurrentWriteException",
        "MetadataChangedException",
        "ProtocolChangedException",
    }
)
_NOT_FOUND = frozenset({"TABLE_OR_VIEW_NOT_FOUND", "DELTA_TABLE_NOT_FOUND", "DELTA_MISSING_DELTA_TABLE"})
_CONNECTION_CLASSES = frozenset({"RetriesExceeded", "_MultiThreadedRendezvous", "_InactiveRpcError", "RpcError"})
_LOST_SESSION = frozenset(
    {"INVALID_HANDLE", "SESSION_CHANGED", "NO_ACTIVE_SESSION", "OPERATION_CANCELED", "JOB_CANCELLED"}
)
_GRPC_PASSING = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED", "UNAUTHENTICATED"})


def condition(error: BaseException) -> str:
    """The error's condition, as `FAILED_READ_FILE.NO_HINT`; empty where it has none."""
    return str(_ask(error, "getCondition") or _ask(error, "getErrorClass") or "")


def main_condition(error: BaseException) -> str:
    """The condition without its sub-condition."""
    return condition(error).split(".", 1)[0]


def parameters(error: BaseException) -> dict[str, str]:
    """The error's structured parameters."""
    found = _ask(error, "getMessageParameters")
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def is_conflict(error: BaseException) -> bool:
    """Whether somebody else changed the table meanwhile, so that the same statement may succeed when run again."""
    return (
        _ask(error, "getSqlState") == CONCURRENCY_SQLSTATE
        or condition(error).startswith(("DELTA_CONCURRENT_", "DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED"))
        or type(error).__name__ in _CONCURRENCY_CLASSES
    )


def is_passing(error: BaseException) -> bool:
    """Whether Spark itself was lost, so that nothing can be said about the files."""
    if isinstance(error, ConnectionError) or is_conflict(error):
        return True
    if main_condition(error) in _LOST_SESSION:
        return True
    for one in _chain(error):
        if type(one).__name__ in _CONNECTION_CLASSES:
            return True
        code = _ask(one, "code")
        if getattr(code, "name", None) in _GRPC_PASSING:
            return True
    grpc_status = _ask(error, "getGrpcStatusCode")
    return getattr(grpc_status, "name", None) in _GRPC_PASSING


def is_missing_table(error: BaseException) -> bool:
    """Whether the table, or its schema, does not exist."""
    return main_condition(error) in _NOT_FOUND or is_missing_schema(error)


def is_missing_schema(error: BaseException) -> bool:
    """Whether the schema does not exist."""
    return main_condition(error) in {"SCHEMA_NOT_FOUND", "NO_SUCH_SCHEMA_EXCEPTION"}


def is_missing_column(error: BaseException) -> bool:
    """Whether the table has no column of a name that a statement uses."""
    return main_condition(error) == "UNRESOLVED_COLUMN"


def is_being_made(error: BaseException) -> bool:
    """Whether the new table's place is not empty and no table yet: most likely another run is making it just now."""
    return main_condition(error) == "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"


def broken_path(error: BaseException) -> str | None:
    """The file that could not be read, as the error spells it; None where the error names none."""
    if main_condition(error) in {"FAILED_READ_FILE", "CANNOT_READ_FILE_FOOTER"}:
        return parameters(error).get("path")
    return None


def spellings(path: str) -> set[str]:
    """The ways to read a path in an error: literally, and percent-decoded."""
    return {path, unquote(path)}


def first_line(error: BaseException) -> str:
    """The engine's message, its first line, at most 500 characters; without the JVM's stack."""
    text = str(_ask(error, "getMessage") or error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:500]


def root_cause(error: BaseException) -> str:
    """What the innermost of the engine's errors says, for a person to read; empty where the engine does not tell."""
    traced = str(_ask(error, "getStackTrace") or "").splitlines()
    causes = [line.removeprefix("Caused by: ") for line in traced if line.startswith("Caused by: ")]
    return causes[-1][:300] if causes else ""


def _ask(error: BaseException, method: str) -> Any:
    found = getattr(error, method, None)
    try:
        return found() if callable(found) else None
    except Exception:  # noqa: BLE001 — an error that can't be asked has no answer
        return None


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        # A Connect error is raised `from None` while the gRPC error that carried it is handled: that one says nothing.
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return chain
