"""Schemas and tables; a table is written whole, so that a second run leaves what the first did."""

from pyspark.sql import DataFrame, SparkSession


def require_schema(spark: SparkSession, schema: str) -> None:
    """Make the schema (quoted, in full) if it is missing; to one that is there no right to create is needed."""
    if not spark.catalog.databaseExists(schema):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")


def replace(table: DataFrame, name: str) -> None:
    """`table` as the Delta table `name` (quoted, in full), in one commit, in place of what it held."""
    table.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(name)
