"""The hub's own tables, through any SQL engine: the one place that runs `hub_core.statements`."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import batched
from os.path import commonprefix
from uuid import uuid4

from hub_core import statements
from hub_core.codes import FileError
from hub_core.errors import COLUMN_NOT_FOUND, TABLE_NOT_FOUND, Broken
from hub_core.feeds import ParsedConfig
from hub_core.identifiers import quote_table
from hub_core.model import Batch, Claim, Feed, FileOutcome, FileStatus, Outcome, SourceFile, TrackedFile, whole_second
from hub_core.ports import Claimed
from hub_core.resolve import Candidate
from hub_core.sql import Row, Sql, Value

ROWS_PER_STATEMENT = 20_000


class SqlTracker:
    """`Tracker` on any SQL engine: `file_config` and `load_tracker` of one catalog."""

    def __init__(self, sql: Sql, catalog: str) -> None:
        self._sql = sql
        self._names = statements.table_names(catalog)

    def sync(self, lob: str, config: ParsedConfig, *, deactivate: bool) -> bool:
        """See `Tracker.sync`: one SELECT, and one MERGE where it is needed."""
        active = sum(feed.is_active for feed in config.feeds)
        [known] = self._query(statements.SYNCED_HASH, lob=lob)
        if deactivate and (known["content_hash"], known["hashes"], known["feeds"]) == (config.content_hash, 1, active):
            return False
        rows = json.dumps([statements.feed_row(feed) for feed in config.feeds])
        self._execute(statements.SYNC_FEEDS, rows=rows, hash=config.content_hash, lob=lob, deactivate=deactivate)
        return True

    def tracked(self, lob: str, files: Iterable[Candidate]) -> list[TrackedFile]:
        """See `Tracker.tracked`: one SELECT for each 20,000 files, two of them at once, while `files` goes on."""

        def known(chunk: Sequence[Candidate]) -> list[TrackedFile]:
            rows = self._query(statements.TRACKED_FILES, lob=lob, **_compact(chunk, _path_row))
            return [_tracked_file(row) for row in rows]

        pool = ThreadPoolExecutor(2, thread_name_prefix="tracked")
        try:
            asked = [pool.submit(known, chunk) for chunk in batched(files, ROWS_PER_STATEMENT)]
            return [file for answer in asked for file in answer.result()]
        finally:
            # Where the listing broke off, or an answer: the others are of no use to anybody.
            pool.shutdown(cancel_futures=True)

    def claim(self, lob: str, batch_id: str, claims: Sequence[Claim], run_id: str | None = None) -> Claimed:
        """See `Tracker.claim`: one MERGE for each 20,000 files, and a SELECT where they did not take all."""
        taken = 0
        for chunk in batched(claims, ROWS_PER_STATEMENT):
            rows, nonce = _compact(chunk, _claim_row), uuid4().hex
            taken += self._execute(
                statements.CLAIM_FILES, lob=lob, batch_id=batch_id, run_id=run_id, nonce=nonce, **rows
            )
        if claims and taken == len(claims):
            return {(claim.feed.config_id, claim.file.path) for claim in claims}
        return self.claimed(batch_id)

    def claimed(self, batch_id: str) -> Claimed:
        """See `Tracker.claimed`."""
        rows = self._query(statements.CLAIMED_PATHS, batch_id=batch_id)
        return {(str(row["config_id"]), str(row["source_path"])) for row in rows}

    def open_batches(self, lob: str, run_id: str) -> list[str]:
        """The batches with open claims that were made by this run."""
        return [str(row["batch_id"]) for row in self._query(statements.OPEN_BATCHES, lob=lob, run_id=run_id)]

    def recent_batches(self, lob: str, since: datetime) -> list[Batch]:
        """See `Tracker.recent_batches`."""
        rows = self._query(statements.RECENT_BATCHES, lob=lob, since=since)
        return [Batch(str(row["batch_id"]), _text(row["run_id"]), _moment(row["claimed_at"])) for row in rows]

    def outcome(self, batch_id: str) -> Outcome:
        """See `Tracker.outcome`."""
        rows = self._query(statements.BATCH_OUTCOME, batch_id=batch_id)
        return Outcome(
            files={FileStatus(str(row["load_status"])): _int(row["files"]) for row in rows},
            rows=sum(_int(row["row_count"]) for row in rows),
            rejected=sum(_int(row["rejected"]) for row in rows),
            canceled=sum(_int(row["canceled"]) for row in rows),
        )

    def files(self, batch_id: str, status: FileStatus | None, after: str, limit: int) -> list[FileOutcome]:
        """See `Tracker.files`."""
        rows = self._query(statements.BATCH_FILES, batch_id=batch_id, status=status, after=after, limit=limit)
        return [_file_outcome(row) for row in rows]

    def last_loads(self, lob: str) -> dict[str, tuple[str, datetime]]:
        """See `Tracker.last_loads`."""
        rows = self._query(statements.LAST_LOADS, lob=lob)
        return {str(row["config_id"]): (str(row["batch_id"]), _moment(row["claimed_at"])) for row in rows}

    def settle(self, lob: str, batch_id: str, code: FileError, message: str) -> None:
        """See `Tracker.settle`."""
        for row in self._query(statements.OPEN_COMMITS, batch_id=batch_id):
            self._finish_commits(lob, batch_id, str(row["dest_table"]), code, message)
        self._execute(statements.FAIL_CLAIMS, lob=lob, batch_id=batch_id, code=code, message=message)

    def _finish_commits(self, lob: str, batch_id: str, table: str, code: FileError, message: str) -> None:
        try:
            self._execute(
                statements.FINISH_COMMITS.replace("{dest}", quote_table(table)),
                lob=lob,
                batch_id=batch_id,
                dest_table=table,
                code=code,
                message=message,
            )
        except Broken as error:
            if error.code not in (TABLE_NOT_FOUND, COLUMN_NOT_FOUND):
                raise
            # Without a table, or the hub's columns in it, there was no commit: none of these files brought a row.

    def ping(self) -> None:
        """See `Tracker.ping`."""
        self._sql.query("SELECT 1 AS one", {})

    def _query(self, statement: str, **parameters: Value) -> Sequence[Row]:
        return self._sql.query(statement.format_map(self._names), parameters)

    def _execute(self, statement: str, **parameters: Value) -> int:
        return self._sql.execute(statement.format_map(self._names), parameters)


def _compact[Item: (Candidate, Claim)](
    items: Sequence[Item], row: Callable[[Item, str], dict[str, object]]
) -> dict[str, Value]:
    """The parameters `rows`, `feeds` and `prefix`; `row` makes a row of an item and its path behind the prefix."""
    prefix = commonprefix([item.file.path for item in items])  # noqa: RUF071 — the next line ends it at a folder
    prefix = prefix[: prefix.rfind("/") + 1]
    feeds: dict[str, tuple[int, Feed]] = {}
    rows = []
    for item in items:
        number, _ = feeds.setdefault(item.feed.config_id, (len(feeds), item.feed))
        rows.append({"f": number, **row(item, item.file.path[len(prefix) :])})
    known = [
        {
            "f": number,
            "config_id": config_id,
            "category": feed.category,
            "subcategory": feed.subcategory,
            "dest_table": feed.table,
        }
        for config_id, (number, feed) in feeds.items()
    ]
    return {"rows": _json(rows), "feeds": _json(known), "prefix": prefix}


def _path_row(_: Candidate, path: str) -> dict[str, object]:
    return {"p": path}


def _claim_row(claim: Claim, path: str) -> dict[str, object]:
    file = claim.file
    version = {"p": path, "s": file.size, "m": int(file.modified.timestamp()), "e": file.etag}
    return {**version, "a": claim.attempt, "r": claim.again}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _tracked_file(row: Row) -> TrackedFile:
    return TrackedFile(
        config_id=str(row["config_id"]),
        file=SourceFile(
            path=str(row["source_path"]),
            size=_int(row["file_size"]),
            modified=_moment(row["file_modified"]),
            etag=_text(row["file_etag"]),
        ),
        status=FileStatus(str(row["load_status"])),
        attempt=_int(row["attempt"]),
        batch_id=str(row["batch_id"]),
        run_id=_text(row["run_id"]),
        error_code=_text(row["error_code"]),
    )


def _file_outcome(row: Row) -> FileOutcome:
    updated = row["updated_ts"]
    return FileOutcome(
        tracker_id=str(row["tracker_id"]),
        category=str(row["category"]),
        subcategory=str(row["subcategory"]),
        file_name=str(row["file_name"]),
        path=str(row["source_path"]),
        dest_table=str(row["dest_table"]),
        status=FileStatus(str(row["load_status"])),
        size=_int(row["file_size"]),
        modified=_moment(row["file_modified"]),
        attempt=_int(row["attempt"]),
        row_count=None if row["row_count"] is None else _int(row["row_count"]),
        rejected_count=None if row["rejected_count"] is None else _int(row["rejected_count"]),
        error_code=_text(row["error_code"]),
        error_message=_text(row["error_message"]),
        updated_at=None if updated is None else _moment(updated),
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is not a timestamp")
    return whole_second(value)
