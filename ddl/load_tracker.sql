CREATE TABLE IF NOT EXISTS {catalog}.bronze_metadata.load_tracker (
    tracker_id STRING NOT NULL COMMENT 'made by the writer: a hash of batch, feed, file version and attempt',
    lob STRING NOT NULL,
    category STRING NOT NULL,
    subcategory STRING NOT NULL,
    file_name STRING NOT NULL COMMENT 'base name',
    source_path STRING NOT NULL COMMENT 'abfss URL of the file',
    dest_table STRING NOT NULL COMMENT 'catalog.schema.table',
    load_status STRING NOT NULL COMMENT 'CLAIMED, SUCCESS, FAILED or QUARANTINED',
    load_timestamp TIMESTAMP COMMENT 'when the claim was made',
    batch_id STRING NOT NULL COMMENT 'the load that owns or owned the file',
    row_count BIGINT COMMENT 'rows of this file in the destination, counted there',
    config_id STRING NOT NULL,
    file_etag STRING COMMENT 'NULL where the claimant could not see it',
    file_size BIGINT NOT NULL COMMENT 'bytes',
    file_modified TIMESTAMP NOT NULL COMMENT 'whole seconds, UTC',
    attempt INT NOT NULL COMMENT 'of this file version, from 1',
    commit_id STRING COMMENT 'the Delta transaction that brings the rows',
    run_id STRING COMMENT 'of the Databricks run',
    rejected_count BIGINT COMMENT 'records in quarantine',
    error_code STRING,
    error_message STRING,
    updated_ts TIMESTAMP
) USING DELTA
PARTITIONED BY (lob)
COMMENT 'What became of every file version: one row per version and attempt'
TBLPROPERTIES (
    'delta.isolationLevel' = 'Serializable',
    'delta.dataSkippingStatsColumns' = 'batch_id,config_id,source_path,run_id,load_timestamp'
)
