"""Which function answers a method and a path: route templates as ASP.NET Core reads them."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local_stack.functions_host.errors import StartFailed, Unsupported

type Check = Callable[[str], bool]

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_][\w-]*)((?::[^{}:()?=]+(?:\((?:[^()]|\([^()]*\))*\))?)*)(\?|=[^}]*)?\}")
_CONSTRAINT = re.compile(r":([^:()]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")
_GUID = re.compile(r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Route:
    """A template in matchable form; `precedence` orders routes, the more literal first."""

    template: str
    pattern: re.Pattern[str]
    checks: tuple[tuple[str, Check], ...]
    defaults: Mapping[str, str]
    precedence: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parameters, or None when it is not this route's. The path is still percent-encoded."""
        found = self.pattern.fullmatch(path)
        if not found:
            return None
        values = {name: decoded(value) for name, value in found.groupdict().items() if value}
        if not all(check(values[name]) for name, check in self.checks if name in values):
            return None
        return {**self.defaults, **values}


@dataclass(frozen=True, slots=True)
class Target[T]:
    """What a route leads to, by which methods; no methods means any."""

    route: Route
    methods: frozenset[str]
    value: T


class RouteTable[T]:
    """Routes in order of precedence."""

    def __init__(self, targets: Iterable[Target[T]]) -> None:
        self._targets = sorted(targets, key=lambda t: t.route.precedence)

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """The target and the route parameters; None (404) also when only the method differs.

        The real host makes the method a route constraint, so a wrong method is 404 there too, not 405
        (Azure/azure-functions-host#10098).
        """
        path = path.strip("/")
        for target in self._targets:
            if target.methods and method not in target.methods:
                continue
            values = target.route.match(path)
            if values is not None:
                return target.value, values
        return None


def parse_route(template: str) -> Route:
    """A template such as `loads/{id:guid}/files` or `raw/{*path}`; refuses what it can't honour."""
    pattern, precedence = "", []
    checks: list[tuple[str, Check]] = []
    defaults: dict[str, str] = {}
    segments = template.strip("/").split("/") if template.strip("/") else []
    for number, segment in enumerate(segments):
        text, rank = _segment(template, segment, checks, defaults, last=number == len(segments) - 1)
        slash = "/" if number else ""
        pattern += f"(?:{slash}{text})?" if rank.optional else slash + text
        precedence.append(rank.order)
    return Route(template, re.compile(pattern, re.IGNORECASE), tuple(checks), defaults, tuple(precedence))


def decoded(value: str) -> str:
    """A percent-encoded segment decoded, `%2F` excepted: ASP.NET Core leaves that as it came."""
    return "%2F".join(unquote(part) for part in re.split("%2F", value, flags=re.IGNORECASE))


@dataclass(frozen=True, slots=True)
class _Rank:
    order: int
    optional: bool = False


def _segment(
    template: str, segment: str, checks: list[tuple[str, Check]], defaults: dict[str, str], *, last: bool
) -> tuple[str, _Rank]:
    """A segment's pattern, and its ASP.NET order: 1 literal, 2 constrained, 3 parameter, 4 and 5 catch-all."""
    whole = _PARAMETER.fullmatch(segment)
    if whole:
        stars, name, constraints, tail = whole.groups()
        group = _group(template, name)
        found = list(_constraints(template, group, constraints))
        checks.extend(found)
        if tail and tail.startswith("="):
            defaults[group] = tail[1:]
        optional = last and bool(tail)
        if stars:
            if not last:
                raise StartFailed(f"route {template!r}: a catch-all parameter must come last")
            return f"(?P<{group}>.*)", _Rank(4 if found else 5, optional=True)
        return f"(?P<{group}>[^/]+)", _Rank(2 if found else 3, optional)
    pattern, position, parameters = "", 0, 0
    for part in _PARAMETER.finditer(segment):
        stars, name, constraints, tail = part.groups()
        if stars or tail:
            raise Unsupported(f"route {template!r}: {part.group()} must be a whole segment")
        group = _group(template, name)
        checks.extend(_constraints(template, group, constraints))
        pattern += _literal(template, segment[position : part.start()]) + f"(?P<{group}>[^/]+)"
        position, parameters = part.end(), parameters + 1
    pattern += _literal(template, segment[position:])
    return pattern, _Rank(2 if parameters else 1)


def _literal(template: str, text: str) -> str:
    if "{" in text or "}" in text:
        raise Unsupported(f"route {template!r}: {text!r} is not understood")
    return re.escape(text)


def _group(template: str, name: str) -> str:
    if not name.isidentifier():
        raise Unsupported(f"route {template!r}: parameter {name!r} must be an identifier")
    return name


def _constraints(template: str, name: str, text: str) -> Iterable[tuple[str, Check]]:
    for found in _CONSTRAINT.finditer(text):
        kind, argument = found.group(1).strip().lower(), found.group(2)
        try:
            yield name, _check(kind, argument)
        except (KeyError, TypeError, ValueError):
            raise Unsupported(f"route {template!r}: constraint {found.group()[1:]!r} is not supported") from None


def _check(kind: str, argument: str | None) -> Check:
    if argument is None:
        return _PLAIN[kind]
    if kind == "regex":
        pattern = re.compile(argument.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    numbers = [int(part) for part in argument.split(",")]
    match kind, numbers:
        case "min", [low]:
            return lambda value: _integer(64)(value) and int(value) >= low
        case "max", [high]:
            return lambda value: _integer(64)(value) and int(value) <= high
        case "range", [low, high]:
            return lambda value: _integer(64)(value) and low <= int(value) <= high
        case "minlength", [low]:
            return lambda value: len(value) >= low
        case "maxlength", [high]:
            return lambda value: len(value) <= high
        case "length", [exact]:
            return lambda value: len(value) == exact
        case "length", [low, high]:
            return lambda value: low <= len(value) <= high
        case _:
            raise ValueError(kind)


def _integer(bits: int) -> Check:
    def check(value: str) -> bool:
        return re.fullmatch(r"[+-]?\d{1,19}", value) is not None and -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1)

    return check


def _number(value: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", value, re.IGNORECASE) is not None


_PLAIN: Mapping[str, Check] = {
    "int": _integer(32),
    "long": _integer(64),
    "guid": lambda value: _GUID.match(value) is not None,
    "bool": lambda value: value.lower() in {"true", "false"},
    "alpha": lambda value: re.fullmatch("[a-z]*", value, re.IGNORECASE) is not None,
    "decimal": _number,
    "double": _number,
    "float": _number,
    "required": lambda value: value != "",
}
