"""A feed's rule language on any DataFrame: what a CSV's `quality_rules` say of files, for silver and gold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.errors import Rejected
from hub_core.quality import RowCountRule, Rule, UniqueRule, parse_rules
from spark_jobs.checks import any_of, broken_rule
from spark_jobs.reading import column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RULE = "_rule"


class RulesBroken(Exception):
    """Data that breaks rules; `failed` is `Checked.failed`."""

    def __init__(self, failed: Mapping[str, int], texts: Mapping[str, str]) -> None:
        said = "; ".join(f"{name} ({texts[name]}): {count:,} records" for name, count in failed.items())
        super().__init__(f"the data breaks quality rules: {said}")
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Checked:
    """A DataFrame held against rules."""

    good: "DataFrame"
    """The records that break none."""
    bad: "DataFrame"
    """The others, with the first rule that each breaks in `_rule`."""
    failed: Mapping[str, int]
    """By the name of each broken rule the records that break it, or of a `row_count` rule all good records."""
    rules: Mapping[str, str]
    """The expressions by name."""

    @property
    def passed(self) -> bool:
        """Whether no rule is broken."""
        return not self.failed

    def require(self) -> "DataFrame":
        """The records, all of them good; RulesBroken otherwise."""
        if self.failed:
            raise RulesBroken(self.failed, self.rules)
        return self.good


def check(frame: "DataFrame", rules: str) -> Checked:
    """Hold `frame` against `rules`, e.g. `positive: amount > 0; enough: row_count >= 1; one_each: unique(id)`.

    As in a SQL CHECK, NULL breaks no rule over a record. Reads `frame` once to count; Rejected `BAD_RULE` for a rule
    that is none, or not to be run.
    """
    parsed = parse_rules(rules)
    if RULE in frame.columns:
        raise Rejected("BAD_RULE", f"the data has a column {RULE} already")
    judged = frame.withColumn(RULE, broken_rule([rule for rule in parsed if isinstance(rule, Rule)]))
    for rule in parsed:
        if isinstance(rule, UniqueRule):
            judged = _with_repeats(judged, rule)
    counts = {row[RULE]: row["count"] for row in judged.groupBy(RULE).count().collect()}
    good = counts.pop(None, 0)
    counts |= {rule.name: good for rule in parsed if isinstance(rule, RowCountRule) and not rule.holds(good)}
    return Checked(
        good=judged.where(F.col(RULE).isNull()).drop(RULE),
        bad=judged.where(F.col(RULE).isNotNull()),
        failed={rule.name: counts[rule.name] for rule in parsed if rule.name in counts},
        rules={rule.name: rule.expression for rule in parsed},
    )


def _with_repeats(judged: "DataFrame", rule: UniqueRule) -> "DataFrame":
    """All good records of a key that more than one has are judged by `rule`; a key with a NULL in it is nobody's."""
    good, keys = F.col(RULE).isNull(), [column(name) for name in rule.columns]
    alike = F.count("*").over(Window.partitionBy(good, *keys))
    repeated = good & ~any_of([key.isNull() for key in keys]) & (alike > 1)
    return judged.withColumn(RULE, F.when(repeated, F.lit(rule.name)).otherwise(F.col(RULE)))
