"""Every SQL statement of the hub on its own tables: one place for both shells.

Placeholders in braces are table names, made by `hub_core.identifiers.quote`; values are named parameters. Rows travel
as one JSON parameter, since a statement takes at most 255 parameter markers on Databricks.
Each is safe to run twice: a DML that answered 503 may have run.
"""

from hub_core.identifiers import quote
from hub_core.model import Feed

SCHEMA = "bronze_metadata"


TABLES = ("file_config", "load_tracker", "quarantine")
"""The hub's own tables, which `ddl/` makes in `SCHEMA`."""


def table_names(catalog: str) -> dict[str, str]:
    """The quoted names that the statements' braces take."""
    return {"catalog": quote(catalog), **{name: quote(catalog, SCHEMA, name) for name in TABLES}}


FEED_COLUMNS = {
    "config_id": "STRING",
    "lob": "STRING",
    "category": "STRING",
    "subcategory": "STRING",
    "file_pattern": "STRING",
    "source_path": "STRING",
    "file_format": "STRING",
    "delimiter": "STRING",
    "has_header": "BOOLEAN",
    "dest_catalog": "STRING",
    "dest_schema": "STRING",
    "dest_table": "STRING",
    "is_active": "BOOLEAN",
    "date_source": "STRING",
    "on_redelivery": "STRING",
    "schema_drift": "STRING",
    "max_reject_percent": "DOUBLE",
    "quality_rules": "STRING",
    "encoding": "STRING",
    "quote": "STRING",
    "escape": "STRING",
    "multiline": "BOOLEAN",
    "null_value": "STRING",
}
"""`file_config`'s columns that come from the CSV, with their types."""


def feed_row(feed: Feed) -> dict[str, object]:
    """`feed` as a row of `FEED_COLUMNS`."""
    return {name: getattr(feed, name) for name in FEED_COLUMNS}


_FEED_STRUCT = ", ".join(f"{name}: {kind}" for name, kind in FEED_COLUMNS.items())
_UPDATED = [name for name in FEED_COLUMNS if name != "config_id"]

SYNCED_HASH = """
SELECT max(content_hash) AS content_hash, count(DISTINCT content_hash) AS hashes, count(*) AS feeds
FROM {file_config} WHERE lob = :lob AND is_active
"""

# Loads of one LOB that are planned at once meet here: who comes second finds nothing to change, so that its repetition
# touches no file. A row that left the CSV becomes inactive, but only where the CSV is the service's own (:deactivate).
SYNC_FEEDS = f"""
MERGE INTO {{file_config}} t
USING (SELECT inline(from_json(:rows, 'array<struct<{_FEED_STRUCT}>>'))) s
ON t.config_id = s.config_id
WHEN MATCHED AND NOT ({" AND ".join(f"t.{name} <=> s.{name}" for name in _UPDATED)} AND t.content_hash <=> :hash)
THEN UPDATE SET
    {", ".join(f"t.{name} = s.{name}" for name in _UPDATED)}, t.content_hash = :hash, t.updated_ts = current_timestamp()
WHEN NOT MATCHED THEN INSERT ({", ".join(FEED_COLUMNS)}, content_hash, updated_ts)
    VALUES ({", ".join(f"s.{name}" for name in FEED_COLUMNS)}, :hash, current_timestamp())
WHEN NOT MATCHED BY SOURCE AND :deactivate AND t.lob = :lob AND t.is_active
    THEN UPDATE SET t.is_active = false, t.updated_ts = current_timestamp()
"""  # noqa: S608 — the names are this module's own constants

# Every statement that changes the tracker names the LOB: the table is partitioned by it, so that a load reads its own
# LOB's files only, and loads of different LOBs never conflict.
# Paths travel without the beginning that all of them share (:prefix), and feeds once each: 20,000 rows are 2 MB, not 8.

# What the tracker knows of some files: the newest attempt of each version, and whatever is claimed.
TRACKED_FILES = """
SELECT config_id, source_path, file_size, file_modified, file_etag, load_status, attempt, batch_id, run_id, error_code
FROM (
    SELECT t.*, row_number() OVER (
        PARTITION BY t.config_id, t.source_path, t.file_size, t.file_modified, t.file_etag
        ORDER BY t.attempt DESC, t.updated_ts DESC) AS newest
    FROM {load_tracker} t
    JOIN (
        SELECT f.config_id, concat(:prefix, r.p) AS source_path
        FROM (SELECT inline(from_json(:rows, 'array<struct<f: INT, p: STRING>>'))) r
        JOIN (SELECT inline(from_json(:feeds, 'array<struct<f: INT, config_id: STRING>>'))) f ON r.f = f.f
    ) s ON t.config_id = s.config_id AND t.source_path = s.source_path
    WHERE t.lob = :lob)
WHERE newest = 1 OR load_status = 'CLAIMED'
"""

# One path of a feed has at most one open claim; of one version, an attempt is taken once. The tracker_id is a hash of
# what it names: claiming again in the same batch makes the same row. What one run of this statement (:nonce) claims of
# a feed has one commit_id: those files, no more and no fewer, are what the loader brings in one commit.
CLAIM_FILES = """
MERGE INTO {load_tracker} t
USING (
    SELECT left(sha2(concat_ws('|', :batch_id, f.config_id, r.s, r.m, r.a, concat(:prefix, r.p)), 256), 32)
            AS tracker_id,
        f.config_id, :lob AS lob, f.category, f.subcategory, f.dest_table, substring_index(r.p, '/', -1) AS file_name,
        concat(:prefix, r.p) AS source_path, r.s AS file_size, timestamp_seconds(r.m) AS file_modified,
        r.e AS file_etag, r.a AS attempt, left(sha2(concat_ws('|', :nonce, f.config_id, r.r), 256), 32) AS commit_id
    FROM (SELECT inline(from_json(:rows,
        'array<struct<f: INT, p: STRING, s: BIGINT, m: BIGINT, e: STRING, a: INT, r: BOOLEAN>>'))) r
    JOIN (SELECT inline(from_json(:feeds, 'array<struct<f: INT, config_id: STRING, category: STRING,
        subcategory: STRING, dest_table: STRING>>'))) f ON r.f = f.f
) s
ON t.lob = :lob AND t.config_id = s.config_id AND t.source_path = s.source_path
   AND (t.load_status = 'CLAIMED'
        OR (t.file_size = s.file_size AND t.file_modified = s.file_modified
            AND (t.file_etag IS NULL OR s.file_etag IS NULL OR t.file_etag = s.file_etag)
            AND t.attempt >= s.attempt))
WHEN NOT MATCHED THEN INSERT
    (tracker_id, lob, category, subcategory, file_name, source_path, dest_table, load_status, load_timestamp,
     batch_id, config_id, file_etag, file_size, file_modified, attempt, commit_id, run_id, updated_ts)
    VALUES (s.tracker_id, s.lob, s.category, s.subcategory, s.file_name, s.source_path, s.dest_table, 'CLAIMED',
     current_timestamp(), :batch_id, s.config_id, s.file_etag, s.file_size, s.file_modified, s.attempt, s.commit_id,
     :run_id, current_timestamp())
"""

CLAIMED_PATHS = """
SELECT config_id, source_path FROM {load_tracker} WHERE batch_id = :batch_id AND load_status = 'CLAIMED'
"""

OPEN_BATCHES = """
SELECT DISTINCT batch_id FROM {load_tracker} WHERE lob = :lob AND run_id = :run_id AND load_status = 'CLAIMED'
"""

# Batches that have claimed something since :since, with the run that their claims name.
RECENT_BATCHES = """
SELECT batch_id, max(run_id) AS run_id, min(load_timestamp) AS claimed_at
FROM {load_tracker} WHERE lob = :lob AND load_timestamp >= :since GROUP BY batch_id
"""

BATCH_OUTCOME = """
SELECT load_status, count(*) AS files, coalesce(sum(row_count), 0) AS row_count,
       coalesce(sum(rejected_count), 0) AS rejected, count_if(error_code = 'CANCELED') AS canceled
FROM {load_tracker} WHERE batch_id = :batch_id GROUP BY load_status
"""

BATCH_FILES = """
SELECT tracker_id, category, subcategory, file_name, source_path, dest_table, load_status, file_size, file_modified,
       attempt, row_count, rejected_count, error_code, error_message, updated_ts
FROM {load_tracker}
WHERE batch_id = :batch_id AND (:status IS NULL OR load_status = :status) AND tracker_id > :after
ORDER BY tracker_id LIMIT :limit
"""

LAST_LOADS = """
SELECT config_id, max_by(batch_id, load_timestamp) AS batch_id, max(load_timestamp) AS claimed_at
FROM {load_tracker} WHERE lob = :lob GROUP BY config_id
"""

# Claims of a run that is over, which brought no rows: FINISH_COMMITS has ended those that did.
FAIL_CLAIMS = """
UPDATE {load_tracker} SET load_status = 'FAILED', error_code = :code, error_message = :message,
    updated_ts = current_timestamp()
WHERE lob = :lob AND batch_id = :batch_id AND load_status = 'CLAIMED'
"""

OPEN_COMMITS = """
SELECT DISTINCT dest_table FROM {load_tracker}
WHERE batch_id = :batch_id AND load_status = 'CLAIMED' AND commit_id IS NOT NULL
"""

# What has a commit_id is finished by what the destination holds: its rows mean that the commit happened. {dest} is the
# destination. A commit_id without rows: the append never happened, or brought only empty files.
FINISH_COMMITS = """
MERGE INTO {load_tracker} t
USING (
    SELECT c.tracker_id, count(b._tracker_id) AS row_count
    FROM (SELECT tracker_id FROM {load_tracker}
          WHERE lob = :lob AND batch_id = :batch_id AND dest_table = :dest_table AND load_status = 'CLAIMED'
            AND commit_id IS NOT NULL) c
    LEFT JOIN {dest} b ON b._tracker_id = c.tracker_id AND b._batch_id = :batch_id
    GROUP BY c.tracker_id
) s
ON t.lob = :lob AND t.tracker_id = s.tracker_id AND t.load_status = 'CLAIMED'
WHEN MATCHED AND s.row_count > 0 THEN UPDATE SET t.load_status = 'SUCCESS', t.row_count = s.row_count,
    t.updated_ts = current_timestamp()
WHEN MATCHED THEN UPDATE SET t.load_status = 'FAILED', t.error_code = :code, t.error_message = :message,
    t.updated_ts = current_timestamp()
"""
