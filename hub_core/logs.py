"""Structured logs: what a line is about stands behind its sentence, as JSON."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OURS = ("hub_core", "function_app")
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


class Structured(logging.Filter):
    """Puts the facts of a line, its `extra` and what is `bound`, behind its message: `drained {"events": 3}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; other libraries' lines stay as they are."""
        if record.name.partition(".")[0] in _OURS and not getattr(record, "structured", False):
            extra = {name: value for name, value in vars(record).items() if name not in _PLAIN}
            facts = {**_bound.get({}), **{name: value for name, value in extra.items() if value is not None}}
            if facts:
                record.msg, record.args = f"{record.getMessage()} {json.dumps(facts, default=str)}", ()
            record.structured = True
        return True


def structure() -> None:
    """Have the process's handlers write structured lines; once is enough, and more do no harm."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, Structured) for one in handler.filters):
            handler.addFilter(Structured())
