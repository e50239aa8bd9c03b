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
    """Whether a record of the right number of fields is malformed, or may be: cheap, and never false for one that is.

    A field that a quote opens and no quote closes before the line ends is not malformed to Spark. The line on which
    it is closed ends with a quote that is part of the last field, though, and that can be seen.
    """
    marks = [undecodable(columns)]
    if feed.quote and not multiline(feed):
        marks.append(F.coalesce(column(columns[-1]).endswith(feed.quote), F.lit(False)))
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
    """The name of the first rule that is FALSE for the record, else NULL; NULL breaks no rule, as in a SQL CHECK."""
    names = [F.when(~F.expr(f"({rule.expression})"), F.lit(rule.name)) for rule in rules]
    return F.coalesce(*names) if names else F.lit(None).cast("string")


def broken(rule: Rule) -> "Column":
    """Why the record breaks the rule, else NULL: as `broken_rule`, but a value that can't be cast fails no read.

    It breaks the rule, unless that is true or false whatever the value is.
    """
    castless, uncast = _casts_tried(rule.expression)
    said = f"{rule.name}: {rule.expression}"
    verdict = F.expr(f"({castless})")
    is_false = F.when(~verdict, F.lit(f"{said} is false"))
    if uncast is None:
        return is_false
    return is_false.when(verdict.isNull() & F.expr(uncast), F.lit(f"{said}: a value is not of the type it is cast to"))


def _casts_tried(expression: str) -> tuple[str, str | None]:
    """A rule with its casts tried only, and when one of them fails; None where it has no cast."""
    from sqlglot import exp, parse_one

    def tried(node: "exp.Expression") -> "exp.Expression":
        return exp.TryCast(this=node.this, to=node.args["to"]) if type(node) is exp.Cast else node

    tree = parse_one(expression, read=DIALECT)
    if not any(type(node) is exp.Cast for node in tree.walk()):
        return expression, None
    tree = tree.transform(tried)
    failed = [
        f"({node.this.sql(DIALECT)}) IS NOT NULL AND {node.sql(DIALECT)} IS NULL" for node in tree.find_all(exp.TryCast)
    ]
    return tree.sql(DIALECT), " OR ".join(f"({one})" for one in failed)


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
