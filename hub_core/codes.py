"""Why a file is not SUCCESS: the closed list of `load_tracker.error_code`."""

from enum import StrEnum


class FileError(StrEnum):
    """A file's error code; `docs/errors.md` says of each what to do."""

    BAD_HEADER = "BAD_HEADER"
    """QUARANTINED: a header name is empty, stands twice up to case, is one of the hub's own, or does not decode."""
    TOO_MANY_REJECTS = "TOO_MANY_REJECTS"
    """QUARANTINED: more bad records than `max_reject_percent` allows, or a quote that is closed in another record."""
    FILE_RULE = "FILE_RULE"
    """QUARANTINED: the file as a whole breaks a quality rule: `row_count`, `unique`."""
    RULE_ERROR = "RULE_ERROR"
    """A quality rule cannot be evaluated on this file, e.g. it names a column that the file lacks."""
    SCHEMA_CONFLICT = "SCHEMA_CONFLICT"
    """A column's type cannot be widened to the table's without loss."""
    SCHEMA_DRIFT = "SCHEMA_DRIFT"
    """The file has columns that the table lacks (`schema_drift` is `fail`), or none of the table's (it is `ignore`)."""
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    """A parquet type that Delta cannot hold."""
    UNREADABLE_FILE = "UNREADABLE_FILE"
    """The file is broken: truncated, not what its suffix says, or not parquet."""
    FILE_CHANGED = "FILE_CHANGED"
    """The file was overwritten between claim and read; the new version is due."""
    FILE_GONE = "FILE_GONE"
    """The file was deleted between claim and read."""
    FEED_GONE = "FEED_GONE"
    """The claim's feed is not in `file_config`."""
    DESTINATION = "DESTINATION"
    """The destination cannot be created or written: a GRANT is missing, or the table is not the hub's kind."""
    LOAD_ERROR = "LOAD_ERROR"
    """The engine failed in a way that has no code of its own."""
    RUN_LOST = "RUN_LOST"
    """The runs of the batch ended, three times, without finishing this file."""
    CANCELED = "CANCELED"
    """The load was canceled before this file was written."""
    RELEASED = "RELEASED"
    """The claim outlived its load, which had failed before it was submitted."""


PASSING = frozenset({FileError.FILE_CHANGED, FileError.LOAD_ERROR, FileError.RUN_LOST, FileError.RELEASED})
"""Errors that another attempt may not meet; only these are tried again without anybody asking."""
