"""Silver to gold: how late each carrier was, day by day."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

LATE = 15
"""Minutes after the scheduled arrival from which on a flight counts as late."""

RULES = "some: row_count >= 1; one_each: unique(carrier, flight_date)"


def delays_by_carrier_day(flights: DataFrame) -> DataFrame:
    """A row a carrier and day: flights, how many were cancelled or late, delays in minutes of those that were flown."""
    late = F.when(F.col("arr_delay") > LATE, 1).otherwise(0)
    return flights.groupBy("carrier", "flight_date").agg(
        F.count(F.lit(1)).alias("flights"),
        F.sum(F.col("cancelled").cast("int")).alias("cancelled"),
        F.sum(late).alias("late"),
        F.round(F.avg("dep_delay"), 2).alias("avg_dep_delay"),
        F.round(F.avg("arr_delay"), 2).alias("avg_arr_delay"),
        F.max("arr_delay").alias("max_arr_delay"),
    )
