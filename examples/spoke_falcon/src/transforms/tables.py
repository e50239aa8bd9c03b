"""Tables written whole, so that a second run leaves what the first did."""

from pyspark.sql import DataFrame


def replace(table: DataFrame, name: str) -> None:
    """`table` as the Delta table `name` (quoted, in full), in one commit, in place of what it held."""
    table.write.format("delta").mode("overwrite").option("overwriteSchema", "true").saveAsTable(name)
