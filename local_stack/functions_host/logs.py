"""Log lines on stdout: time, level, the function that speaks, the message; never a key."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping

import azure_functions_runtime as runtime

_SECRET = re.compile(r"""((?:[?&](?:code|sig)|AccountKey)=)[^&\s"';,)]+""", re.IGNORECASE)
_MASK = "***"
# Masking shorter ones would mangle ordinary words.
MIN_SECRET = 8


class LineFormatter(logging.Formatter):
    """One line a record, secrets masked wherever they stand, tracebacks included."""

    def __init__(self, secrets: Iterable[str], running: Mapping[str, str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(source)s %(message)s")
        self._secrets = [secret for secret in secrets if len(secret) >= MIN_SECRET]
        self._running = running

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; a function's own lines bear its name."""
        # The worker sets the variable in the thread in which a function runs.
        record.source = self._running.get(runtime.invocation_id_cv.get() or "", _short(record.name))
        return masked(super().format(record), self._secrets)


def _short(logger: str) -> str:
    """The host's own modules speak as `host`."""
    return "host" if logger.startswith("local_stack.functions_host") else logger


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the given secrets, and without keys in URLs and connection strings."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return _SECRET.sub(rf"\1{_MASK}", text)


def set_up_logging(secrets: Iterable[str], running: Mapping[str, str]) -> None:
    """Send all logging to stdout; the libraries' own chatter only from warnings on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter(secrets, running))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # azure.functions is the worker's own logger, azure.core logs every storage request with its headers.
    for name in ("azure", "azure.functions", "asyncio", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
