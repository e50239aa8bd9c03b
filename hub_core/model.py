"""The words of the hub, as plain frozen values. To see what the hub does, read this, then `hub.py`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

LOAD_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""What an id of a load may be, as callers give it."""


class LoadState(StrEnum):
    """Where a load is; it only moves forward."""

    ACCEPTED = "ACCEPTED"
    SUBMITTING = "SUBMITTING"
    RUNNING = "RUNNING"
    CANCELING = "CANCELING"
    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EMPTY = "EMPTY"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the load."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({LoadState.SUCCESS, LoadState.PARTIAL, LoadState.FAILED, LoadState.CANCELED, LoadState.EMPTY})


class Trigger(StrEnum):
    """Who asked for a load."""

    REQUEST = "request"
    EVENT = "event"
    SWEEP = "sweep"
    RETRY = "retry"
    NOTEBOOK = "notebook"


class FileStatus(StrEnum):
    """`load_tracker.load_status`."""

    CLAIMED = "CLAIMED"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"


class FileFormat(StrEnum):
    """What a feed's files are."""

    DELIMITED = "delimited"
    PARQUET = "parquet"


class DateSource(StrEnum):
    """Where a file's date comes from: its path, its last-modified time, or the first of these that is there."""

    AUTO = "auto"
    NAME = "name"
    MODIFIED = "modified"


class OnRedelivery(StrEnum):
    """What a newer version of a loaded file does to the older one's rows."""

    REPLACE = "replace"
    SKIP = "skip"
    APPEND = "append"


class SchemaDrift(StrEnum):
    """What columns that the table lacks do."""

    ADD = "add"
    FAIL = "fail"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Feed:
    """One row of a spoke's CSV, and of `file_config`."""

    lob: str
    category: str
    subcategory: str
    file_pattern: str
    source_path: str
    """abfss URL of a folder, ending in `/`."""
    file_format: FileFormat
    delimiter: str | None
    """None for parquet."""
    has_header: bool
    dest_catalog: str
    dest_schema: str
    dest_table: str
    is_active: bool = True
    date_source: DateSource = DateSource.AUTO
    on_redelivery: OnRedelivery = OnRedelivery.REPLACE
    schema_drift: SchemaDrift = SchemaDrift.ADD
    max_reject_percent: float = 0.0
    quality_rules: str | None = None
    encoding: str = "UTF-8"
    quote: str = '"'
    escape: str = '"'
    multiline: bool = False
    null_value: str | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """(lob, category, subcategory, file_pattern)."""
        return (self.lob, self.category, self.subcategory, self.file_pattern)

    @property
    def config_id(self) -> str:
        """32 hex characters made from the key, so that every shell computes the same one."""
        return digest(*self.key)

    def below(self, path: str) -> str:
        """A file's path below the feed's folder."""
        return path[len(self.source_path) :]

    @property
    def table(self) -> str:
        """`catalog.schema.table`, unquoted."""
        return f"{self.dest_catalog}.{self.dest_schema}.{self.dest_table}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file version, as a listing or an event's HEAD shows it."""

    path: str
    """abfss URL, every character literal (nothing is percent-encoded)."""
    size: int
    """Bytes."""
    modified: datetime
    """UTC, whole seconds."""
    etag: str | None = None

    @property
    def name(self) -> str:
        """The base name."""
        return self.path.rsplit("/", 1)[1]

    def same_version(self, other: "SourceFile") -> bool:
        """Equal in path, size and last-modified second, and in eTag where both know it."""
        return (
            self.path == other.path
            and self.size == other.size
            and whole_second(self.modified) == whole_second(other.modified)
            and (self.etag is None or other.etag is None or self.etag == other.etag)
        )


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A row of the tracker, as far as deciding what is due needs it."""

    config_id: str
    file: SourceFile
    status: FileStatus
    attempt: int
    batch_id: str
    run_id: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A file version that a load wants for a feed."""

    feed: Feed
    file: SourceFile
    attempt: int
    """One more than the tracker knew of this version."""
    again: bool = False
    """Whether the tracker knew of a loaded version, whose rows may have to go: such files come in commits apart."""

    @property
    def key(self) -> tuple[str, str]:
        """(config_id, path): of these at most one claim is open."""
        return (self.feed.config_id, self.file.path)


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """A tracker row as operators see it."""

    tracker_id: str
    category: str
    subcategory: str
    file_name: str
    path: str
    dest_table: str
    status: FileStatus
    size: int
    modified: datetime
    attempt: int
    row_count: int | None
    rejected_count: int | None
    error_code: str | None
    error_message: str | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the tracker alone knows it."""

    batch_id: str
    run_id: str | None
    """The run that its claims name, if they do."""
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch in the tracker, counted."""

    files: Mapping[FileStatus, int] = field(default_factory=dict)
    rows: int = 0
    rejected: int = 0
    canceled: int = 0
    """FAILED files that were only canceled."""

    @property
    def bad(self) -> int:
        """Files with a reason of their own for not being in bronze."""
        return self.count(FileStatus.FAILED) + self.count(FileStatus.QUARANTINED) - self.canceled

    @property
    def total(self) -> int:
        """All files of the batch."""
        return sum(self.files.values())

    def count(self, status: FileStatus) -> int:
        """Files of the batch with that status."""
        return self.files.get(status, 0)


class RunState(StrEnum):
    """A Databricks run, as far as the hub cares."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    LOST = "LOST"
    """The workspace does not know the run (any more)."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of the run executes any more."""
        return self not in (RunState.PENDING, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Run:
    """A Databricks run; `state` is the loader's task's, not the whole run's."""

    run_id: str
    state: RunState
    page_url: str | None = None
    message: str | None = None


def digest(*parts: str) -> str:
    """32 hex characters; parts are kept apart, so that ("ab", "c") and ("a", "bc") differ."""
    return sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def whole_second(moment: datetime) -> datetime:
    """`moment` in UTC without its fraction: what Spark, storage and the tracker agree on."""
    return moment.astimezone(UTC).replace(microsecond=0)


def iso(moment: datetime) -> str:
    """`moment` (UTC) as ISO 8601 with a Z."""
    return moment.isoformat().replace("+00:00", "Z")
