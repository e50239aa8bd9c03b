"""The stack's child processes: started in groups of their own, waited for, stopped, never left behind.

A keeper process holds the other end of a pipe: when this process goes, even by SIGKILL, the pipe closes and
the keeper stops whatever still runs. (Linux's parent-death signal would not do: it fires when the *thread*
that started the child ends, it doesn't reach grandchildren, and macOS has none.)
"""

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

# Below the ranges from which Linux and macOS take the ports of outgoing connections, so that a port that a
# killed component leaves for a while isn't taken by somebody's client.
PORTS = range(20_000, 32_000)
KEEPER_GRACE_SECONDS = 10.0
LOG_LINES = 15

Probe = Callable[[], bool]


class ProcessError(Exception):
    """A child died or didn't get ready in time; the message holds the last lines of its log."""


def free_port(taken: set[int] | frozenset[int] = frozenset()) -> int:
    """A TCP port that nobody listens on, not one of `taken`; at random, so that two stacks rarely meet."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in taken and is_free(port):
            return port
    raise ProcessError("no free port between 20000 and 32000")


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port now."""
    with socket.socket() as probe:
        # As servers do, so that connections in TIME_WAIT don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def listens(port: int) -> Probe:
    """Ready when something accepts connections on the port."""

    def probe() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return probe


def answers(port: int, path: str, headers: Mapping[str, str] | None = None, content: bytes = b"") -> Probe:
    """Ready when GET path answers 200 with `content` somewhere in its body."""

    def probe() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status == 200 and content in response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a component, and how to tell that it is ready."""

    name: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str]
    ready: Probe
    directory: Path
    deadline_seconds: float = 60.0
    grace_seconds: float = 10.0


class Supervisor:
    """Starts and stops a stack's processes; leaving the context, or dying, stops them all."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, tuple[Command, subprocess.Popen[bytes]]] = {}
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    def start(self, command: Command) -> None:
        """Start a component and return at once; its output goes on in logs/NAME.log."""
        if self.runs(command.name):
            raise ProcessError(f"{command.name} runs already")
        self._logs.mkdir(parents=True, exist_ok=True)
        command.directory.mkdir(parents=True, exist_ok=True)
        with self.log(command.name).open("ab") as log:
            process = subprocess.Popen(
                [str(argument) for argument in command.arguments],
                cwd=command.directory,
                env=dict(command.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[command.name] = (command, process)
        self._tell_keeper(f"+{process.pid}")

    def wait_ready(self, name: str) -> None:
        """Return when the component is ready; ProcessError when it died or its deadline passed."""
        command, process = self._running[name]
        deadline = time.monotonic() + command.deadline_seconds
        while not command.ready():
            if process.poll() is not None:
                raise ProcessError(f"{name} ended with {process.returncode}; {self._last_lines(name)}")
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{name} was not ready in {command.deadline_seconds:.0f} s; {self._last_lines(name)}"
                )
            time.sleep(0.1)

    def runs(self, name: str) -> bool:
        """Whether the component was started and has not ended."""
        return name in self._running and self._running[name][1].poll() is None

    def pid(self, name: str) -> int:
        """The process id of a component that was started."""
        return self._running[name][1].pid

    def log(self, name: str) -> Path:
        """Where the component's output goes."""
        return self._logs / f"{name}.log"

    def stop(self, name: str) -> None:
        """Ask the component to end, make it end after its grace; without effect when it has ended."""
        self._end([name], signal.SIGTERM)

    def kill(self, name: str) -> None:
        """End the component and its children at once, as a crash would."""
        self._end([name], signal.SIGKILL)

    def stop_all(self) -> None:
        """Stop everything, all at once, and the keeper with it."""
        self._end(list(self._running), signal.SIGTERM)
        if self._keeper and self._keeper.stdin:
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None

    def _end(self, names: Sequence[str], how: signal.Signals) -> None:
        ending = [self._running.pop(name) for name in names if name in self._running]
        for _, process in ending:
            if how == signal.SIGKILL:
                _signal_group(process.pid, how)
            else:
                # The leader alone: it knows in which order its own children have to go.
                process.send_signal(how)
        asked = time.monotonic()
        for command, process in ending:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, asked + command.grace_seconds - time.monotonic()))
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
            self._tell_keeper(f"-{process.pid}")

    def _tell_keeper(self, line: str) -> None:
        if self._keeper is None:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        if self._keeper.stdin:
            self._keeper.stdin.write(f"{line}\n".encode())
            self._keeper.stdin.flush()

    def _last_lines(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-LOG_LINES:]
        return f"the end of {self.log(name)}:\n" + "\n".join(f"  | {line}" for line in lines)


def _signal_group(leader: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def _keep() -> None:
    """The keeper: note the groups named on stdin, and when it closes, end those that are left."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for how, seconds in ((signal.SIGTERM, KEEPER_GRACE_SECONDS), (signal.SIGKILL, 0.0)):
        for group in groups:
            _signal_group(group, how)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(_group_lives(group) for group in groups):
            time.sleep(0.1)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    _keep()
