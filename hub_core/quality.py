"""A feed's quality rules: `name: SQL expression; name: row_count >= n; name: unique(column, …)`."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from hub_core import rule_grammar
from hub_core.errors import Rejected

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_COLUMN = r"(?:`(?:[^`]|``)+`|\w+)"
_ROW_COUNT = re.compile(r"row_count\s*(>=|<=|==?|>|<)\s*([0-9]{1,18})", re.IGNORECASE)
_UNIQUE = re.compile(rf"unique\s*\(\s*({_COLUMN}(?:\s*,\s*{_COLUMN})*)\s*\)", re.IGNORECASE)
_OF_A_FILE = re.compile(r"(?:row_count\b|unique\s*\()", re.IGNORECASE)
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge, "<=": operator.le, "=": operator.eq, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; a record for which `expression` is FALSE breaks it (NULL does not, as in a SQL CHECK)."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class RowCountRule:
    """A rule over a file: how many good records it has."""

    name: str
    expression: str

    def holds(self, row_count: int) -> bool:
        """Whether a file of `row_count` good records keeps it."""
        found = _ROW_COUNT.fullmatch(self.expression)
        if found is None:
            raise ValueError(self.expression)
        return _COMPARISONS[found[1]](row_count, int(found[2]))


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """A rule over a file: no two good records have the same values in `columns`; NULL is the same as nothing."""

    name: str
    expression: str
    columns: tuple[str, ...]


type FileRule = RowCountRule | UniqueRule


def parse_rules(text: str) -> tuple[Rule | FileRule, ...]:
    """The rules of a `quality_rules` cell, in order; Rejected `BAD_RULE` for one without a name, or not to be run."""
    rules: list[Rule | FileRule] = []
    for part in _split(text):
        name, colon, expression = part.partition(":")
        name, expression = name.strip(), expression.strip()
        if not colon or _NAME.fullmatch(name) is None or not expression:
            raise Rejected("BAD_RULE", f"{part.strip()!r} is not `name: expression`")
        if any(rule.name == name for rule in rules):
            raise Rejected("BAD_RULE", f"two rules are called {name!r}")
        rules.append(_rule(name, expression))
    return tuple(rules)


def _rule(name: str, expression: str) -> Rule | FileRule:
    if _ROW_COUNT.fullmatch(expression):
        return RowCountRule(name, expression)
    unique = _UNIQUE.fullmatch(expression)
    if unique:
        spelled = re.findall(_COLUMN, unique[1])
        return UniqueRule(name, expression, tuple(_unquoted(column) for column in spelled))
    if _OF_A_FILE.match(expression):
        message = "is no rule over a file: write `row_count >= 100`, or `unique(column, column)`"
        raise Rejected("BAD_RULE", f"{name}: {expression[:200]!r} {message}")
    problem = rule_grammar.problem_of(expression)
    if problem:
        raise Rejected("BAD_RULE", f"{name}: {expression[:200]!r} {problem}")
    return Rule(name, expression)


def _unquoted(column: str) -> str:
    return column[1:-1].replace("``", "`") if column.startswith("`") else column


def _split(text: str) -> list[str]:
    """`text` at the semicolons that stand outside quotes; empty parts are dropped.

    As in Spark, a backslash in a literal takes the next character as it is.
    """
    parts, current, quoted, taken = [], "", "", False
    for char in text:
        if taken:
            taken = False
        elif quoted:
            taken = char == "\\" and quoted != "`"
            quoted = "" if char == quoted else quoted
        elif char in "'\"`":
            quoted = char
        elif char == ";":
            parts.append(current)
            current = ""
            continue
        current += char
    if quoted:
        raise Rejected("BAD_RULE", f"a {quoted} is not closed")
    parts.append(current)
    return [part for part in parts if part.strip()]
