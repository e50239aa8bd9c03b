"""Silver joined: each flight with its airline, plane, destination and the weather at departure."""

from pyspark.sql import DataFrame


def enrich(
    flights: DataFrame, weather: DataFrame, planes: DataFrame, airports: DataFrame, airlines: DataFrame
) -> DataFrame:
    """A row a flight, whatever is known of it; the other tables have one row a key, so none comes twice."""
    return (
        flights.join(airlines.selectExpr("carrier", "name AS airline"), "carrier", "left")
        .join(planes.selectExpr("tailnum", "manufacturer", "model", "seats", "built"), "tailnum", "left")
        .join(
            airports.selectExpr("faa AS dest", "name AS dest_name", "lat AS dest_lat", "lon AS dest_lon"),
            "dest",
            "left",
        )
        .join(
            weather.select("origin", "time_hour", "temp", "wind_speed", "precip", "visib"),
            ["origin", "time_hour"],
            "left",
        )
        .drop("_source_file")
    )
