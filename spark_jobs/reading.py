"""DataFrames over a group's files: one read, with each file's claim beside its rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit
from pyspark.sql.types import StringType, StructField, StructType

from hub_core.model import Feed, FileFormat
from spark_jobs.claims import OpenClaim
from spark_jobs.headers import CORRUPT_COLUMN, HUB_PREFIX, charset, delimiter, escape, is_wide
from spark_jobs.spark_paths import Sources, few_and_large, literal, sources, spelled
from spark_jobs.types import within

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

NO_NULL = "\ufdd0null\ufdd0"
"""A token that no file holds: Spark's own default, the empty string, would make a quoted empty field NULL too."""

_CHARSETS_OF_SPARK = frozenset({"US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32"})
"""What Spark 4 reads of its own accord; the others of its Java only by a setting."""

CHANGED = f"{HUB_PREFIX}changed"
"""Of a row beside its claim: whether its file is another version than the one that was claimed."""

INGESTED = f"{HUB_PREFIX}ingested"
"""Of a row beside its claim: when it was read."""

ONE_COLUMN = "\ufdd1"
"""A delimiter that no file holds, to read whole lines with the CSV reader's encodings, headers and compression."""


_CLAIMS = (
    "array<struct<_hub_spelled: string, _hub_path: string, _hub_tracker_id: string, _hub_size: bigint, "
    "_hub_modified: bigint>>"
)

type Version = Mapping[str, str]
"""Options by which Spark reads only files of one version."""

ANY_VERSION: Version = {}

IN_CORRUPT_COLUMN = {"columnNameOfCorruptRecord": CORRUPT_COLUMN}
"""An option of reads that show malformed records."""

ABSENT = "\ufdd2"
"""A quote, or an escape, that no file holds: where there is none, Spark takes NUL for it, which files may hold."""


def delimited_options(feed: Feed, *, check_header: bool) -> dict[str, str]:
    """How Spark reads the feed's records; with `check_header` it refuses a file whose header is another.

    That, and whether a record has the right number of fields, Spark only sees where every column is asked for.
    """
    return {
        # To Spark a backslash begins a way to write another character.
        "sep": delimiter(feed).replace("\\", "\\\\"),
        "header": _flag(feed.has_header),
        "enforceSchema": _flag(not (check_header and feed.has_header)),
        "mode": "PERMISSIVE",
        "encoding": charset(feed.encoding),
        "quote": feed.quote,
        "escape": escape(feed),
        "charToEscapeQuoteEscaping": ABSENT if escape(feed) == feed.quote else escape(feed),
        "multiLine": _flag(multiline(feed)),
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
        "nullValue": feed.null_value or NO_NULL,
        "emptyValue": "",
        "maxColumns": "20480",
        "maxCharsPerColumn": "-1",
    }


def multiline(feed: Feed) -> bool:
    """Whether records are found by parsing the file as a whole; encodings of wide characters need it."""
    return feed.multiline or is_wide(feed.encoding)


def well_formed_rows(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], version: Version = ANY_VERSION
) -> "DataFrame":
    """The group's records: `columns`, and `_metadata`. Reading a malformed one fails; see `delimited_options`."""
    options = {**delimited_options(claims[0].feed, check_header=True), "mode": "FAILFAST", **version}
    return _delimited(spark, claims, columns, options)


def delimited_rows(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], version: Version = ANY_VERSION
) -> "DataFrame":
    """As `well_formed_rows`, but a malformed record is a row like any other, with itself in `CORRUPT_COLUMN`."""
    options = {**delimited_options(claims[0].feed, check_header=True), **IN_CORRUPT_COLUMN, **version}
    return _delimited(spark, claims, [*columns, CORRUPT_COLUMN], options)


def raw_lines(spark: "SparkSession", claims: Sequence[OpenClaim]) -> "DataFrame":
    """The lines of the files in the column `value`, byte by byte as they were sent (decompressed)."""
    return _pruned(claims, lambda places: _reader(spark).text(list(places.paths)))


def delimited_lines(
    spark: "SparkSession",
    claims: Sequence[OpenClaim],
    version: Version = ANY_VERSION,
    *,
    header: bool | None = None,
) -> "DataFrame":
    """The group's records as they were sent, one line each in the column `raw`.

    Headers are left out; with `header` False, they are lines like any other.
    """
    options = delimited_options(claims[0].feed, check_header=False)
    options |= {
        "sep": ONE_COLUMN,
        "quote": ABSENT,
        "escape": ABSENT,
        "nullValue": NO_NULL,
        "multiLine": _flag(is_wide(claims[0].feed.encoding)),
        **version,
    }
    if header is not None:
        options["header"] = _flag(header)
    return _delimited(spark, claims, ["raw"], options)


def records(spark: "SparkSession", claims: Sequence[OpenClaim]) -> "DataFrame":
    """A row for each record of the delimited files, well-formed or not, headers left out; what it holds is not kept."""
    return _delimited(spark, claims, ["record"], delimited_options(claims[0].feed, check_header=False))


def whole_files(spark: "SparkSession", claims: Sequence[OpenClaim]) -> "DataFrame":
    """One row a file, its bytes (decompressed) in `value`."""
    # An argument, since `text` overwrites the option of that name.
    return _pruned(claims, lambda places: _reader(spark).text(list(places.paths), wholetext=True))


def first_lines(spark: "SparkSession", claim: OpenClaim, count: int) -> bytes:
    """The first lines of one file, as bytes; reads no more of the file than they take."""
    reader = _reader(spark)
    if is_wide(claim.feed.encoding):
        # A carriage return may be half of a character there.
        reader = reader.option("lineSep", "\n")
    frame = reader.text(list(sources([claim.path]).paths)).limit(count)
    rows = frame.select(F.col("value").cast("binary").alias("value")).collect()
    return b"\n".join(bytes(row["value"]) for row in rows)


def has_lines(spark: "SparkSession", claim: OpenClaim) -> bool:
    """Whether there is anything in the file, decompressed."""
    return bool(_reader(spark).text(list(sources([claim.path]).paths)).limit(1).collect())


def listed(spark: "SparkSession", paths: Sequence[str], folders: Sequence[str]) -> "DataFrame":
    """Spelled path, size and modification time of those of `paths` that are below `folders`; reads no content."""
    frame = _reader(spark).format("binaryFile").load([literal(folder) for folder in folders])
    wanted = frame.where(F.col("_metadata.file_path").isin([spelled(path) for path in paths]))
    return wanted.select(
        F.col("_metadata.file_path").alias("path"),
        F.col("_metadata.file_size").alias("size"),
        F.unix_seconds(F.col("_metadata.file_modification_time")).alias("modified"),
    )


def raw_starts(spark: "SparkSession", claims: Sequence[OpenClaim], count: int) -> "DataFrame":
    """Spelled path and the first bytes of each file as it lies in storage; reads the files whole."""
    frame = _reader(spark).format("binaryFile").load(list(sources([claim.path for claim in claims]).paths))
    return frame.select(F.col("_metadata.file_path").alias("path"), F.substring("content", 1, count).alias("start"))


def parquet_rows(
    spark: "SparkSession", claims: Sequence[OpenClaim], version: Version = ANY_VERSION, *, schema: Any = None
) -> "DataFrame":
    """The group's rows, the columns of all its files matched by name."""
    reader = _reader(spark).option("mergeSchema", "true").options(**version)
    reader = reader if schema is None else reader.schema(schema)
    places = sources([claim.path for claim in claims], always_explicit=True)
    return reader.parquet(*places.paths)


def read_through(spark: "SparkSession", claims: Sequence[OpenClaim]) -> None:
    """Read all that the files hold and keep nothing of it; raises what keeps it from being read."""
    parquet = claims[0].feed.file_format is FileFormat.PARQUET
    rows = parquet_rows(spark, claims) if parquet else delimited_lines(spark, claims)
    rows.select(F.max(F.length(F.to_json(F.struct("*"))))).collect()


def claimed_rows(
    spark: "SparkSession",
    claims: Sequence[OpenClaim],
    read: Callable[[Sequence[OpenClaim], Version], "DataFrame"],
    *,
    changed_fails: bool = False,
) -> "DataFrame":
    """What `read` makes of the claims' files, beside the claims, in the columns `_hub_…`.

    A few large files are read one by one: what is known of a file is then a constant in its rows, where a join would
    look it up for each of them, and Spark itself passes over a file of another second than the claimed one. Either
    would take a tenth of the whole load. With `changed_fails` no file is passed over: `CHANGED` is true of its rows.
    """
    if changed_fails or not few_and_large([claim.size for claim in claims]):
        return with_claims(spark, read(claims, ANY_VERSION), claims)
    frames = [_with_claim(read([claim], _of_second(claim.modified)), claim) for claim in claims]
    return reduce(lambda rows, more: rows.unionAll(more), frames)


def with_claims(spark: "SparkSession", rows: "DataFrame", claims: Sequence[OpenClaim]) -> "DataFrame":
    """`rows` beside their claims in the columns `_hub_…`; rows of other files fall out."""
    placed = rows.select(
        "*",
        F.col("_metadata.file_path").alias("_hub_file"),
        F.col("_metadata.file_size").alias("_hub_read_size"),
        F.unix_seconds(F.col("_metadata.file_modification_time")).alias("_hub_read_modified"),
    )
    joined = placed.join(F.broadcast(_rows_of(spark, claims)), F.col("_hub_file") == F.col("_hub_spelled"))
    other_size = F.col("_hub_read_size") != F.col("_hub_size")
    return joined.withColumn(CHANGED, other_size | (F.col("_hub_read_modified") != F.col("_hub_modified")))


def _rows_of(spark: "SparkSession", claims: Sequence[OpenClaim]) -> "DataFrame":
    # As one text. From rows, the client makes Arrow tables, which take some megabytes in each of the threads that load.
    known = [
        {
            "_hub_spelled": spelled(claim.path),
            "_hub_path": claim.path,
            "_hub_tracker_id": claim.tracker_id,
            "_hub_size": claim.size,
            "_hub_modified": claim.modified,
        }
        for claim in claims
    ]
    rows = spark.range(1).select(F.inline(F.from_json(F.lit(json.dumps(known)), _CLAIMS)))
    return rows.withColumn(INGESTED, _outside_the_code(F.current_timestamp()))


def _with_claim(rows: "DataFrame", claim: OpenClaim) -> "DataFrame":
    return rows.select(
        "*",
        F.lit(claim.path).alias("_hub_path"),
        F.lit(claim.tracker_id).alias("_hub_tracker_id"),
        _outside_the_code(F.lit(claim.modified).cast("bigint")).alias("_hub_modified"),
        _outside_the_code(F.current_timestamp()).alias(INGESTED),
        F.lit(False).alias(CHANGED),  # what has changed is not read
    )


def _outside_the_code(number: "Column") -> "Column":
    """A constant number, but not written into the generated code, so that all files and loads share that code.

    Spark hands texts and arrays to the code as arguments, and numbers as digits in it; https://github.com/apache/spark,
    `Literal.doGenCode`. What is no constant to it, though always 0, keeps it from taking the number out of the array.
    """
    return F.get(F.array(number), F.least(F.spark_partition_id(), F.lit(0)))


def _of_second(modified: int) -> Version:
    """Both bounds are exclusive; https://spark.apache.org/docs/latest/sql-data-sources-generic-options.html"""
    before, after = datetime.fromtimestamp(modified + 1, UTC), datetime.fromtimestamp(modified, UTC)
    after -= timedelta(milliseconds=1)
    return {
        "modifiedAfter": after.isoformat(timespec="milliseconds"),
        "modifiedBefore": before.isoformat(timespec="milliseconds"),
        # Else Spark shifts the file's time, and not these, into the session's zone.
        "timeZone": "UTC",
    }


def column(name: str) -> "Column":
    """The column of that very name, dots and backticks and all."""
    return F.col("`" + name.replace("`", "``") + "`")


def fields_kept(value: "Column", kind: str) -> "Column":
    """`value` with the fields of the nested type `kind` only."""
    parts = within(kind)
    if kind.startswith("struct<"):
        fields = [fields_kept(value.getField(name), one).alias(name) for name, one in parts.items()]
        return F.when(value.isNotNull(), F.struct(*fields))
    if kind.startswith("array<"):
        return F.transform(value, lambda one: fields_kept(one, parts["0"]))
    if kind.startswith("map<"):
        return F.transform_values(value, lambda _, one: fields_kept(one, parts["1"]))
    return value


def _reader(spark: "SparkSession") -> Any:
    # Spark Connect keeps the last plans of a session with their file listings; an option of its own makes each read
    # a new plan, so that a file that went since is not believed to be there.
    # A file that can't be read is an error, whatever the session says.
    strict = {"ignoreCorruptFiles": "false", "ignoreMissingFiles": "false"}
    return spark.read.option("recursiveFileLookup", "true").option("hubRead", uuid4().hex).options(**strict)


def _delimited(
    spark: "SparkSession", claims: Sequence[OpenClaim], columns: Sequence[str], options: Mapping[str, str]
) -> "DataFrame":
    if options["encoding"] not in _CHARSETS_OF_SPARK:
        # Where the setting can't be made, the read is refused, with a message that lists what can be read.
        with suppress(PySparkException):
            spark.conf.set("spark.sql.legacy.javaCharsets", "true")
    schema = StructType([StructField(name, StringType()) for name in columns])
    reader = _reader(spark).options(**options).schema(schema)
    return _pruned(claims, lambda places: reader.csv(list(places.paths)))


def _pruned(claims: Sequence[OpenClaim], read: Any) -> "DataFrame":
    places: Sources = sources([claim.path for claim in claims])
    frame = read(places)
    if places.prune:
        # On a file's own metadata alone Spark drops files before it opens them.
        frame = frame.where(F.col("_metadata.file_path").isin([spelled(claim.path) for claim in claims]))
    return frame


def _flag(value: bool) -> str:
    return "true" if value else "false"
