"""How much memory a load's run takes."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_FORKED = "multiprocessing.forkserver"


def peak_memory_mb(pid: int | str) -> float:
    """The most memory that a process has had resident, in MB (VmHWM of proc(5))."""
    return _status_mb(pid, "VmHWM")


class RunMemory:
    """The peak of the runs' processes while it is entered, asked for twice a second.

    That process is the loader: it holds the batch's claims. What Spark itself holds is the server's.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None and not self.peak_mb:
            raise RuntimeError("no run's process was seen")

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if _is_run(process):
                        self.peak_mb = max(self.peak_mb, peak_memory_mb(process.name))
                except (OSError, RuntimeError):
                    continue  # it ended meanwhile


def _is_run(process: Path) -> bool:
    """Whether it is a run's: forked, and the first of a session of its own, as the server that forks is not."""
    return _FORKED in (process / "cmdline").read_text() and os.getsid(int(process.name)) == int(process.name)


def resident_mb(leader: int) -> float:
    """What the processes of a group have resident together, in MB (VmRSS of proc(5)); pages they share count twice."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == leader:
                total += _status_mb(process.name, "VmRSS")
        except (OSError, RuntimeError):
            continue  # it ended meanwhile
    return total


def _status_mb(pid: int | str, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no {name}")
