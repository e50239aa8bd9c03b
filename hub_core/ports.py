"""What the core needs from outside. Adapters raise `hub_core.errors` and nothing else on purpose."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hub_core.codes import FileError
from hub_core.feeds import ParsedConfig
from hub_core.load import Load
from hub_core.model import Batch, Claim, FileOutcome, FileStatus, LoadState, Outcome, Run, SourceFile, TrackedFile
from hub_core.resolve import Candidate

Clock = Callable[[], datetime]
"""The time, in UTC."""

type Claimed = Set[tuple[str, str]]
"""Open claims of a batch, as (config_id, path)."""


class Tracker(Protocol):
    """What the hub knows of feeds and files: `file_config` and `load_tracker`."""

    def sync(self, lob: str, config: ParsedConfig, *, deactivate: bool) -> bool:
        """Copy the CSV into `file_config`, unless that holds exactly this CSV already; whether it wrote.

        With `deactivate` the CSV is the service's own, and feeds of `lob` that left it become inactive.
        """
        ...

    def tracked(self, lob: str, files: Iterable[Candidate]) -> Sequence[TrackedFile]:
        """What is known of the paths of candidates of one LOB: the newest attempt of each version, and all claims.

        Files that are still being listed are asked for as they come, many at a time.
        """
        ...

    def claim(self, lob: str, batch_id: str, claims: Sequence[Claim], run_id: str | None = None) -> Claimed:
        """Take every file version that nobody else has taken meanwhile; those that the batch has got.

        Where it could not take all of `claims`, or was given none, they are read back: earlier claims of the batch too.
        """
        ...

    def claimed(self, batch_id: str) -> Claimed:
        """The batch's open claims."""
        ...

    def outcome(self, batch_id: str) -> Outcome:
        """The batch, counted."""
        ...

    def files(self, batch_id: str, status: FileStatus | None, after: str, limit: int) -> Sequence[FileOutcome]:
        """At most `limit` rows of the batch with a tracker_id behind `after`, in its order."""
        ...

    def last_loads(self, lob: str) -> Mapping[str, tuple[str, datetime]]:
        """By config_id, the batch that claimed for the feed last, and when."""
        ...

    def recent_batches(self, lob: str, since: datetime) -> Sequence[Batch]:
        """The batches that have claimed files since then, a notebook's too."""
        ...

    def settle(self, lob: str, batch_id: str, code: FileError, message: str) -> None:
        """End the open claims of a batch whose runs are over, with `code` where they brought no rows."""
        ...

    def ping(self) -> None:
        """Raise if the tracker cannot be used."""
        ...


class Configs(Protocol):
    """The spokes' CSVs."""

    def lobs(self) -> frozenset[str]:
        """The LOBs that have one."""
        ...

    def read(self, lob: str) -> bytes | None:
        """`<lob>_config.csv`, or None where there is none."""
        ...


class Landing(Protocol):
    """Files in storage."""

    def list(self, folder: str, skip: Callable[[str], bool] | None = None) -> Iterator[SourceFile]:
        """All files below the abfss URL `folder`, of any depth, without directory markers.

        Folders of dates (YYYY/MM/DD, YYYYMMDD, YYYY-MM-DD) for which `skip` holds are left out.
        """
        ...

    def head(self, path: str) -> SourceFile | None:
        """The file as it is now, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as read; an update is refused (`Conflict`) once somebody else has changed it."""

    load: Load
    etag: str


class Loads(Protocol):
    """The records of loads."""

    def reserved(self, key: str) -> str | None:
        """The load id that `key` stands for, if it is taken."""
        ...

    def reserve(self, key: str, load_id: str) -> str:
        """Let `key` stand for `load_id`, unless it is taken; the id that it stands for from now on."""
        ...

    def insert(self, load: Load) -> bool:
        """False, and nothing is written, where the id is taken."""
        ...

    def get(self, load_id: str) -> Stored | None:
        """The record, or None."""
        ...

    def update(self, stored: Stored, load: Load) -> Stored:
        """Replace the record; `Conflict` if it has changed since `stored` was read."""
        ...

    def open(self) -> Iterator[Stored]:
        """The loads that `reconcile` has to look at."""
        ...

    def page(
        self, lob: str | None, status: LoadState | None, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        """At most `limit` loads, newest first, and the id behind which to go on."""
        ...

    def drop(self, before: datetime, limit: int) -> Sequence[str]:
        """Delete at most `limit` loads made before that moment on which nothing is open, and their keys; their ids."""
        ...


class Queue(Protocol):
    """The queue `loads`."""

    def put(self, message: str, delay_seconds: int = 0) -> None:
        """Send `message`, visible after the delay."""
        ...

    def put_soon(self, message: str) -> None:
        """Send `message` behind the caller's back, and again a few times; that it could not be sent is only logged."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """A message of the queue `blob-events`, received but not yet deleted."""

    body: str
    dequeue_count: int
    message_id: str
    receipt: str
    """Of this receiving; it deletes the message."""


class Events(Protocol):
    """The queue `blob-events`."""

    def put(self, body: str) -> None:
        """Send one event, as JSON."""
        ...

    def receive(self, limit: int) -> Sequence[Event]:
        """At most `limit` messages, hidden from others for some minutes; empty where there are none."""
        ...

    def delete(self, events: Iterable[Event]) -> None:
        """Delete messages that were dealt with."""
        ...

    def poison(self, event: Event) -> None:
        """Move a message that cannot be dealt with to `blob-events-poison`."""
        ...


class Documents(Protocol):
    """Small JSON documents by name: the paths of an event load, the last sweep."""

    def write(self, name: str, document: object) -> None:
        """Write, or overwrite."""
        ...

    def read(self, name: str) -> object | None:
        """The document, or None."""
        ...

    def delete(self, name: str) -> None:
        """Delete it, if it is there."""
        ...


class Alerts(Protocol):
    """How operators are told of loads that went wrong."""

    def send(self, load: Load) -> None:
        """Tell of `load`; Transient where it may work later, Broken where the setting is wrong."""
        ...


class Jobs(Protocol):
    """Databricks runs of the loader."""

    def submit(self, lob: str, batch_id: str, token: str, trace: str | None = None) -> Run:
        """Start the loader for a batch, as part of a trace where there is one; the same token is the same run."""
        ...

    def get(self, run_id: str) -> Run:
        """The run as it is now; `LOST` where the workspace does not know it."""
        ...

    def cancel(self, run_id: str) -> None:
        """Ask for the run's end, which takes its time; a run that is over stays as it is."""
        ...

    def find_active(self, lob: str, batch_id: str) -> Run | None:
        """A run of that batch in which the loader is not over, if there is one."""
        ...

    def ping(self) -> None:
        """Raise if the Jobs API cannot be used."""
        ...
