"""The loader job's entry point: `bronze_load --batch-id X --catalog C [--run-id R]`."""

import argparse
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial

from hub_core import telemetry
from spark_jobs.loader import Loader

SETTINGS = {
    # As INT96, the default, timestamps take longer to write.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Code is compiled once where it differs in its number only, as that of large files that are read one by one.
    "spark.sql.codegen.useIdInClassName": "false",
    # A column's name may hold ${…}.
    "spark.sql.variable.substitute": "false",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Load a batch; fails only where the run broke: failed files are the tracker's, not the run's."""
    parser = argparse.ArgumentParser(prog="bronze_load", description="Loads what a batch has claimed into bronze.")
    parser.add_argument("--batch-id", required=True)
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--run-id", default=None)
    parser.add_argument("--traceparent", default=None, help="W3C trace context of the load")
    options = parser.parse_args(argv)
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    say = partial(print, flush=True)
    spark = SparkSession.builder.getOrCreate()
    for setting, value in SETTINGS.items():
        # A compute that keeps its settings to itself only takes longer.
        with suppress(PySparkException):
            spark.conf.set(setting, value)
    told = telemetry.from_environment("deltalake-hub-loader")
    with closing(told), told.span("bronze load", options.traceparent or None, load_id=options.batch_id):
        result = Loader(spark, options.catalog, options.batch_id, options.run_id or None, say=say).run()
    say(str(result))
    # The last line of the output is the run's answer to jobs/runs/get-output.
    say(result.to_json())


if __name__ == "__main__":
    main()
