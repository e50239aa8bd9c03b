"""A task attempt's real process: in a group of its own, waited for, stopped with the whole group."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, forkserver
from pathlib import Path

from local_stack.databricks import jobs_task

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOADED = "pyspark.sql.connect.session"
"""Half a second of a run that takes as much of the processor; the task's own modules it imports itself."""
_LOCK = threading.Lock()
"""Starting a process asks every other one for its exit code, which only one thread may read."""
# runs/get-output returns the last 5 MB of a task's log.
MAX_LOG_BYTES = 5_000_000
_ERROR_LINES = 20
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True)
class Failure:
    """What runs/get-output says about an attempt that failed."""

    error: str
    trace: str


def prepare() -> None:
    """Have the server that forks tasks' processes begin; it is ready some half a second later."""
    _CONTEXT.set_forkserver_preload([_PRELOADED])
    forkserver.ensure_running()


class TaskProcess:
    """The process of one attempt, forked from a server that has pyspark imported, as a cluster's driver has."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        self._process = _CONTEXT.Process(target=jobs_task.main, args=(command, log, environment), name="task")
        with _LOCK:
            self._process.start()

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid or 0

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code (negative: the signal that ended it), or None if it still runs after so many seconds."""
        connection.wait([self._process.sentinel], seconds)
        with _LOCK:
            code = self._process.exitcode
        if code is not None:
            _kill_group(self.pid, signal.SIGKILL)
        return code

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM to the group, and SIGKILL to what is left of it after the grace."""
        _kill_group(self.pid, signal.SIGTERM)
        connection.wait([self._process.sentinel], grace_seconds)
        _kill_group(self.pid, signal.SIGKILL)


def process_started(pid: int) -> str:
    """When the process began, in the system's own words, or "" if there is none: pid and start name a process."""
    with suppress(OSError, IndexError):
        # The fields after the command's name, which is in brackets and may hold spaces; the 22nd is the start.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    if Path("/proc/self/stat").exists():
        return ""
    return subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def kill_leftover(pid: int, started: str) -> None:
    """SIGKILL the group of a process of an earlier endpoint, if it is still that process."""
    if pid and started and process_started(pid) == started:
        _kill_group(pid, signal.SIGKILL)


def log_tail(log: Path) -> tuple[str, bool]:
    """The end of a log, and whether something before it was left off."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(0, size - MAX_LOG_BYTES))
            return file.read().decode(errors="replace"), size > MAX_LOG_BYTES
    except FileNotFoundError:
        return "", False


def failure(log: str, exit_code: int) -> Failure:
    """The error of a process that ended with this code: its log's last lines, and the last traceback in it."""
    lines = log.strip().splitlines()
    trace = ""
    if _TRACEBACK in log:
        trace = log[log.rindex(_TRACEBACK) :].strip()
        lines = [line for line in trace.splitlines()[1:] if line[:1] not in {"", " "}] or lines
    ended = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return Failure("\n".join(lines[-_ERROR_LINES:]) or f"The process ended with {ended}.", trace)


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
