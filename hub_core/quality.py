"""A feed's quality rules: `name: SQL expression; name: SQL expression`."""

import re
from dataclasses import dataclass

from hub_core import rule_grammar
from hub_core.errors import Rejected

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; a record for which `expression` is FALSE breaks it (NULL does not, as in a SQL CHECK)."""

    name: str
    expression: str


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a `quality_rules` cell, in order; Rejected `BAD_RULE` for one without a name, or not to be run."""
    rules: list[Rule] = []
    for part in _split(text):
        name, colon, expression = part.partition(":")
        name, expression = name.strip(), expression.strip()
        if not colon or _NAME.fullmatch(name) is None or not expression:
            raise Rejected("BAD_RULE", f"{part.strip()!r} is not `name: expression`")
        if any(rule.name == name for rule in rules):
            raise Rejected("BAD_RULE", f"two rules are called {name!r}")
        problem = rule_grammar.problem_of(expression)
        if problem:
            raise Rejected("BAD_RULE", f"{name}: {expression[:200]!r} {problem}")
        rules.append(Rule(name, expression))
    return tuple(rules)


def _split(text: str) -> list[str]:
    """`text` at the semicolons that stand outside quotes; empty parts are dropped."""
    parts, current, quoted = [], "", ""
    for char in text:
        if quoted:
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
