"""Runs on disk, so that an endpoint that was killed knows them, and their tokens, when it is back."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path

from local_stack.databricks.jobs_runs import Run


class RunStore:
    """Every run in one SQLite file; each write is a transaction of its own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS runs (run_id INTEGER PRIMARY KEY, document TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS ids (last INTEGER NOT NULL);
            """
        )
        if self._database.execute("SELECT count(*) FROM ids").fetchone() == (0,):
            # Databricks' ids are unique for good: a new store must not give out those of one that was deleted.
            self._database.execute("INSERT INTO ids VALUES (?)", (int(time.time()) * 1000,))

    def new_id(self) -> int:
        """An id that no run and no task attempt has had."""
        with self._lock:
            row = self._database.execute("UPDATE ids SET last = last + 1 RETURNING last").fetchone()
            return int(row[0])

    def save(self, run: Run) -> None:
        """Remember the run as it is now."""
        document = json.dumps(run.as_document())
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (run.run_id, document))

    def all(self) -> list[Run]:
        """Every run, oldest first."""
        with self._lock:
            rows = self._database.execute("SELECT document FROM runs ORDER BY run_id").fetchall()
        return [Run.from_document(json.loads(row[0])) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
