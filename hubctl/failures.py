"""How a command fails, by exit code.

Failure
├── Refused       2  the caller's: a 4xx answer, or options that make no sense
├── Unreachable   3  the service could not be reached, or answered that it is not able to
└── OutOfTime     4  --timeout ran out; the load goes on
"""

from collections.abc import Sequence
from enum import IntEnum

from hubctl.documents import FieldProblem


class Exit(IntEnum):
    """What hubctl's exit code means to a scheduler."""

    OK = 0
    NOT_ALL_GOOD = 1
    REFUSED = 2
    UNREACHABLE = 3
    OUT_OF_TIME = 4
    INTERRUPTED = 130


class Failure(Exception):
    """Ends the command; `remedy` says what to do about it."""

    exit_code = Exit.REFUSED

    def __init__(self, message: str, *, remedy: str = "", code: str = "", errors: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code
        self.errors = tuple(errors)


class Refused(Failure):
    """The caller's move: the same call will be refused again."""


class Unreachable(Failure):
    """The service's move: the same call may succeed later; `retry_after` is in seconds, if it said."""

    exit_code = Exit.UNREACHABLE

    def __init__(self, message: str, *, remedy: str = "", code: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.retry_after = retry_after


class OutOfTime(Failure):
    """--timeout ran out before the load was final."""

    exit_code = Exit.OUT_OF_TIME
