"""Silver, gold and export on small frames."""

import csv
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from conftest import LOB, ROOT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark
SAMPLE = ROOT / "tests" / "data" / "flights_2013-01-01.csv"


def sample() -> list[dict[str, str | None]]:
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]


def bronze(
    spark: "SparkSession", rows: list[dict[str, str | None]], file: str = "flights_2013-01-01.csv", day: int = 2
) -> "DataFrame":
    """Rows as bronze has them: text, and where they came from."""
    schema = ", ".join(f"`{name}` STRING" for name in rows[0])
    frame = spark.createDataFrame([tuple(row.values()) for row in rows], schema)
    return frame.selectExpr(
        "*", f"'{file}' AS _source_file", f"TIMESTAMP '2013-01-{day:02} 00:00:00' AS _file_modified"
    )


def flights(spark: "SparkSession", *changes: dict[str, str | None]) -> "DataFrame":
    """Silver flights: the sample's first row, changed so."""
    from transforms.clean import TABLES, clean

    return clean(bronze(spark, [sample()[0] | change for change in changes or [{}]]), TABLES["flights"])


def test_text_becomes_dates_numbers_and_times(spark: "SparkSession") -> None:
    from transforms.clean import TABLES, clean

    silver = clean(bronze(spark, sample()), TABLES["flights"])
    assert silver.count() == len(sample())
    first = silver.where("flight = 1545").collect()[0]
    assert first.flight_date == date(2013, 1, 1)
    assert (first.carrier, first.dep_delay, first.distance) == ("UA", 2, 1400)
    assert isinstance(first.time_hour, datetime)
    assert first.cancelled is False
    assert not any(name.startswith("_") for name in silver.columns if name != "_source_file")


def test_a_flight_without_departure_is_cancelled(spark: "SparkSession") -> None:
    (row,) = flights(spark, {"dep_time": None, "dep_delay": None}).collect()
    assert row.cancelled is True
    assert row.dep_delay is None


def test_of_a_flight_that_was_sent_twice_the_latest_delivery_counts(spark: "SparkSession") -> None:
    from transforms.clean import TABLES, clean

    first = bronze(spark, [sample()[0] | {"arr_delay": "11"}], "flights_2013-01-01.csv", day=2)
    later = bronze(spark, [sample()[0] | {"arr_delay": "99"}], "flights_2013-01-01_corrected.csv", day=3)
    (row,) = clean(later.unionByName(first), TABLES["flights"]).collect()
    assert row.arr_delay == 99


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"day": "32"}, "dated"),
        ({"carrier": None}, "keyed"),
        ({"flight": "x"}, "keyed"),
        ({"dep_delay": "n/a"}, "dep_delay"),
        ({"distance": "0"}, "distance"),
        ({"distance": None}, "distance"),
    ],
)
def test_a_row_that_is_no_flight_breaks_a_rule(spark: "SparkSession", change: dict[str, str | None], rule: str) -> None:
    from deltalake_hub.quality import check

    from transforms.clean import TABLES

    rules = TABLES["flights"].rules
    assert dict(check(bronze(spark, sample()), rules).failed) == {}
    assert dict(check(bronze(spark, [sample()[0] | change]), rules).failed) == {rule: 1}


def test_rejected_rows_keep_what_was_sent_and_why(spark: "SparkSession") -> None:
    from deltalake_hub.quality import check

    from transforms.clean import TABLES, rejected, union

    bad = check(bronze(spark, [sample()[0] | {"distance": "0"}]), TABLES["flights"].rules).bad
    (row,) = union([rejected(bad, "flights")]).collect()
    assert (row.table_name, row.rule, row["_source_file"]) == ("flights", "distance", "flights_2013-01-01.csv")
    assert '"tailnum":"N14228"' in row.row


def test_enriching_keeps_each_flight_once_whatever_is_known_of_it(spark: "SparkSession") -> None:
    from transforms.enrich import enrich

    known = flights(spark, {}, {"flight": "1546", "tailnum": None, "carrier": "ZZ", "dest": "???"})
    weather = spark.sql(
        "SELECT 'EWR' AS origin, TIMESTAMP '2013-01-01T10:00:00Z' AS time_hour, 39.0 AS temp, 10.0 AS wind_speed, "
        "0.0 AS precip, 10.0 AS visib"
    )
    planes = spark.sql(
        "SELECT 'N14228' AS tailnum, 'BOEING' AS manufacturer, '737' AS model, 149 AS seats, 1999 AS built"
    )
    airports = spark.sql("SELECT 'IAH' AS faa, 'Houston' AS name, 29.98D AS lat, -95.34D AS lon")
    airlines = spark.sql("SELECT 'UA' AS carrier, 'United' AS name")
    rows = {row.flight: row for row in enrich(known, weather, planes, airports, airlines).collect()}
    assert len(rows) == 2
    assert (rows[1545].airline, rows[1545].manufacturer, rows[1545].dest_name) == ("United", "BOEING", "Houston")
    assert float(rows[1545].temp) == 39.0
    assert (rows[1546].airline, rows[1546].manufacturer, rows[1546].dest_name) == (None, None, None)


def test_gold_counts_flights_cancellations_and_delays_by_carrier_and_day(spark: "SparkSession") -> None:
    from transforms.aggregate import delays_by_carrier_day

    frame = flights(
        spark,
        {"flight": "1", "dep_delay": "10", "arr_delay": "16"},
        {"flight": "2", "dep_delay": "-2", "arr_delay": "15"},
        {"flight": "3", "dep_time": None, "dep_delay": None, "arr_delay": None},
        {"flight": "4", "day": "2", "arr_delay": "7"},
        {"flight": "5", "carrier": "AA"},
    )
    rows = {(row.carrier, row.flight_date.day): row for row in delays_by_carrier_day(frame).collect()}
    assert set(rows) == {("UA", 1), ("UA", 2), ("AA", 1)}
    first = rows["UA", 1]
    assert (first.flights, first.cancelled, first.late) == (3, 1, 1)
    assert (first.avg_dep_delay, first.avg_arr_delay, first.max_arr_delay) == (4.0, 15.5, 16)


def test_a_schema_that_is_missing_is_made_and_one_that_is_there_is_left(spark: "SparkSession") -> None:
    from transforms.tables import require_schema

    schema = f"`spark_catalog`.`{LOB}_{uuid4().hex[:8]}_silver`"
    assert not spark.catalog.tableExists(f"{schema}.`none`")
    require_schema(spark, schema)
    try:
        assert spark.catalog.databaseExists(schema)
        require_schema(spark, schema)
        assert not spark.catalog.tableExists(f"{schema}.`none`")
    finally:
        spark.sql(f"DROP SCHEMA {schema}")


def test_an_export_replaces_the_one_before(spark: "SparkSession", tmp_path: Path) -> None:
    from transforms.export import export

    for rows in (5, 3):
        export(spark.range(rows).repartition(2), f"file://{tmp_path}/delays")
    assert spark.read.parquet(f"file://{tmp_path}/delays").count() == 3
    assert len(list((tmp_path / "delays").glob("*.parquet"))) == 1


def test_an_export_path_is_a_folder_in_a_container() -> None:
    from transforms.export import folder

    assert (
        folder("abfss://out@acct.dfs.core.windows.net/falcon/", "t") == "abfss://out@acct.dfs.core.windows.net/falcon/t"
    )
    for wrong in (None, "", "/mnt/out", "abfss://acct.dfs.core.windows.net/x", "abfss://out@acct.dfs.core.windows.net"):
        with pytest.raises(ValueError, match="export_path"):
            folder(wrong, "t")
