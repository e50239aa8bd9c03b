"""What makes a record bad, as Spark expressions over a group's rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.model import Feed
from hub_core.quality import FileRule, Rule, UniqueRule, parse_rules
from hub_core.rule_grammar import DIALECT
from spark_jobs.headers import CORRUPT_COLUMN, delimiter, escape
from spark_jobs.reading import column, multiline

if TYPE_CHECKING:
    from pyspark.sql import Column

REPLACEMENT = "\ufffd"
"""What a byte that does not decode turns into."""


def rules_of(feed: Feed) -> tuple[Rule, ...]:
    """The feed's quality rules over a record; Rejected `BAD_RULE` where the text is none."""
    return tuple(rule for rule in parse_rules(feed.quality_rules or "") if isinstance(rule, Rule))


def file_rules_of(feed: Feed) -> tuple[FileRule, ...]:
    """The feed's quality rules over a file as a whole; Rejected `BAD_RULE` where the text is none."""
    return tuple(rule for rule in parse_rules(feed.quality_rules or "") if not isinstance(rule, Rule))


def columns_of(feed: Feed) -> list[str]:
    """The columns that the feed's quality rules name."""
    from sqlglot import exp, parse_one

    named = [name for rule in file_rules_of(feed) if isinstance(rule, UniqueRule) for name in rule.columns]
    for rule in rules_of(feed):
        tree = parse_one(rule.expression, read=DIALECT)
        # Of `column.field` the first part.
        named += [node.parts[0].name for node in tree.find_all(exp.Column)]
    return list(dict.fromkeys(named))


def suspicious(feed: Feed, columns: Sequence[str]) -> "Column":
    """Whether a delimited record is malformed, or may be: cheap, and never false for one that is.

    A field that a quote opens and no quote closes before the line ends is not malformed to Spark. The line on which
    it is closed ends with a quote that is part of the last field, though, and that can be seen.
    """
    marks = [column(CORRUPT_COLUMN).isNotNull(), undecodable(columns)]
    if feed.quote and not multiline(feed):
        marks.append(F.coalesce(column(columns[-1]).endswith(feed.quote), F.lit(False)))
    return any_of(marks)


def undecodable(columns: Sequence[str]) -> "Column":
    """Whether a field holds a byte that is none in the feed's encoding."""
    # One search in all fields at once: one a field makes the generated code of a wide row too long for the JIT.
    return F.contains(F.concat_ws("", *[column(name) for name in columns]), F.lit(REPLACEMENT))


def broken_rule(rules: Sequence[Rule]) -> "Column":
    """The name of the first rule that is FALSE for the record, else NULL; NULL breaks no rule, as in a SQL CHECK."""
    names = [F.when(~F.expr(f"({rule.expression})"), F.lit(rule.name)) for rule in rules]
    return F.coalesce(*names) if names else F.lit(None).cast("string")


def unclosed(feed: Feed) -> str | None:
    """A Java pattern for lines in which a quote opens a field and none closes it; None without quotes."""
    if not feed.quote or multiline(feed):
        return None
    quote, sep, escaping = _java(feed.quote), _java(delimiter(feed)), escape(feed)
    inside = (
        f"[^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+"
        if escaping in {feed.quote, ""}
        else f"(?:[^{quote}{_java(escaping)}]|{_java(escaping)}.)*+"
    )
    plain = f"(?:(?!{sep}).)*+"
    field = f"(?:{quote}{inside}{quote}{plain}|(?!{quote}){plain})"
    return f"(?s)^(?:{field}{sep})*+{quote}{inside}$"


def any_of(conditions: Sequence["Column"]) -> "Column":
    """Whether one of `conditions` is true; as a balanced tree, since Spark Connect refuses deeply nested messages."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return any_of(conditions[:middle]) | any_of(conditions[middle:])


def _java(text: str) -> str:
    """`text` as a literal of a Java pattern, in and outside of brackets."""
    return "".join(f"\\x{{{ord(char):x}}}" for char in text)
