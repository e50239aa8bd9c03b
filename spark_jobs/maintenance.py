"""The housekeeping job's entry point: `hub_maintenance --catalog C` keeps the hub's own tables small."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial

from hub_core.sql import Sql
from hub_core.statements import TABLES, table_names
from spark_jobs.spark_sql import SparkSql


def maintenance(catalog: str) -> dict[str, tuple[str, str]]:
    """For each of the hub's tables its OPTIMIZE and its VACUUM; Broken `BAD_IDENTIFIER` for a catalog that is none.

    VACUUM names no retention: Delta's own, a week, is what running readers may need.
    """
    names = table_names(catalog)
    return {name: (f"OPTIMIZE {names[name]}", f"VACUUM {names[name]}") for name in TABLES}


def maintain(sql: Sql, catalog: str, say: Callable[[str], None]) -> None:
    """Run them all, whatever becomes of one table; raises the tables' errors together, at the end."""
    failures: list[Exception] = []
    for name, statements in maintenance(catalog).items():
        try:
            for statement in statements:
                sql.execute(statement, {})
            say(f"{name}: optimized, vacuumed")
        except Exception as error:  # noqa: BLE001 — kept for the end, so that the other tables have their turn
            failures.append(error)
            say(f"{name}: {error}")
    if failures:
        raise ExceptionGroup("not all tables could be kept small", failures)


def main(argv: Sequence[str] | None = None) -> None:
    """Maintain the tables of one catalog in this run's Spark."""
    parser = argparse.ArgumentParser(prog="hub_maintenance", description="OPTIMIZE and VACUUM of the hub's own tables.")
    parser.add_argument("--catalog", required=True)
    options = parser.parse_args(argv)
    from pyspark.sql import SparkSession

    maintain(SparkSql(SparkSession.builder.getOrCreate()), options.catalog, partial(print, flush=True))


if __name__ == "__main__":
    main()
