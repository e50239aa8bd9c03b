"""Azure Pipelines' template expressions, as far as the project's files use them; anything else is refused.

https://learn.microsoft.com/azure/devops/pipelines/process/expressions
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w]*)|(?P<mark>[().,\[\]]))")


class ExpressionError(ValueError):
    """Not an expression, or one that this evaluator does not know."""


def _truth(value: Any) -> bool:
    return value not in (None, "", False, 0)


def _coalesce(*values: Any) -> Any:
    return next((one for one in values if one not in (None, "")), values[-1])


def _equal(left: Any, right: Any) -> bool:
    # As in Azure Pipelines, text is compared without regard to case, and null is like empty text.
    return str("" if left is None else left).lower() == str("" if right is None else right).lower()


_FUNCTIONS = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "not": lambda value: not _truth(value),
    "and": lambda *values: all(map(_truth, values)),
    "or": lambda *values: any(map(_truth, values)),
    "coalesce": _coalesce,
    "format": lambda pattern, *values: pattern.format(*values),
}


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """The value of what stands between `${{` and `}}`."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(expression.rstrip()):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise ExpressionError(f"{expression!r} at {position}")
        tokens.append((str(match.lastgroup), match.group().strip()))
        position = match.end()
    value, rest = _value(tokens, names)
    if rest:
        raise ExpressionError(f"{expression!r}: {rest}")
    return value


def _value(tokens: list[tuple[str, str]], names: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    if not tokens:
        raise ExpressionError("it ends too early")
    (kind, word), *rest = tokens
    if kind == "string":
        return word[1:-1].replace("''", "'"), rest
    if kind != "name":
        raise ExpressionError(f"unexpected {word}")
    if rest and rest[0][1] == "(":
        if word not in _FUNCTIONS:
            raise ExpressionError(f"the function {word} is not known here")
        rest = rest[1:]
        arguments = []
        while rest[0][1] != ")":
            one, rest = _value(rest, names)
            arguments.append(one)
            if rest[0][1] == ",":
                rest = rest[1:]
        return _FUNCTIONS[word](*arguments), rest[1:]
    if word not in names:
        raise ExpressionError(f"nothing is called {word}")
    value = names[word]
    while rest and rest[0][1] in {".", "["}:
        if rest[0][1] == ".":
            key, rest = rest[1][1], rest[2:]
        else:
            key, rest = _value(rest[1:], names)
            rest = rest[1:]
        if word == "parameters" and value is names[word] and key not in value:
            raise ExpressionError(f"the parameter {key} is not declared")
        value = value.get(key) if isinstance(value, Mapping) else None
    return value, rest
