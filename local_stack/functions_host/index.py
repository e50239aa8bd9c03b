"""The app's functions: typed triggers and outputs out of the worker's raw bindings, or a refusal by name."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local_stack.functions_host.errors import StartFailed, Unsupported


class AuthLevel(StrEnum):
    """Which key an HTTP function wants."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Calls by HTTP; no methods means any."""

    param: str
    route: str
    methods: frozenset[str]
    auth_level: AuthLevel


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Calls by message; `connection` is the storage account's connection string."""

    param: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    """Calls by event: one each, or the whole delivery when the binding's cardinality is many."""

    param: str
    many: bool


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Calls by schedule: NCRONTAB or TimeSpan."""

    param: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


type Trigger = HttpTrigger | QueueTrigger | EventGridTrigger | TimerTrigger


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """Messages that a function sends through the binding called `param` (`$return` for its result)."""

    param: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function; `raw_bindings` as the worker declared them, for the admin API."""

    id: str
    name: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...]
    disabled: bool
    raw_bindings: tuple[str, ...]


_SETTING = re.compile(r"%([^%]+)%")


def index_functions(metadata: Iterable[Any], settings: Mapping[str, str]) -> tuple[Function, ...]:
    """The functions of the worker's metadata, by name; fails when there are none, or two of one name."""
    functions = tuple(sorted((_function(found, settings) for found in metadata), key=lambda f: f.name.lower()))
    if not functions:
        raise StartFailed(
            "the worker indexed zero functions: function_app.py must exist beside host.json, a module or package "
            "of its name must expose exactly one FunctionApp, and each binding must be in its function's signature"
        )
    for one, other in itertools.pairwise(functions):
        if one.name.lower() == other.name.lower():
            raise StartFailed(f"two functions are called {one.name!r}")
    return functions


def resolve_settings(text: str, settings: Mapping[str, str], where: str) -> str:
    """The text with each `%NAME%` replaced by the app setting NAME."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in settings:
            raise StartFailed(f"{where}: %{name}% is not among the app settings")
        return settings[name]

    return _SETTING.sub(value, text)


def storage_connection(name: str, settings: Mapping[str, str], where: str) -> str:
    """The connection string that a binding's `connection` means; the host looks at AzureWebJobs<name> first."""
    name = name or "AzureWebJobsStorage"
    for candidate in (f"AzureWebJobs{name}", name):
        if settings.get(candidate):
            return settings[candidate]
    if any(setting.startswith(f"{name}__") for setting in settings):
        raise Unsupported(f"{where}: identity-based connection {name}__… needs Entra ID; give a connection string")
    raise StartFailed(f"{where}: app setting {name} is missing; it holds the storage account's connection string")


def _function(metadata: Any, settings: Mapping[str, str]) -> Function:
    name = str(metadata.name)
    if metadata.retry_options is not None:
        raise Unsupported(f"function {name}: retry policies are not supported by this host")
    bindings = [json.loads(raw) for raw in metadata.raw_bindings]
    triggers = [b for b in bindings if str(b["type"]).lower().endswith("trigger")]
    if len(triggers) != 1:
        raise StartFailed(f"function {name} has {len(triggers)} triggers; a function has one")
    trigger = _trigger(name, triggers[0], settings)
    others = [b for b in bindings if b is not triggers[0]]
    outputs = tuple(o for b in others if (o := _output(name, b, trigger, settings)) is not None)
    return Function(
        id=str(metadata.function_id),
        name=name,
        trigger=trigger,
        outputs=outputs,
        disabled=settings.get(f"AzureWebJobs.{name}.Disabled", "").lower() in {"1", "true"},
        raw_bindings=tuple(metadata.raw_bindings),
    )


def _trigger(function: str, binding: Mapping[str, Any], settings: Mapping[str, str]) -> Trigger:
    kind, param = str(binding["type"]), str(binding["name"])
    where = f"function {function}: binding {param!r} ({kind})"

    def text(name: str, default: str = "") -> str:
        return resolve_settings(str(binding.get(name) or default), settings, where)

    match kind:
        case "httpTrigger":
            return HttpTrigger(
                param=param,
                route=text("route", function).strip("/"),
                methods=frozenset(str(m).upper() for m in binding.get("methods") or ()),
                auth_level=AuthLevel(text("authLevel", "function").lower()),
            )
        case "queueTrigger":
            return QueueTrigger(
                param=param,
                queue=text("queueName"),
                connection=storage_connection(text("connection"), settings, where),
            )
        case "eventGridTrigger":
            return EventGridTrigger(param=param, many=text("cardinality", "one").lower() == "many")
        case "timerTrigger":
            return TimerTrigger(
                param=param,
                schedule=text("schedule"),
                run_on_startup=_flag(binding.get("runOnStartup"), default=False),
                use_monitor=_flag(binding.get("useMonitor"), default=True),
            )
        case _:
            raise Unsupported(f"{where} is not supported by this host")


def _output(
    function: str, binding: Mapping[str, Any], trigger: Trigger, settings: Mapping[str, str]
) -> QueueOutput | None:
    kind, param, direction = str(binding["type"]), str(binding["name"]), str(binding.get("direction", "")).lower()
    where = f"function {function}: binding {param!r} ({kind}, {direction})"
    if kind == "http" and direction == "out" and isinstance(trigger, HttpTrigger):
        return None
    if kind == "queue" and direction == "out":
        queue = resolve_settings(str(binding.get("queueName") or ""), settings, where)
        return QueueOutput(param, queue, storage_connection(str(binding.get("connection") or ""), settings, where))
    raise Unsupported(f"{where} is not supported by this host")


def _flag(value: object, *, default: bool) -> bool:
    return default if value is None else str(value).lower() == "true"
