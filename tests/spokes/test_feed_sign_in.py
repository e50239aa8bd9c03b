"""A spoke's init script, and pip itself: a library with a `repo` is installed from a feed that wants a token."""

import os
import subprocess
import sys
import threading
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from tests.spokes.run import FALCON

TOKEN = "atokenofnobody"
SIMPLE = "/company/_packaging/deltalake-artifacts/pypi/simple/"
WHEEL = "toy_hub-1.0-py3-none-any.whl"


def wheel() -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("toy_hub.py", "")
        archive.writestr("toy_hub-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy-hub\nVersion: 1.0\n")
        archive.writestr(
            "toy_hub-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("toy_hub-1.0.dist-info/RECORD", "")
    return held.getvalue()


class _Feed(BaseHTTPRequestHandler):
    """An index with one wheel; 401 without the token."""

    def do_GET(self) -> None:
        kind, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic" or b64decode(credentials).decode() != f"build:{TOKEN}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="feed"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        pages = {
            f"{SIMPLE}toy-hub/": ("text/html", f'<a href="../../{WHEEL}">{WHEEL}</a>'.encode()),
            f"{SIMPLE.removesuffix('simple/')}{WHEEL}": ("application/octet-stream", wheel()),
        }
        kind, body = pages.get(self.path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def feed() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Feed)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{SIMPLE}"
    server.shutdown()
    server.server_close()
    thread.join()


def install(config: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(config.parent), "PIP_CONFIG_FILE": str(config)}
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **home}
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--no-cache-dir", "--no-deps", "--retries", "0"]
    command += ["--disable-pip-version-check", "--target", str(target), *options, "toy-hub==1.0"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("with_repo", [True, False])
def test_pip_installs_from_the_feed_once_the_init_script_has_run(tmp_path: Path, feed: str, *, with_repo: bool) -> None:
    config = tmp_path / "pip.conf"
    home = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(config)}
    environment = {"PATH": os.environ["PATH"], "HUB_FEED_URL": feed, "ADO_PAT": TOKEN, **home}
    script = ["bash", str(FALCON / "scripts" / "configure_pip.sh")]
    said = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    assert TOKEN not in said.stdout + said.stderr
    # As Databricks installs a `pypi` library: its `repo` becomes --index-url.
    answer = install(config, tmp_path / "site", *(["--index-url", feed] if with_repo else []))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (tmp_path / "site" / "toy_hub.py").exists()
    assert TOKEN not in answer.stdout + answer.stderr


def test_without_the_init_script_the_feed_refuses(tmp_path: Path, feed: str) -> None:
    answer = install(tmp_path / "none.conf", tmp_path / "site", "--index-url", feed)
    assert answer.returncode != 0
