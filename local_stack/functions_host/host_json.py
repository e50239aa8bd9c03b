"""host.json, with the host's defaults: what this host honours of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from local_stack.functions_host.errors import StartFailed, Unsupported

# The host reads app settings of this prefix as host.json paths, `__` between the names.
OVERRIDE_PREFIX = "AzureFunctionsJobHost__"

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):([0-5]?\d):([0-5]?\d)(?:\.(\d{1,7}))?$")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How queues are polled (`extensions.queues`); times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    visibility_timeout: float = 0.0
    max_dequeue_count: int = 5
    max_polling_interval: float = 60.0
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HostJson:
    """The app's host.json; `function_timeout` in seconds, None for unlimited."""

    route_prefix: str = "api"
    queues: QueueOptions = QueueOptions()
    function_timeout: float | None = 1800.0
    has_bundle: bool = False
    """Whether it names an extension bundle: all triggers but HTTP's and timers' come with that."""
    ignored: tuple[str, ...] = ()


def time_span(text: str) -> timedelta:
    """A .NET TimeSpan, `[d.]hh:mm:ss[.fffffff]`.

    24 or more before the first colon are days, not hours: `24:00:00` is 24 days.
    """
    found = _TIME_SPAN.match(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a TimeSpan; write hh:mm:ss, as in 00:00:30")
    days, hours, minutes, seconds, fraction = found.groups()
    part = timedelta(minutes=int(minutes), seconds=int(seconds) + float(f"0.{fraction or 0}"))
    if days is None and int(hours) >= 24:
        return timedelta(days=int(hours)) + part
    return timedelta(days=int(days or 0), hours=int(hours)) + part


def read_host_json(app: Path, environment: Mapping[str, str]) -> HostJson:
    """The app's host.json with the overrides among its app settings."""
    path = app / "host.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StartFailed(f"{path} is missing: the Functions host needs it beside function_app.py") from None
    except json.JSONDecodeError as error:
        raise StartFailed(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise StartFailed(f'{path} must be an object with "version": "2.0"')
    for name, value in environment.items():
        if name.lower().startswith(OVERRIDE_PREFIX.lower()):
            _override(document, name[len(OVERRIDE_PREFIX) :].split("__"), value)
    return parse_host_json(document)


def parse_host_json(document: Mapping[str, Any]) -> HostJson:
    """What the host makes of a host.json; names are matched as .NET does, whatever their case."""
    root = _fold(document)
    extensions = _fold(root.get("extensions", {}))
    http = _fold(extensions.get("http", {}))
    queues = _fold(extensions.get("queues", {}))
    if "retry" in root:
        raise Unsupported("host.json: retry is not supported by this host")
    try:
        return HostJson(
            route_prefix=str(http.pop("routeprefix", "api")).strip("/"),
            queues=_queue_options(queues),
            function_timeout=_timeout(root.get("functiontimeout")),
            has_bundle=bool(_fold(root.get("extensionbundle", {})).get("id")),
            ignored=tuple(f"extensions.http.{k}" for k in http) + tuple(f"extensions.queues.{k}" for k in queues),
        )
    except (TypeError, ValueError) as error:
        raise StartFailed(f"host.json: {error}") from error


def _queue_options(queues: dict[str, Any]) -> QueueOptions:
    batch_size = int(queues.pop("batchsize", 16))
    options = QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=int(queues.pop("newbatchthreshold", batch_size // 2)),
        visibility_timeout=time_span(str(queues.pop("visibilitytimeout", "00:00:00"))).total_seconds(),
        max_dequeue_count=int(queues.pop("maxdequeuecount", 5)),
        max_polling_interval=_polling_interval(queues.pop("maxpollinginterval", "00:01:00")),
        base64=_encoding(queues.pop("messageencoding", "base64")) == "base64",
    )
    if not 1 <= options.batch_size <= 32:
        raise ValueError("extensions.queues.batchSize must be 1 to 32, what one GetMessages call returns")
    if options.max_dequeue_count < 1 or options.new_batch_threshold < 0:
        raise ValueError("extensions.queues: maxDequeueCount is at least 1, newBatchThreshold at least 0")
    return options


def _polling_interval(value: object) -> float:
    """Seconds; host.json version 2 also takes a number, which is milliseconds."""
    seconds = value / 1000 if isinstance(value, int) else time_span(str(value)).total_seconds()
    if seconds < 0.1:
        raise ValueError("extensions.queues.maxPollingInterval must be at least 00:00:00.100")
    return float(seconds)


def _encoding(value: object) -> str:
    encoding = str(value).lower()
    if encoding not in {"base64", "none"}:
        raise ValueError(f"extensions.queues.messageEncoding is base64 or none, not {value!r}")
    return encoding


def _timeout(value: object) -> float | None:
    """The Flex Consumption default is 30 minutes; -1 means unlimited."""
    if value is None:
        return 1800.0
    return None if str(value) == "-1" else time_span(str(value)).total_seconds()


def _fold(section: object) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        raise StartFailed(f"host.json: an object is expected, not {section!r}")
    return {str(name).lower(): value for name, value in section.items()}


def _override(document: dict[str, Any], path: list[str], value: str) -> None:
    *sections, last = path
    for name in sections:
        document = document.setdefault(_as_spelled(document, name), {})
    document[_as_spelled(document, last)] = value


def _as_spelled(section: Mapping[str, Any], name: str) -> str:
    return next((known for known in section if known.lower() == name.lower()), name)
