"""The supervisor, on small real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local_stack.processes import PORTS, Command, ProcessError, Supervisor, answers, free_port, is_free, listens

# A child with a child of its own; it writes both ids when it is ready.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("pids.tmp", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename("pids.tmp", "pids")
time.sleep(600)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as supervisor:
        yield supervisor


def python(code: str, place: Path, **options: float) -> Command:
    """A component that runs `code` and is ready once it wrote its pids."""
    place.mkdir(parents=True, exist_ok=True)
    pids = place / "pids"
    return Command("child", [sys.executable, "-c", code], dict(os.environ), pids.exists, place, **options)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that ended stays a zombie where nobody collects it.
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def family(place: Path) -> list[int]:
    return [int(pid) for pid in (place / "pids").read_text().split()]


class TestStopping:
    @pytest.mark.parametrize("end", [Supervisor.stop, Supervisor.kill])
    def test_a_component_goes_with_its_children(self, supervisor: Supervisor, tmp_path: Path, end) -> None:
        supervisor.start(python(FAMILY, tmp_path))
        supervisor.wait_ready("child")
        end(supervisor, "child")
        assert not supervisor.runs("child")
        assert within(5, lambda: not any(map(lives, family(tmp_path))))

    def test_one_that_ignores_the_request_goes_after_its_grace(self, supervisor: Supervisor, tmp_path: Path) -> None:
        supervisor.start(python(STUBBORN + FAMILY, tmp_path, grace_seconds=0.2))
        supervisor.wait_ready("child")
        supervisor.stop("child")
        assert within(5, lambda: not any(map(lives, family(tmp_path))))

    def test_stopping_what_does_not_run_does_nothing(self, supervisor: Supervisor) -> None:
        supervisor.stop("child")
        supervisor.kill("child")

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
    def test_no_orphan_is_left_when_the_supervisors_process_is_killed(
        self, tmp_path: Path, how: signal.Signals
    ) -> None:
        code = f"""
import os, sys, time
from pathlib import Path
from local_stack.processes import Command, Supervisor
place = Path({str(tmp_path)!r})
child = [sys.executable, "-c", {FAMILY!r}]
supervisor = Supervisor(place / "logs")
supervisor.start(Command("child", child, dict(os.environ), (place / "pids").exists, place))
time.sleep(600)
"""
        parent = subprocess.Popen([sys.executable, "-c", code])
        try:
            assert within(20, (tmp_path / "pids").exists)
            assert all(map(lives, family(tmp_path)))
        finally:
            parent.send_signal(how)
            parent.wait()
        assert within(10, lambda: not any(map(lives, family(tmp_path))))


class TestWaiting:
    def test_a_death_is_reported_with_the_end_of_the_log(self, supervisor: Supervisor, tmp_path: Path) -> None:
        supervisor.start(python("import sys; print('port is taken', flush=True); sys.exit(3)", tmp_path))
        with pytest.raises(ProcessError, match=r"child ended with 3; the end of .*child\.log:\n  \| port is taken"):
            supervisor.wait_ready("child")

    def test_a_deadline_that_passes_is_an_error(self, supervisor: Supervisor, tmp_path: Path) -> None:
        supervisor.start(python("import time; time.sleep(600)", tmp_path, deadline_seconds=0.2))
        with pytest.raises(ProcessError, match="not ready in 0 s"):
            supervisor.wait_ready("child")

    def test_one_that_runs_is_not_started_twice(self, supervisor: Supervisor, tmp_path: Path) -> None:
        supervisor.start(python(FAMILY, tmp_path))
        with pytest.raises(ProcessError, match="runs already"):
            supervisor.start(python(FAMILY, tmp_path))

    def test_one_that_was_killed_can_be_started_again_and_its_log_goes_on(
        self, supervisor: Supervisor, tmp_path: Path
    ) -> None:
        for _ in range(2):
            (tmp_path / "pids").unlink(missing_ok=True)
            supervisor.start(python("print('hello', flush=True)" + FAMILY, tmp_path))
            supervisor.wait_ready("child")
            supervisor.kill("child")
        assert supervisor.log("child").read_text().splitlines() == ["hello", "hello"]


class TestPorts:
    def test_a_free_port_is_outside_the_range_of_outgoing_connections(self) -> None:
        port = free_port()
        assert port in PORTS
        assert is_free(port)
        assert not listens(port)()

    def test_a_port_that_is_taken_is_not_given(self) -> None:
        with socket.socket() as server:
            port = free_port()
            server.bind(("127.0.0.1", port))
            server.listen()
            assert not is_free(port)
            with pytest.raises(ProcessError, match="no free port"):
                free_port(set(PORTS) - {port})


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        allowed = self.headers["key"] == "k"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(b'{"state": "Running"}')

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class TestProbes:
    def test_a_server_is_ready_when_it_answers_200_with_the_content_asked_for(self) -> None:
        with HTTPServer(("127.0.0.1", 0), Page) as server:
            Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            port = server.server_port
            assert not is_free(port)
            assert listens(port)()
            assert answers(port, "/", {"key": "k"}, b"Running")()
            assert not answers(port, "/", {"key": "k"}, b"Stopping")()
            assert not answers(port, "/", {"key": "wrong"}, b"Running")()
            server.shutdown()
        assert not answers(port, "/")()
