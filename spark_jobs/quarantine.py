"""Bad records into the quarantine table, each once however often the loader is killed and started."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 — Spark's own habit

from hub_core.sql import Sql
from hub_core.statements import table_names
from spark_jobs.claims import Piece, Rejects
from spark_jobs.judging import judged, with_repeats
from spark_jobs.spark_sql import retrying
from spark_jobs.statements import QUARANTINED_OF_BATCH

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Quarantine:
    """The quarantine table of one catalog."""

    def __init__(self, spark: "SparkSession", sql: Sql, catalog: str, batch_id: str) -> None:
        self._spark = spark
        self._sql = sql
        self._table = table_names(catalog)["quarantine"]
        self._batch_id = batch_id
        # Overwriting by predicate conflicts with every concurrent append, so one at a time.
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """The batch's records in the table, counted, by tracker_id."""
        rows = self._sql.query(QUARANTINED_OF_BATCH.replace("{quarantine}", self._table), {"batch_id": self._batch_id})
        return {str(row["tracker_id"]): int(str(row["records"])) for row in rows}

    def write(self, piece: Piece, rejects: Mapping[str, Rejects]) -> None:
        """Have exactly the bad records of the files that have some in the table."""
        found = {claim: rejects[claim.tracker_id] for claim in piece.claims if claim.tracker_id in rejects}
        claims = [claim for claim, one in found.items() if one.bad or one.repeats]
        if not claims:
            return
        columns = piece.columns or ()
        records = with_repeats(judged(self._spark, claims, columns, rejects), claims[0].feed, rejects)
        bad = records.where(F.col("_hub_rule").isNotNull())
        rows = bad.select(
            F.col("_hub_tracker_id").alias("tracker_id"),
            F.lit(self._batch_id).alias("batch_id"),
            F.lit(claims[0].dest_table).alias("dest_table"),
            F.col("_hub_path").alias("source_file"),
            F.col("_hub_raw").alias("raw_record"),
            F.col("_hub_rule").alias("rule"),
            F.col("_hub_reason").alias("reason"),
            F.current_timestamp().alias("quarantined_ts"),
        )
        ids = ", ".join(f"'{claim.tracker_id}'" for claim in claims)
        # Replacing what an earlier, killed run wrote of these files makes writing twice the same as once, even
        # where the two runs met different sets of files.
        writer = rows.write.format("delta").option("replaceWhere", f"tracker_id IN ({ids})")
        with self._lock:
            retrying(lambda: writer.mode("overwrite").saveAsTable(self._table))
