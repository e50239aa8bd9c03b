"""The statements that only the loader runs; the rest are `hub_core.statements`.

Placeholders in braces are quoted table names; values are named parameters.
"""

from hub_core.statements import FEED_COLUMNS

# The batch's open claims, which are of one LOB, as a load is. Epoch seconds, so that no session's zone matters.
OPEN_CLAIMS = """
SELECT lob, tracker_id, source_path, file_size, unix_seconds(file_modified) AS modified_epoch, file_etag, dest_table,
       config_id, commit_id
FROM {load_tracker} WHERE batch_id = :batch_id AND load_status = 'CLAIMED'
"""

# Their feeds, once each: beside every one of ten thousand claims they would be most of the loader's memory.
CLAIMED_FEEDS = f"""
SELECT {", ".join(f"f.{name}" for name in FEED_COLUMNS)} FROM {{file_config}} f
LEFT SEMI JOIN (SELECT config_id FROM {{load_tracker}} WHERE batch_id = :batch_id AND load_status = 'CLAIMED') c
    ON c.config_id = f.config_id
"""  # noqa: S608 — the names are the hub's own constants

# The deliveries of the claims' paths to the same tables: a newer version replaces their rows, if they have any.
# The claims' LOB is a key of the join, so that Spark reads that partition only.
EARLIER_DELIVERIES = """
SELECT t.config_id, t.source_path, t.dest_table, t.tracker_id, t.file_size,
       unix_seconds(t.file_modified) AS modified_epoch, t.file_etag, t.row_count
FROM {load_tracker} t
LEFT SEMI JOIN (
    SELECT lob, config_id, source_path, dest_table FROM {load_tracker}
    WHERE batch_id = :batch_id AND load_status = 'CLAIMED'
) c ON c.lob = t.lob AND c.config_id = t.config_id AND c.source_path = t.source_path AND c.dest_table = t.dest_table
WHERE t.load_status = 'SUCCESS'
"""

# Every change of a claim is one of these rows: it is made only where the claim is still as this run saw it, so that
# two runs of one batch, or a run and its zombie, can't undo each other. Answers with num_updated_rows.
CHANGE_CLAIMS = """
MERGE INTO {load_tracker} t
USING (SELECT inline(from_json(:rows, 'array<struct<tracker_id: STRING, seen: STRING, load_status: STRING,
        commit_id: STRING, row_count: BIGINT, rejected_count: BIGINT, error_code: STRING, error_message: STRING>>'))) s
ON t.lob = :lob AND t.tracker_id = s.tracker_id AND t.batch_id = :batch_id
    AND t.load_status = 'CLAIMED' AND t.commit_id <=> s.seen
WHEN MATCHED THEN UPDATE SET t.load_status = s.load_status, t.commit_id = s.commit_id, t.row_count = s.row_count,
    t.rejected_count = s.rejected_count, t.error_code = s.error_code, t.error_message = s.error_message,
    t.run_id = coalesce(:run_id, t.run_id), t.updated_ts = current_timestamp()
"""

# The batch's rows by file; min/max statistics of `_batch_id` skip every file of the table but the batch's own.
ROWS_OF_BATCH = """
SELECT _tracker_id AS tracker_id, count(*) AS row_count FROM {dest} WHERE _batch_id = :batch_id GROUP BY _tracker_id
"""

QUARANTINED_OF_BATCH = """
SELECT tracker_id, count(*) AS records FROM {quarantine} WHERE batch_id = :batch_id GROUP BY tracker_id
"""
