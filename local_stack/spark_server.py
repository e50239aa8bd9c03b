"""Spark's Connect server, as a Spark application: `spark-submit spark_server.py`.

`SparkConnectServer`, Spark's own main class, gives each session a class loader of its own, for the jars that a client
may add. Spark's cache of generated code goes by class loader, so that each run of a job, which is a session, compiled
all its statements anew: some 100 classes, cold again, a second or two of a load. Nobody adds jars here.
"""

import sys

from pyspark.sql import SparkSession


def main() -> None:
    """Serve until the JVM that started this process is gone."""
    spark = SparkSession.builder.getOrCreate()
    jvm, context = spark.sparkContext._jvm, spark.sparkContext._jsc  # what pyspark itself calls Java by
    if jvm is None:
        raise RuntimeError("the server is started by spark-submit, in classic mode")
    jvm.org.apache.spark.sql.connect.service.SparkConnectService.start(context.sc())
    sys.stdin.read()


if __name__ == "__main__":
    main()
