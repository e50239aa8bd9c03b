"""Spark's Connect server, as a Spark application: `spark-submit spark_server.py`.

`SparkConnectServer`, Spark's own main class, gives each session a class loader of its own, for the jars that a client
may add. Spark's cache of generated code goes by class loader, so that each run of a job, which is a session, compiled
all its statements anew: some 100 classes, cold again, a second or two of a load. Nobody adds jars here.

Its catalog is in memory, as Unity Catalog is elsewhere: Hive's metastore in Derby, which would outlive the server by
itself, takes a tenth of what a load of small tables needs. What lies in the warehouse is entered at the start instead.
"""

import shutil
import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from pyspark.sql import SparkSession

from hub_core.identifiers import quote_column
from spark_jobs.spark_sql import literal


def main() -> None:
    """Serve until the JVM that started this process is gone."""
    spark = SparkSession.builder.getOrCreate()
    warehouse = spark.conf.get("spark.sql.warehouse.dir") or ""
    enter_tables(spark, Path(url2pathname(urlparse(warehouse).path)))
    jvm, context = spark.sparkContext._jvm, spark.sparkContext._jsc  # what pyspark itself calls Java by
    if jvm is None:
        raise RuntimeError("the server is started by spark-submit, in classic mode")
    jvm.org.apache.spark.sql.connect.service.SparkConnectService.start(context.sc())
    sys.stdin.read()


def enter_tables(spark: SparkSession, warehouse: Path) -> None:
    """Have the Delta tables of an earlier server in the catalog; DROP TABLE leaves the files of these where they are.

    What has no commit is what a server left that was killed while it made the table: that goes.
    """
    for schema in sorted(warehouse.glob("*.db")):
        name = quote_column(schema.stem)
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
        for table in sorted(schema.iterdir()):
            if any(table.glob("_delta_log/*.json")):
                qualified = f"{name}.{quote_column(table.name)}"
                spark.sql(f"CREATE TABLE {qualified} USING delta LOCATION {literal(str(table))}")
            else:
                shutil.rmtree(table)


if __name__ == "__main__":
    main()
