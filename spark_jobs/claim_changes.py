"""The tracker's one writer of a run: changes from all threads go in as few MERGEs as there is time for."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass

from hub_core.codes import FileError
from hub_core.model import FileStatus
from hub_core.sql import Sql
from hub_core.statements import table_names
from spark_jobs.statements import CHANGE_CLAIMS

LINGER_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one claim, if its commit_id is still the one that this run has `seen`."""

    tracker_id: str
    seen: str | None
    load_status: FileStatus
    commit_id: str | None
    row_count: int | None = None
    rejected_count: int | None = None
    error_code: FileError | None = None
    error_message: str | None = None


class ClaimChanges:
    """Collects changes and writes them behind the caller's back; `close` waits for the last.

    While one MERGE runs, what arrives meanwhile becomes the next: a thousand groups don't take a thousand MERGEs.
    """

    def __init__(self, sql: Sql, catalog: str, lob: str, batch_id: str, run_id: str | None) -> None:
        self._sql = sql
        self._statement = CHANGE_CLAIMS.format_map(table_names(catalog))
        self._constant = {"lob": lob, "batch_id": batch_id, "run_id": run_id}
        self._waiting: list[tuple[Sequence[Change], Future[bool]]] = []
        self._arrived = threading.Condition()
        self._writing = False
        self._awaited = 0
        self._closing = False
        self._failure: BaseException | None = None
        self.written: list[Change] = []
        """Changes that the tracker has taken; none of a MERGE in which another run was faster with some of them."""
        self._thread = threading.Thread(target=self._write_all, name="tracker", daemon=True)
        self._thread.start()

    def put(self, changes: Sequence[Change]) -> "Future[bool]":
        """Have `changes` written soon; the future tells whether each one found its claim as it was seen.

        False may also come of others' changes in the same MERGE, or of a MERGE that ran twice: then read again.
        """
        future: Future[bool] = Future()
        if not changes:
            future.set_result(True)
            return future
        with self._arrived:
            self._waiting.append((changes, future))
            self._arrived.notify_all()
        return future

    def flush(self) -> None:
        """Return once everything that was put before is written; raises what kept it from being written."""
        with self._arrived:
            self._awaited += 1
            self._arrived.notify_all()
            self._arrived.wait_for(lambda: not self._waiting and not self._writing)
            self._awaited -= 1
        self.check()

    def close(self) -> None:
        """Return once everything is written, or has failed."""
        with self._arrived:
            self._closing = True
            self._arrived.notify_all()
        self._thread.join()

    def _write_all(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting or self._closing)
                if self._waiting:
                    # Groups of several tables end at about the same time; who flushes has no more to come.
                    self._arrived.wait_for(lambda: self._closing or self._awaited, LINGER_SECONDS)
                taken, self._waiting = self._waiting, []
                self._writing = bool(taken)
            if not taken:
                return
            try:
                complete = self._write([change for changes, _ in taken for change in changes])
            except BaseException as error:  # noqa: BLE001 — handed to whoever waits, and to `check`
                self._failure = self._failure or error
                for _, future in taken:
                    future.set_exception(error)
            else:
                for _, future in taken:
                    future.set_result(complete)
            with self._arrived:
                self._writing = False
                self._arrived.notify_all()

    def check(self) -> None:
        """Raise what has kept changes from being written: their claims are still open."""
        if self._failure is not None:
            raise self._failure

    def _write(self, changes: Sequence[Change]) -> bool:
        rows = json.dumps([asdict(change) for change in changes])
        complete = self._sql.execute(self._statement, {"rows": rows, **self._constant}) == len(changes)
        self.written += changes if complete else []
        return complete
