"""Every record of a group with its verdict: the validating pass, the good rows, and the quarantine's rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.codes import FileError
from hub_core.model import Feed, FileFormat, FileStatus
from hub_core.quality import RowCountRule, UniqueRule
from spark_jobs.checks import any_of, broken_rule, file_rules_of, rules_of, unclosed, undecodable
from spark_jobs.claims import OpenClaim, Problem, Rejects
from spark_jobs.headers import CORRUPT_COLUMN, HUB_PREFIX
from spark_jobs.reading import (
    claimed_rows,
    column,
    delimited_lines,
    delimited_options,
    delimited_rows,
    multiline,
    parquet_rows,
    with_claims,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MALFORMED = "malformed"
_EXAMPLE_CHARACTERS = 200


def judged(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], torn: Sequence[str] = ()
) -> "DataFrame":
    """The records, their claims, `_hub_raw`, `_hub_rule` (NULL: good), `_hub_reason`, `_hub_open`, `_hub_half`.

    `torn` are the tracker_ids of files in which a quote is left open: there, a line with an odd number of quotes is
    the rest of a torn record, while elsewhere it may be an inch mark.
    """
    feed = claims[0].feed
    rules = rules_of(feed)
    if feed.file_format is FileFormat.PARQUET:
        rows, marks = with_claims(spark, parquet_rows(spark, claims), claims), None
        # Those of these files: `columns` may be of more files, some of which have others.
        columns = [name for name in rows.columns if not name.startswith(HUB_PREFIX)]
    elif multiline(feed):
        rows = claimed_rows(spark, claims, lambda some: delimited_rows(spark, some, columns))
        marks = (F.lit(False), F.lit(False))
    else:
        rows = _parsed_lines(spark, claims, columns)
        marks = _torn_marks(feed)
    everything = [column(name) for name in columns]
    if marks is None:
        raw, malformed, (opened, half) = None, F.lit(None).cast("string"), (F.lit(False), F.lit(False))
    else:
        opened, half = marks
        raw = F.col("_hub_raw") if not multiline(feed) else F.col(CORRUPT_COLUMN)
        rest = half & F.col("_hub_tracker_id").isin(list(torn)) if torn else F.lit(False)
        malformed = _malformed(feed, columns, opened | rest)
    as_json = F.to_json(F.struct(*everything)) if everything else F.lit(None).cast("string")
    broken = broken_rule(rules)
    texts = [F.when(broken == rule.name, F.lit(f"{rule.name}: {rule.expression} is false")) for rule in rules]
    return rows.withColumns(
        {
            "_hub_raw": as_json if raw is None else F.coalesce(raw, as_json),
            "_hub_rule": F.when(malformed.isNotNull(), F.lit(MALFORMED)).otherwise(broken),
            "_hub_reason": F.coalesce(malformed, *texts),
            "_hub_open": opened,
            "_hub_half": half,
        }
    )


def validated(spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str]) -> dict[str, Rejects]:
    """What is bad in each file, by tracker_id, in one pass, and one more for each `unique` rule.

    A file without records is absent.
    """
    rows = judged(spark, claims, columns)
    bad = F.col("_hub_rule").isNotNull()
    example = F.concat(F.col("_hub_reason"), F.lit(": "), F.substring("_hub_raw", 1, _EXAMPLE_CHARACTERS))
    counted = rows.groupBy("_hub_tracker_id").agg(
        F.count("*").alias("records"),
        F.count_if(bad).alias("bad"),
        F.count_if(F.col("_hub_open")).alias("opened"),
        F.count_if(F.col("_hub_half") & ~bad).alias("halves"),
        F.first(F.when(bad, example), ignorenulls=True).alias("example"),
    )
    found = {
        row["_hub_tracker_id"]: Rejects(
            records=row["records"],
            bad=row["bad"] + (row["halves"] if row["opened"] else 0),
            first=row["example"] or "",
            unclosed=row["opened"],
        )
        for row in counted.collect()
    }
    for rule in _unique_rules(claims[0].feed):
        for row in _repeats(rows, rule).collect():
            one = found[row["_hub_tracker_id"]]
            if one.repeated is None:
                found[row["_hub_tracker_id"]] = replace(
                    one, repeated=rule.name, repeats=row["repeats"], first_repeat=row["example"]
                )
    return found


def _repeats(rows: "DataFrame", rule: UniqueRule) -> "DataFrame":
    """By file, the good records that have a key which others have too, counted, and one such key."""
    keys = rows.where(F.col("_hub_rule").isNull() & _keyed(rule)).groupBy(
        "_hub_tracker_id", F.struct(*[column(name) for name in rule.columns]).alias("_hub_key")
    )
    return (
        keys.agg(F.count("*").alias("records"))
        .where("records > 1")
        .groupBy("_hub_tracker_id")
        .agg(F.sum("records").alias("repeats"), F.to_json(F.min("_hub_key")).alias("example"))
    )


def with_repeats(rows: "DataFrame", feed: Feed, rejects: Mapping[str, Rejects]) -> "DataFrame":
    """Judged records, those that break their file's `unique` rule judged so too."""
    for rule in _unique_rules(feed):
        files = [tracker_id for tracker_id, found in rejects.items() if found.repeated == rule.name]
        if not files:
            continue
        good = F.col("_hub_rule").isNull()
        alike = Window.partitionBy("_hub_tracker_id", good, *[column(name) for name in rule.columns])
        counted = rows.withColumn("_hub_alike", F.count("*").over(alike))
        repeated = good & _keyed(rule) & (F.col("_hub_alike") > 1) & F.col("_hub_tracker_id").isin(files)
        reason = F.concat(F.lit(f"{rule.name}: {rule.expression}, and "), F.col("_hub_alike"), F.lit(" records"))
        rows = counted.withColumns(
            {
                "_hub_reason": F.when(repeated, F.concat(reason, F.lit(" have this key"))).otherwise(
                    F.col("_hub_reason")
                ),
                "_hub_rule": F.when(repeated, F.lit(rule.name)).otherwise(F.col("_hub_rule")),
            }
        ).drop("_hub_alike")
    return rows


def _unique_rules(feed: Feed) -> list[UniqueRule]:
    return [rule for rule in file_rules_of(feed) if isinstance(rule, UniqueRule)]


def _keyed(rule: UniqueRule) -> "Column":
    return ~any_of([column(name).isNull() for name in rule.columns])


def broken_file_rule(found: Rejects, feed: Feed) -> Problem | None:
    """The problem of a file that breaks one of the feed's rules over a file as a whole. Pure."""
    row_count = found.records - found.bad
    for rule in file_rules_of(feed):
        if isinstance(rule, RowCountRule) and not rule.holds(row_count):
            message = f"{rule.name}: {rule.expression}, and the file has {row_count:,} good records"
        elif rule.name == found.repeated:
            message = f"{rule.name}: {rule.expression}, and {found.repeats:,} records share keys. "
            message += f"First: {found.first_repeat[:_EXAMPLE_CHARACTERS]}"
        else:
            continue
        return Problem(FileError.FILE_RULE, message, FileStatus.QUARANTINED, found.bad + found.repeats)
    return None


def too_many(found: Rejects, feed: Feed) -> Problem | None:
    """The problem of a file with more bad records than the feed allows. Pure."""
    if found.bad == 0 or found.bad * 100 <= feed.max_reject_percent * found.records:
        return None
    share = found.bad * 100 / found.records
    message = (
        f"{found.bad:,} of {found.records:,} records ({share:.2f} %) were refused; "
        f"the feed allows {feed.max_reject_percent:g} %. First: {found.first}"
    )
    return Problem(FileError.TOO_MANY_REJECTS, message, FileStatus.QUARANTINED, found.bad)


def torn_files(rejects: dict[str, Rejects]) -> list[str]:
    """tracker_ids of the files in which a quote is left open."""
    return sorted(tracker_id for tracker_id, found in rejects.items() if found.unclosed)


def _parsed_lines(spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str]) -> "DataFrame":
    feed = claims[0].feed
    lines = claimed_rows(spark, claims, lambda some: delimited_lines(spark, some))
    # Names of our own inside, so that no name of the file has to be spelled in DDL.
    inner = [f"c{index}" for index in range(len(columns))]
    schema = ", ".join(f"{name} string" for name in [*inner, CORRUPT_COLUMN])
    options = delimited_options(feed, check_header=False)
    for unused in ("header", "enforceSchema", "multiLine", "encoding"):
        options.pop(unused, None)
    parsed = F.from_csv(F.col("_hub_line"), schema, options)
    kept = lines.withColumnRenamed("raw", "_hub_line").withColumn("_hub_parsed", parsed)
    fields = [F.col(f"_hub_parsed.{name}").alias(real) for name, real in zip(inner, columns, strict=True)]
    return kept.select(
        *fields,
        F.col(f"_hub_parsed.{CORRUPT_COLUMN}").alias(CORRUPT_COLUMN),
        F.col("_hub_line").alias("_hub_raw"),
        *[F.col(name) for name in lines.columns if name.startswith("_hub_")],
    )


def _torn_marks(feed: Feed) -> tuple["Column", "Column"]:
    pattern = unclosed(feed)
    if pattern is None:
        return F.lit(False), F.lit(False)
    raw = F.col("_hub_raw")
    quotes = F.length(raw) - F.length(F.replace(raw, F.lit(feed.quote), F.lit("")))
    return raw.rlike(pattern), (quotes % 2 == 1) & ~raw.rlike(pattern)


def _malformed(feed: Feed, columns: Sequence[str], torn: "Column") -> "Column":
    """Why a record is malformed, in a sentence; NULL where it is not."""
    decodes = ~any_of([undecodable(columns), F.coalesce(F.col(CORRUPT_COLUMN).contains("\ufffd"), F.lit(False))])
    return (
        F.when(
            torn,
            F.lit(
                "a quote is opened or closed on this line only; if values of the feed hold line breaks, "
                "set its option multiline to true"
            ),
        )
        .when(F.col(CORRUPT_COLUMN).isNotNull(), F.lit(f"the record does not have {len(columns)} fields"))
        .when(~decodes, F.lit(f"the record does not decode as {feed.encoding}; see the feed's option encoding"))
    )
