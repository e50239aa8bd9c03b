CREATE TABLE IF NOT EXISTS {catalog}.bronze_metadata.quarantine (
    tracker_id STRING NOT NULL,
    batch_id STRING NOT NULL,
    dest_table STRING NOT NULL,
    source_file STRING NOT NULL,
    raw_record STRING COMMENT 'the record as it was sent',
    rule STRING COMMENT 'malformed, or the name of the quality rule',
    reason STRING,
    quarantined_ts TIMESTAMP
) USING DELTA
COMMENT 'Records that were refused, each with its reason'
