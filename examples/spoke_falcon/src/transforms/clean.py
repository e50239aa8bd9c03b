"""Bronze to silver: checked, typed, one row a key."""

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


@dataclass(frozen=True, slots=True)
class Table:
    """A silver table: its columns as SQL over bronze's, its key, and the rules that bronze's rows must keep."""

    columns: dict[str, str]
    key: tuple[str, ...]
    rules: str


def _text(*names: str) -> dict[str, str]:
    return {name: f"nullif(trim({name}), '')" for name in names}


def _whole(*names: str) -> dict[str, str]:
    return {name: f"try_cast({name} AS INT)" for name in names}


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


# Bronze keeps delimited columns as the text that was sent. What should be a number and isn't breaks a rule here;
# by try_cast alone a delay of "n/a" would pass for a flight that never left.
TABLES = {
    "flights": Table(
        columns={
            "flight_date": "try_cast(concat_ws('-', year, month, day) AS DATE)",
            **_text("carrier"),
            **_whole("flight"),
            **_text("origin", "dest", "tailnum"),
            **_whole("sched_dep_time", "dep_time", "dep_delay", "sched_arr_time", "arr_time", "arr_delay"),
            **_whole("air_time", "distance"),
            "time_hour": "try_cast(time_hour AS TIMESTAMP)",
            "cancelled": "dep_time IS NULL",
        },
        key=("flight_date", "carrier", "flight", "origin"),
        rules="; ".join(
            (
                "dated: try_cast(concat_ws('-', year, month, day) AS DATE) IS NOT NULL",
                "keyed: carrier IS NOT NULL AND origin IS NOT NULL AND try_cast(flight AS INT) IS NOT NULL",
                "departed: dep_time IS NULL OR try_cast(dep_time AS INT) IS NOT NULL",
                "dep_delay: dep_delay IS NULL OR try_cast(dep_delay AS INT) IS NOT NULL",
                "arr_delay: arr_delay IS NULL OR try_cast(arr_delay AS INT) IS NOT NULL",
                "distance: coalesce(try_cast(distance AS INT), 0) > 0",
            )
        ),
    ),
    "weather": Table(
        columns=_same(
            "origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure",
            "visib",
        ),
        key=("origin", "time_hour"),
        rules="keyed: origin IS NOT NULL AND time_hour IS NOT NULL; humid: humid IS NULL OR humid BETWEEN 0 AND 100",
    ),
    "planes": Table(
        columns={
            **_text("tailnum", "type", "manufacturer", "model", "engine"),
            "built": "try_cast(year AS INT)",
            **_whole("engines", "seats"),
        },
        key=("tailnum",),
        rules="keyed: tailnum IS NOT NULL; seats: seats IS NULL OR try_cast(seats AS INT) > 0",
    ),
    "airports": Table(
        columns={
            **_text("faa", "name", "tzone"),
            "lat": "try_cast(lat AS DOUBLE)",
            "lon": "try_cast(lon AS DOUBLE)",
            "alt": "try_cast(alt AS INT)",
        },
        key=("faa",),
        rules="keyed: faa IS NOT NULL; located: try_cast(lat AS DOUBLE) BETWEEN -90 AND 90",
    ),
    "airlines": Table(
        columns=_text("carrier", "name"),
        key=("carrier",),
        rules="keyed: carrier IS NOT NULL; named: name IS NOT NULL",
    ),
}  # fmt: skip


def clean(bronze: DataFrame, table: Table) -> DataFrame:
    """Bronze rows typed as `table` says, the latest delivery of each key; `_source_file` stays for lineage."""
    latest = Window.partitionBy(*table.key).orderBy(F.col("_file_modified").desc(), F.col("_source_file").desc())
    typed = bronze.select(
        *(F.expr(expression).alias(name) for name, expression in table.columns.items()),
        "_source_file",
        "_file_modified",
    )
    return typed.withColumn("_n", F.row_number().over(latest)).where("_n = 1").drop("_n", "_file_modified")


def rejected(bad: DataFrame, name: str) -> DataFrame:
    """Rows that broke a rule, of whatever table: its name, the rule, the row as JSON, the file it came from."""
    return bad.select(
        F.lit(name).alias("table_name"),
        F.col("_rule").cast("string").alias("rule"),
        F.to_json(F.struct(*(F.col(f"`{column}`") for column in bad.columns if not column.startswith("_")))).alias(
            "row"
        ),
        "_source_file",
    )


def union(frames: list[DataFrame]) -> DataFrame:
    """All rows of frames with the same columns; there must be one at least."""
    return reduce(DataFrame.unionByName, frames)
