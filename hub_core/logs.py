"""Structured logs: what a line is about stands behind its sentence, as JSON."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hub_core.errors import HubError

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "source", "taskName"}
_bound: ContextVar[dict[str, str]] = ContextVar("facts of the log lines of this thread")


@contextmanager
def bound(**facts: str | None) -> Iterator[None]:
    """Every line of ours that is written inside says these facts too; None is not said."""
    said = {name: value for name, value in facts.items() if value is not None}
    token = _bound.set({**_bound.get({}), **said})
    try:
        yield
    finally:
        _bound.reset(token)


@contextmanager
def kept_apart(log: logging.Logger, what: str, **facts: str) -> Iterator[None]:
    """What fails inside is said with `facts`, and keeps nobody who comes after it from their turn."""
    try:
        yield
    except HubError as error:
        log.warning("%s: %s", what, error.message, extra={**facts, "code": error.code})
    except Exception:
        log.exception("%s: met what nobody foresaw", what, extra=facts)


class Structured(logging.Filter):
    """Puts the facts of a line, its `extra` and what is `bound`, behind its message: `drained {"events": 3}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True."""
        extra = {name: value for name, value in vars(record).items() if name not in _PLAIN and value is not None}
        facts = {**_bound.get({}), **extra}
        if facts:
            record.msg, record.args = f"{record.getMessage()} {json.dumps(facts, default=str)}", ()
        return True


def logger(name: str) -> logging.Logger:
    """The module's logger. Structured by itself, since whose handlers its lines go to is for the host to say."""
    made = logging.getLogger(name)
    if not made.filters:
        made.addFilter(Structured())
    return made
