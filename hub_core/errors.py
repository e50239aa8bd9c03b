"""The failures, by whose move it is.

    HubError
    ├── Rejected    the caller's: a 4xx answer with field and remedy
    ├── Transient   the machine's: the same step may be tried again
    │   └── Conflict    somebody else changed the record first: read again and decide again
    └── Broken      an operator's: recorded on the load, alerted

Adapters translate foreign errors once, at the edge, by code and `from exc`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field of a request: its name, what is wrong, and what would be right."""

    field: str
    message: str
    remedy: str


class HubError(Exception):
    """Whatever the hub raises on purpose; `code` is stable and documented in docs/errors.md."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Rejected(HubError):
    """The caller's move: nothing was changed, and the same call will be refused again."""

    def __init__(self, code: str, message: str, *, status: int = 400, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(code, message)
        self.status = status
        self.errors = tuple(errors)


class Transient(HubError):
    """The machine's move: the same step may succeed later; `retry_after` is in seconds, if the other side said."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Conflict(Transient):
    """The record was changed by somebody else since it was read."""

    def __init__(self, message: str) -> None:
        super().__init__("CONFLICT", message)


class Broken(HubError):
    """An operator's move: trying again changes nothing."""


TABLE_NOT_FOUND = "TABLE_NOT_FOUND"
"""`Broken.code` where a statement names a table that does not exist."""
COLUMN_NOT_FOUND = "COLUMN_NOT_FOUND"
"""`Broken.code` where a statement names a column that its table lacks."""
