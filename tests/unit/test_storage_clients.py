"""The clients of tables and queues where storage does not answer as it should."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError, ServiceResponseTimeoutError
from azure.core.pipeline.transport import HttpRequest
from azure.storage.queue import QueueServiceClient

from hub_core.adapters.message_body import decode_body
from hub_core.adapters.queue import LOADS, StorageQueue
from hub_core.adapters.transport import SmallRequests

# Azurite's own, public: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

type Serve = Callable[[Callable[[socket.socket], object]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server whose connections are dealt with as told; its port."""
    listeners: list[socket.socket] = []

    def start(deal: Callable[[socket.socket], object]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    deal(connection)

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def _send(port: int, **options: object) -> object:
    with SmallRequests() as transport:
        return transport.send(HttpRequest("GET", f"http://127.0.0.1:{port}/x"), **options)


def test_an_answer_is_read_whole(serve: Serve) -> None:
    port = serve(lambda to: to.sendall(b"HTTP/1.1 409 Conflict\r\nX-Ms-Code: A\r\nContent-Length: 2\r\n\r\nno"))
    answer = _send(port)
    assert (answer.status_code, answer.headers["x-ms-code"], answer.body()) == (409, "A", b"no")  # type: ignore[attr-defined]


def test_a_port_that_nobody_listens_on_is_a_request_that_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ServiceRequestError):
        _send(port)


def test_a_broken_connection_is_an_answer_that_did_not_come(serve: Serve) -> None:
    with pytest.raises(ServiceResponseError):
        _send(serve(lambda _: None))
    with pytest.raises(ServiceResponseError):
        _send(serve(lambda to: to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nhalf")))


def test_silence_ends_with_the_timeout(serve: Serve) -> None:
    silent = threading.Event()
    try:
        with pytest.raises(ServiceResponseTimeoutError):
            _send(serve(lambda _: silent.wait(10)), read_timeout=0.2)
    finally:
        silent.set()


def _queue(port: int) -> StorageQueue:
    service = QueueServiceClient(
        f"http://127.0.0.1:{port}/{ACCOUNT}",
        credential={"account_name": ACCOUNT, "account_key": KEY},
        transport=SmallRequests(),
        retry_total=0,
    )
    return StorageQueue(service, LOADS)


def test_a_message_that_cannot_be_sent_behind_the_callers_back_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    queue = _queue(serve(lambda to: to.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")))
    with caplog.at_level(logging.WARNING):
        queue.put_soon("{}")
        queue.close()
    assert "check the identity's role assignments" in caplog.text
    assert KEY not in caplog.text


def test_a_message_is_sent_again_behind_the_callers_back_as_soon_as_storage_wants_it(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_core.adapters.queue._PAUSES", (0.1, 0.2))
    monkeypatch.setattr("hub_core.adapters.azure_faults.LONGEST_WAIT_SECONDS", 0.5)
    came: list[float] = []
    third = threading.Event()

    def deal(to: socket.socket) -> None:
        came.append(time.monotonic())
        asked = b"Retry-After: 1\r\n" if len(came) == 1 else b""
        to.sendall(b"HTTP/1.1 503 Service Unavailable\r\n" + asked + b"Content-Length: 0\r\n\r\n")
        if len(came) == 3:
            third.set()

    queue = _queue(serve(deal))
    with caplog.at_level(logging.WARNING):
        queue.put_soon("{}")
        assert third.wait(10)
        queue.close()
    assert came[1] - came[0] >= 1
    assert len(came) == 3
    assert caplog.text.count("a message was not sent") == 1


@pytest.mark.parametrize(("limit", "value"), [("_WAITING", 0), ("_LONGEST_PAUSE", 0.1)])
def test_a_message_does_not_wait_for_too_long_nor_among_too_many(
    limit: str, value: float, serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"hub_core.adapters.queue.{limit}", value)
    queue = _queue(serve(lambda to: to.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")))
    with caplog.at_level(logging.WARNING):
        queue.put_soon("{}")
        queue.close()
    assert "a message was not sent" in caplog.text


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ('{"id": 1}', '{"id": 1}'),
        ("eyJpZCI6IDF9", '{"id": 1}'),
        ("café", "café"),
        ("/w==", "/w=="),
        ("", ""),
        (None, ""),
    ],
)
def test_a_message_of_any_content_has_a_body(content: str | None, body: str) -> None:
    assert decode_body(content) == body
