"""What makes a record bad, as Spark expressions over a group's rows."""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.identifiers import quote_column
from hub_core.model import Feed
from hub_core.quality import FileRule, Rule, UniqueRule, parse_rules
from hub_core.rule_grammar import DIALECT
from spark_jobs.headers import delimiter, escape
from spark_jobs.reading import column, multiline

if TYPE_CHECKING:
    from pyspark.sql import Column
    from sqlglot import exp

REPLACEMENT = "\ufffd"
"""What a byte that does not decode turns into."""

MAX_SEARCHES = 40

WRITTEN = "spark"
"""The dialect that expressions are written in again: Databricks' has shorthands that Spark alone does not read."""

_TYPE_CALLS = frozenset({"bigint", "smallint", "tinyint", "decimal"})
"""Casts that the parser takes for any functions, unlike int(), double(), date() and their like."""


def rules_of(feed: Feed) -> tuple[Rule, ...]:
    """The feed's quality rules over a record; Rejected `BAD_RULE` where the text is none."""
    return tuple(rule for rule in parse_rules(feed.quality_rules or "") if isinstance(rule, Rule))


def file_rules_of(feed: Feed) -> tuple[FileRule, ...]:
    """The feed's quality rules over a file as a whole; Rejected `BAD_RULE` where the text is none."""
    return tuple(rule for rule in parse_rules(feed.quality_rules or "") if not isinstance(rule, Rule))


def columns_of(feed: Feed) -> list[str]:
    """The columns, and the fields within them, that the feed's quality rules name, as SQL spells them."""
    from sqlglot import exp, parse_one

    unique = [name for rule in file_rules_of(feed) if isinstance(rule, UniqueRule) for name in rule.columns]
    named = [quote_column(name) for name in unique]
    for rule in rules_of(feed):
        tree = parse_one(rule.expression, read=DIALECT)
        named += [".".join(quote_column(part.name) for part in node.parts) for node in tree.find_all(exp.Column)]
    return list(dict.fromkeys(named))


def suspicious(feed: Feed, columns: Sequence[str]) -> "Column":
    """Whether a record of the right number of fields is malformed, or may be: cheap.

    A field that a quote opens and no quote closes before the line ends is not malformed to Spark. The line on which
    it is closed ends with a quote that is part of the last field, though, and that can be seen. Only a file that ends
    within its last field's quotes has no such line: to see that, each file's quotes would have to be counted.
    """
    marks = [undecodable(columns)]
    if feed.quote and not multiline(feed):
        # Blanks may stand behind the quote, since nothing is trimmed.
        marks.append(F.coalesce(F.rtrim(column(columns[-1])).endswith(feed.quote), F.lit(False)))
    return any_of(marks)


def undecodable(columns: Sequence[str]) -> "Column":
    """Whether a field holds a byte that is none in the feed's encoding; NULL, which is no, where a field is NULL."""
    # One search a field: joining them first takes twice as long. But more searches than that make the generated code
    # of a wide row too long for the JIT.
    together = -(-len(columns) // MAX_SEARCHES)
    fields = [column(name) for name in columns]
    texts = [F.concat_ws("", *some) if together > 1 else some[0] for some in batched(fields, together)]
    return any_of([F.contains(text, F.lit(REPLACEMENT)) for text in texts])


def broken_rule(rules: Sequence[Rule]) -> "Column":
    """The name of the first rule that the record breaks, else NULL."""
    names = [F.when(broken(rule).isNotNull(), F.lit(rule.name)) for rule in rules]
    return F.coalesce(*names) if names else F.lit(None).cast("string")


def broken(rule: Rule) -> "Column":
    """Why the record breaks the rule, else NULL; a rule that is NULL is not broken, as in a SQL CHECK.

    A value that can't be cast fails no read, whatever the session's spark.sql.ansi.enabled is: it breaks the rule,
    unless that is true or false whatever the value is.
    """
    castless, uncast = _casts_tried(rule.expression)
    said = f"{rule.name}: {rule.expression}"
    verdict = F.expr(f"({rule.expression})")
    if uncast is None:
        return F.when(~verdict, F.lit(f"{said} is false"))
    # As it is written where its casts work: what a parser writes of it again may mean something else to Spark.
    failed, tried = F.expr(uncast), F.expr(f"({castless})")
    verdict = F.when(failed, tried).otherwise(verdict)
    is_false = F.when(~verdict, F.lit(f"{said} is false"))
    return is_false.when(failed & tried.isNull(), F.lit(f"{said}: a value is not of the type it is cast to"))


def _casts_tried(expression: str) -> tuple[str, str | None]:
    """A rule with its casts tried only, and when one of them fails; None where it has no cast."""
    from sqlglot import exp, parse_one

    tries: list[exp.Expression] = []

    def tried(node: "exp.Expression") -> "exp.Expression":
        to = _cast_to(node)
        if to is None:
            return node
        value = node.expressions[0] if isinstance(node, exp.Anonymous) else node.this
        tries.append(exp.TryCast(this=value, to=to, safe=True))
        return tries[-1]

    tree = parse_one(expression, read=DIALECT).transform(tried)
    if not tries:
        return expression, None
    failed = [f"({one.this.sql(WRITTEN)}) IS NOT NULL AND {one.sql(WRITTEN)} IS NULL" for one in tries]
    return tree.sql(WRITTEN), " OR ".join(f"({one})" for one in failed)


def _cast_to(node: "exp.Expression") -> "exp.DataType | None":
    """The type that `node` casts to: by CAST, `::`, or a function named as a type is; None where it is no cast."""
    from sqlglot import exp

    if type(node) is exp.Cast:
        to: exp.DataType = node.args["to"]
        return to
    named = isinstance(node, exp.Anonymous) and len(node.expressions) == 1 and node.name.lower() in _TYPE_CALLS
    return exp.DataType.build(node.name, dialect=DIALECT) if named else None


def unclosed(feed: Feed) -> str | None:
    """A Java pattern for lines in which a quote opens a field and none closes it; None without quotes."""
    if not feed.quote or multiline(feed):
        return None
    quote, sep, escaping = literally(feed.quote), literally(delimiter(feed)), escape(feed)
    inside = (
        f"[^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+"
        if escaping in {feed.quote, ""}
        else f"(?:[^{quote}{literally(escaping)}]|{literally(escaping)}.)*+"
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


def literally(text: str) -> str:
    """`text` as a Java pattern that matches just it, in and outside of brackets."""
    return "".join(f"\\x{{{ord(char):x}}}" for char in text)
