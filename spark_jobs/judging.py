"""Every record of a group with its verdict: the validating pass, the good rows, and the quarantine's rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.codes import FileError
from hub_core.model import Feed, FileFormat, FileStatus
from hub_core.quality import RowCountRule, UniqueRule
from spark_jobs.checks import (
    REPLACEMENT,
    any_of,
    broken,
    file_rules_of,
    literally,
    rules_of,
    unclosed,
    undecodable,
)
from spark_jobs.claims import OpenClaim, Problem, Rejects
from spark_jobs.headers import CORRUPT_COLUMN, HUB_PREFIX, charset, escape
from spark_jobs.reading import (
    IN_CORRUPT_COLUMN,
    claimed_rows,
    column,
    delimited_lines,
    delimited_options,
    delimited_rows,
    multiline,
    parquet_rows,
    raw_lines,
    whole_files,
    with_claims,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

MALFORMED = "malformed"
_EXAMPLE_CHARACTERS = 200


def judged(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], known: Mapping[str, Rejects]
) -> "DataFrame":
    """The records, their claims, `_hub_raw`, `_hub_rule` (NULL: good), `_hub_reason`, and marks of malformed ones.

    `_hub_open`: a quote is left open; `_hub_half`: a line has an odd number of quotes, as the rest of a torn record
    does, though elsewhere that may be an inch mark; `_hub_undecodable`. `known` is what is known of files by now.
    """
    feed = claims[0].feed
    rules = rules_of(feed)
    if feed.file_format is FileFormat.PARQUET:
        rows, marks = with_claims(spark, parquet_rows(spark, claims), claims), None
        # Those of these files: `columns` may be of more files, some of which have others.
        columns = [name for name in rows.columns if not name.startswith(HUB_PREFIX)]
    elif multiline(feed):
        rows = claimed_rows(spark, claims, lambda some, version: delimited_rows(spark, some, columns, version))
        marks = (_runs_to_the_end(feed, columns[-1], known), F.lit(False))
    else:
        rows = _parsed_lines(spark, claims, columns)
        marks = _torn_marks(feed)
    everything = [column(name) for name in columns]
    if marks is None:
        raw, malformed, garbled, (opened, half) = None, F.lit(None).cast("string"), F.lit(False), (F.lit(False),) * 2
    else:
        opened, half = marks
        raw = F.col("_hub_raw") if not multiline(feed) else F.col(CORRUPT_COLUMN)
        torn = opened | (half & _of(known, lambda found: found.torn))
        garbled = _garbled(columns) & ~_of(known, lambda found: found.sent_replaced)
        malformed = _malformed(feed, columns, torn, garbled)
    as_json = F.to_json(F.struct(*everything)) if everything else F.lit(None).cast("string")
    verdicts = [(rule, broken(rule)) for rule in rules]
    names = [F.when(why.isNotNull(), F.lit(rule.name)) for rule, why in verdicts]
    reasons = [why for _, why in verdicts]
    return rows.withColumns(
        {
            "_hub_raw": as_json if raw is None else F.coalesce(raw, as_json),
            "_hub_rule": F.when(malformed.isNotNull(), F.lit(MALFORMED)).otherwise(F.coalesce(*names, F.lit(None))),
            "_hub_reason": F.coalesce(malformed, *reasons),
            "_hub_open": opened,
            "_hub_half": half,
            "_hub_undecodable": garbled,
        }
    )


def validated(spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str]) -> dict[str, Rejects]:
    """What is bad in each file, by tracker_id, in one pass, and one more for each `unique` rule.

    A file without records is absent.
    """
    feed = claims[0].feed
    whole = feed.file_format is FileFormat.DELIMITED and multiline(feed)
    odd = with_odd_quotes(spark, claims) if whole else set[str]()
    known = _last_lines(spark, [claim for claim in claims if claim.tracker_id in odd])
    found = _counted(spark, claims, columns, known)
    asked = [claim for claim in claims if claim.tracker_id in found and found[claim.tracker_id].undecodable]
    intact = _intact(spark, asked) if asked else set[str]()
    if intact:
        known |= {one: replace(known.get(one, _NOTHING), sent_replaced=True) for one in intact}
        found = _counted(spark, claims, columns, known)
    rejects = {tracker_id: one.rejects for tracker_id, one in found.items()}
    for rule in _unique_rules(feed):
        for row in _repeats(judged(spark, claims, columns, rejects), rule).collect():
            one = rejects[row["_hub_tracker_id"]]
            if one.repeated is None:
                rejects[row["_hub_tracker_id"]] = replace(
                    one, repeated=rule.name, repeats=row["repeats"], first_repeat=row["example"]
                )
    return rejects


@dataclass(frozen=True, slots=True)
class _Counted:
    rejects: Rejects
    undecodable: int = 0


_NOTHING = Rejects(0, 0)


def _counted(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], known: Mapping[str, Rejects]
) -> dict[str, _Counted]:
    """By tracker_id, what is bad but for `unique` rules."""
    rows = judged(spark, claims, columns, known)
    bad = F.col("_hub_rule").isNotNull()
    example = F.concat(F.col("_hub_reason"), F.lit(": "), F.substring("_hub_raw", 1, _EXAMPLE_CHARACTERS))
    counted = rows.groupBy("_hub_tracker_id").agg(
        F.count("*").alias("records"),
        F.count_if(bad).alias("bad"),
        F.count_if(F.col("_hub_open")).alias("opened"),
        F.count_if(F.col("_hub_half")).alias("halves"),
        F.count_if(F.col("_hub_half") & ~bad).alias("good_halves"),
        F.count_if(F.col("_hub_undecodable")).alias("undecodable"),
        F.first(F.when(bad, example), ignorenulls=True).alias("example"),
    )
    counts: dict[str, _Counted] = {}
    for row in counted.collect():
        before = known.get(row["_hub_tracker_id"], _NOTHING)
        # On a line of its own, a quote that is left open spoils that line only.
        torn = row["opened"] > 0 and (before.last_line is not None or row["halves"] > 0)
        bad_records = row["bad"] + (row["good_halves"] if torn else 0)
        rejects = replace(before, records=row["records"], bad=bad_records, first=row["example"] or "", torn=torn)
        counts[row["_hub_tracker_id"]] = _Counted(rejects, row["undecodable"])
    return counts


def with_odd_quotes(spark: "SparkSession", claims: Sequence[OpenClaim]) -> set[str]:
    """tracker_ids of the files in which a quote has no other, so that one which is opened may be closed nowhere."""
    if not claims[0].feed.quote:
        return set()
    lines = with_claims(spark, delimited_lines(spark, claims, header=False), claims)
    counted = lines.groupBy("_hub_tracker_id").agg(F.sum(_quotes(claims[0].feed, F.col("raw"))).alias("quotes"))
    return {row["_hub_tracker_id"] for row in counted.collect() if row["quotes"] % 2 == 1}


def _last_lines(spark: "SparkSession", claims: Sequence[OpenClaim]) -> dict[str, Rejects]:
    """The last lines of files, by tracker_id; reads the files whole."""
    if not claims:
        return {}
    text = F.decode(F.col("value").cast("binary"), charset(claims[0].feed.encoding))
    rows = with_claims(spark, whole_files(spark, claims), claims).select("_hub_tracker_id", _last_line(text).alias("l"))
    return {row["_hub_tracker_id"]: Rejects(0, 0, last_line=row["l"]) for row in rows.collect()}


def _last_line(text: "Column") -> "Column":
    return F.substring_index(F.regexp_replace(F.translate(text, "\r", "\n"), r"\n+\z", ""), "\n", -1)


def _runs_to_the_end(feed: Feed, name: str, known: Mapping[str, Rejects]) -> "Column":
    """Whether the value has a line break and goes on up to the end of its file, which no quote closes."""
    value = column(name)
    ends = [
        (F.col("_hub_tracker_id") == tracker_id)
        # Either all of the last line is of the value, or the value begins there.
        & (
            (_last_line(value) == found.last_line)
            | F.lit(found.last_line).endswith(F.concat(F.lit(feed.quote), _last_line(value)))
        )
        for tracker_id, found in sorted(known.items())
        if found.last_line is not None
    ]
    return F.coalesce(value.rlike(r"[\r\n]") & any_of(ends), F.lit(False)) if ends else F.lit(False)


def _intact(spark: "SparkSession", claims: Sequence[OpenClaim]) -> set[str]:
    """tracker_ids of the files all of whose bytes are text: U+FFFD in them was sent, not made by decoding."""
    if charset(claims[0].feed.encoding) != "UTF-8":
        return set()
    lines = with_claims(spark, raw_lines(spark, claims), claims)
    counted = lines.groupBy("_hub_tracker_id").agg(
        F.count_if(~F.call_function("is_valid_utf8", F.col("value"))).alias("broken")
    )
    return {row["_hub_tracker_id"] for row in counted.collect() if row["broken"] == 0}


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
    """The problem of a file with more bad records than the feed allows, or whose records can't be told apart. Pure."""
    if found.torn:
        message = (
            f"{found.bad:,} of {found.records:,} records were refused, and none is loaded: a quote that one opens is "
            f"closed in another, or nowhere, so that it can't be told where records begin"
        )
        message += f". First: {found.first}" if found.first else ""
        return Problem(FileError.TOO_MANY_REJECTS, message, FileStatus.QUARANTINED, found.bad)
    if found.bad == 0 or found.bad * 100 <= feed.max_reject_percent * found.records:
        return None
    share = found.bad * 100 / found.records
    message = (
        f"{found.bad:,} of {found.records:,} records ({share:.2f} %) were refused; "
        f"the feed allows {feed.max_reject_percent:g} %. First: {found.first}"
    )
    return Problem(FileError.TOO_MANY_REJECTS, message, FileStatus.QUARANTINED, found.bad)


def _parsed_lines(spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str]) -> "DataFrame":
    feed = claims[0].feed
    lines = claimed_rows(spark, claims, lambda some, version: delimited_lines(spark, some, version))
    # Names of our own inside, so that no name of the file has to be spelled in DDL.
    inner = [f"c{index}" for index in range(len(columns))]
    schema = ", ".join(f"{name} string" for name in [*inner, CORRUPT_COLUMN])
    options = delimited_options(feed, check_header=False) | IN_CORRUPT_COLUMN
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
    return raw.rlike(pattern), (_quotes(feed, raw) % 2 == 1) & ~raw.rlike(pattern)


def _quotes(feed: Feed, raw: "Column") -> "Column":
    """How many quotes a text holds that are not escaped."""
    escaping = escape(feed)
    if escaping not in {feed.quote, ""}:
        raw = F.regexp_replace(raw, f"(?s){literally(escaping)}.", "")
    return F.length(raw) - F.length(F.replace(raw, F.lit(feed.quote), F.lit("")))


def _of(known: Mapping[str, Rejects], holds: Callable[[Rejects], bool]) -> "Column":
    """Whether the record is of a file of which `holds` is known."""
    ids = sorted(tracker_id for tracker_id, found in known.items() if holds(found))
    return F.col("_hub_tracker_id").isin(ids) if ids else F.lit(False)


def _garbled(columns: Sequence[str]) -> "Column":
    return any_of([undecodable(columns), F.coalesce(F.col(CORRUPT_COLUMN).contains(REPLACEMENT), F.lit(False))])


def _malformed(feed: Feed, columns: Sequence[str], torn: "Column", garbled: "Column") -> "Column":
    """Why a record is malformed, in a sentence; NULL where it is not."""
    if multiline(feed):
        unclosed_quote = "a quote is opened here, and closed nowhere in the file"
    else:
        unclosed_quote = (
            "a quote is opened or closed on this line only; if values of the feed hold line breaks, "
            "set its option multiline to true"
        )
    return (
        F.when(torn, F.lit(unclosed_quote))
        .when(F.col(CORRUPT_COLUMN).isNotNull(), F.lit(f"the record does not have {len(columns)} fields"))
        .when(garbled, F.lit(f"the record does not decode as {feed.encoding}; see the feed's option encoding"))
    )
