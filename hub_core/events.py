"""Blob events: which say that a file is complete, and where it lies. No I/O."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from hub_core.errors import Rejected
from hub_core.feeds import ParsedConfig
from hub_core.model import Feed
from hub_core.paths import is_hidden, parse_abfss
from hub_core.patterns import matches

# Calls after which a blob is complete. CreateFile is not among them: it makes an empty file before the data.
# https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
COMPLETING = frozenset({"FlushWithClose", "PutBlob", "PutBlockList", "CopyBlob", "SftpCommit", "CompleteFileUpload"})
CREATED = "Microsoft.Storage.BlobCreated"
RENAMED = "Microsoft.Storage.BlobRenamed"
FOLDER_RENAMED = "Microsoft.Storage.DirectoryRenamed"
MAX_NAME = 1_024
"""Characters that a blob's name has at most."""


class NotAnEvent(ValueError):
    """The message is not a blob event at all; it can never be dealt with."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that an event says is complete."""

    url: str
    """As storage spells it, percent-encoded."""
    etag: str
    folder_since: datetime | None = None
    """It is a folder, which was renamed then with all that was in it: none of those files has an event of its own."""


def read_event(body: str) -> Arrival | None:
    """The arrival that an event in Event Grid's or the CloudEvents schema tells of; None for events of other things."""
    try:
        event = json.loads(body)
        kind = event.get("eventType") or event.get("type")
        data = event.get("data") or {}
        if isinstance(data, str):
            data = json.loads(data)
        if kind in (RENAMED, FOLDER_RENAMED):
            then = _utc(event.get("eventTime") or event["time"]) if kind == FOLDER_RENAMED else None
            return Arrival(str(data["destinationUrl"]), str(data.get("eTag", "")), then)
        if kind != CREATED or data.get("api") not in COMPLETING:
            return None
        return Arrival(str(data["url"]), str(data.get("eTag", "")))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise NotAnEvent(f"not a blob event: {error}") from error


def _utc(moment: str) -> datetime:
    then = datetime.fromisoformat(moment)
    return then if then.tzinfo else then.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """What an event tells of, in one of our accounts."""

    path: str
    """An abfss path; a folder's ends in `/`."""
    folder_since: datetime | None = None
    """See `Arrival`."""


def place_of(arrival: Arrival | None, endpoints: Mapping[str, str]) -> Place | None:
    """See `path_of`."""
    if arrival is None:
        return None
    path = path_of(arrival.url.rstrip("/"), endpoints)
    if path is not None and arrival.folder_since is not None:
        return Place(f"{path}/", arrival.folder_since)
    return None if path is None or arrival.url.endswith("/") else Place(path)


def path_of(url: str, endpoints: Mapping[str, str]) -> str | None:
    """The abfss path of a blob's URL, or None if its account is none of ours, or its name none that a path may hold.

    `endpoints` maps the beginning of blob URLs, without scheme, with a trailing slash, to the account's host in abfss
    URLs: `acct.blob.core.windows.net/` → `acct.dfs.core.windows.net`.
    """
    rest = re.sub(r"^https?://", "", url)
    for endpoint, host in endpoints.items():
        if rest.startswith(endpoint):
            container, slash, name = rest[len(endpoint) :].partition("/")
            path = f"abfss://{container}@{host}/{unquote(name)}"
            return path if slash and name and _is_path(path) else None
    return None


def _is_path(path: str) -> bool:
    try:
        path.encode("utf-8")
        return len(parse_abfss(path).name) <= MAX_NAME
    except (UnicodeEncodeError, Rejected):  # JSON may hold half a surrogate pair, which no storage does
        return False


@dataclass(slots=True)
class Arrivals:
    """The paths that each LOB's feeds want, and how many nobody does."""

    by_lob: dict[str, list[str]] = field(default_factory=dict)
    unwanted: int = 0


def assign(paths: Iterable[str], configs: Mapping[str, ParsedConfig]) -> Arrivals:
    """Each path once, for every LOB with a feed that wants it."""
    arrivals = Arrivals()
    for path in dict.fromkeys(paths):
        lobs = [lob for lob, config in configs.items() if _wanted(path, config.feeds)]
        for lob in lobs:
            arrivals.by_lob.setdefault(lob, []).append(path)
        arrivals.unwanted += not lobs
    return arrivals


def _wanted(path: str, feeds: Sequence[Feed]) -> bool:
    return any(
        feed.is_active
        and path.startswith(feed.source_path)
        and not is_hidden(below := feed.below(path))
        and matches(feed.file_pattern, below)
        for feed in feeds
    )
