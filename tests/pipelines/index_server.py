"""A package index on this machine that wants a token, for reading too, as an Azure Artifacts feed does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pypiserver


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def index_server(packages: Path, token: str) -> Iterator[str]:
    """The URL of an index over a folder; its passwords are this token, whoever the user is."""
    app = pypiserver.app(
        roots=[packages],
        password_file="unused",
        authenticate=["download", "list", "update"],
        auther=lambda _user, password: password == token,
        disable_fallback=True,
    )
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            serving.join()
