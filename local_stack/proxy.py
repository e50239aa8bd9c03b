"""A reverse proxy that breaks what passes through it, as told: one upstream, HTTP/1.1, 127.0.0.1.

with Proxy(upstream_port) as proxy:
    proxy.fault(status(503, retry_after=7), when=method("POST"), times=1)
    …
    assert proxy.asked()[1].at - proxy.asked()[0].at >= 7
"""

import http.client
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

DRIPS = 10
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Kind(StrEnum):
    """What goes wrong with one request."""

    STATUS = "status"
    """A refusal; upstream sees nothing."""
    RESET = "reset"
    """The connection breaks before an answer; upstream sees nothing."""
    LOST = "lost"
    """Upstream does the work, and the connection breaks instead of its answer."""
    STALL = "stall"
    """No answer for `seconds`, then the connection ends; upstream sees nothing."""
    DRIP = "drip"
    """The answer comes, in pieces over `seconds`."""
    HALF = "half"
    """Upstream does the work, and half of its answer's body comes, or of its head where it has no body."""


@dataclass(frozen=True)
class Fault:
    """A kind with its particulars."""

    kind: Kind
    code: int = 503
    retry_after: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.code}" if self.kind is Kind.STATUS else self.kind.value


def status(code: int, *, retry_after: float | str | None = None) -> Fault:
    """A refusal with this status."""
    return Fault(Kind.STATUS, code, None if retry_after is None else str(retry_after))


@dataclass
class Asked:
    """A request that came, and what was done with it."""

    method: str
    target: str
    body: bytes
    at: float = field(default_factory=time.monotonic)
    fault: Fault | None = None
    status: int | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the first of each name."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def call(self) -> str:
        """The Thrift method in the body, or else the method and the path without its query."""
        if self.body[:4] == b"\x80\x01\x00\x01":
            (length,) = struct.unpack(">I", self.body[4:8])
            return self.body[8 : 8 + length].decode()
        return f"{self.method} {self.target.partition('?')[0]}"


type When = Callable[[Asked], bool]

type Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


@dataclass
class _Rule:
    fault: Fault
    when: When
    left: int | None
    percent: float
    dice: random.Random

    def strikes(self, asked: Asked) -> bool:
        if self.left == 0 or not self.when(asked) or self.dice.uniform(0, 100) >= self.percent:
            return False
        if self.left is not None:
            self.left -= 1
        return True


def always(_: Asked) -> bool:
    """Every request."""
    return True


class Proxy:
    """Listens on `port` while in its context; may be told what to break from any thread at any time."""

    def __init__(self, upstream_port: int, instead: Callable[[Asked], Answer | None] = lambda _: None) -> None:
        """What `instead` answers, upstream is not asked for."""
        self._upstream_port = upstream_port
        self._instead = instead
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._asked: list[Asked] = []
        self._closing = threading.Event()
        self._server = _server(self)
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(
        self, fault: Fault, *, when: When = always, times: int | None = 1, percent: float = 100, seed: int = 0
    ) -> None:
        """Break the next `times` requests (None: all) that `when` holds for, or `percent` of them by the seed's dice.

        Of several rules the first that strikes does.
        """
        with self._lock:
            self._rules.append(_Rule(fault, when, times, percent, random.Random(seed)))  # noqa: S311 — dice

    def calm(self) -> None:
        """Break nothing any more."""
        with self._lock:
            self._rules.clear()

    def asked(self, when: When = always) -> Sequence[Asked]:
        """The requests so far, in the order in which they came."""
        with self._lock:
            return [one for one in self._asked if when(one)]

    def struck(self) -> Sequence[Asked]:
        """The requests that were broken."""
        return self.asked(lambda one: one.fault is not None)

    def waiting(self) -> int:
        """How many breaks are still to come, of those that are counted."""
        with self._lock:
            return sum(rule.left or 0 for rule in self._rules)

    def forget(self) -> None:
        """Have no requests behind, and break nothing."""
        with self._lock:
            self._rules.clear()
            self._asked.clear()

    # for the server's threads

    def take(self, asked: Asked) -> None:
        """Note a request, and what is to go wrong with it."""
        with self._lock:
            self._asked.append(asked)
            asked.fault = next((rule.fault for rule in self._rules if rule.strikes(asked)), None)

    def pass_on(self, asked: Asked, headers: Sequence[tuple[str, str]]) -> Answer:
        """Upstream's answer, or what there is instead. A connection of its own each time: none is ever stale."""
        if (instead := self._instead(asked)) is not None:
            return instead
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream_port, timeout=120)
        try:
            upstream.putrequest(asked.method, asked.target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(asked.body)))
            upstream.endheaders(asked.body)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def rest(self, seconds: float) -> None:
        """Wait, but not beyond the proxy's own end."""
        self._closing.wait(seconds)


def _server(proxy: Proxy) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def _pass(self) -> None:
            asked = Asked(self.command, self.path, self._body())
            proxy.take(asked)
            fault = asked.fault
            if fault is not None and fault.kind in (Kind.RESET, Kind.STALL):
                proxy.rest(fault.seconds)
                return self._break()
            if fault is not None and fault.kind is Kind.STATUS:
                extra = [] if fault.retry_after is None else [("Retry-After", fault.retry_after)]
                return self._answer(asked, fault.code, extra, b"")
            try:
                answered = proxy.pass_on(asked, self.headers.items())
            except (OSError, http.client.HTTPException):
                return self._break()  # upstream is away, and so is what stands for it
            if fault is not None and fault.kind is Kind.LOST:
                return self._break()
            return self._answer(asked, *answered)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        def _answer(self, asked: Asked, code: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
            asked.status, fault = code, asked.fault
            given = {name.lower(): value for name, value in headers}.get("content-length")
            length = given if asked.method == "HEAD" and given else str(len(body))
            lines = [f"HTTP/1.1 {code} {http.client.responses.get(code, 'Unknown')}"]
            lines += [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP_BY_HOP]
            # An answer that must have no body has no length either.
            lines += [] if code in (204, 304) else [f"Content-Length: {length}"]
            head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
            if fault is not None and fault.kind is Kind.HALF:
                self.wfile.write(head + body[: len(body) // 2] if len(body) > 1 else head[: len(head) // 2])
                self.close_connection = True
            elif fault is not None and fault.kind is Kind.DRIP:
                self._drip(head + body, fault.seconds)
            else:
                self.wfile.write(head + body)
            self.wfile.flush()

        def _drip(self, whole: bytes, seconds: float) -> None:
            size = max(1, -(-len(whole) // DRIPS))
            for start in range(0, len(whole), size):
                self.wfile.write(whole[start : start + size])
                self.wfile.flush()
                proxy.rest(seconds / DRIPS)

        def _break(self) -> None:
            # Closed with nothing lingering, the client gets a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _pass  # noqa: N815 — http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that went away is what some of this is about."""

    return Server(("127.0.0.1", 0), Handler)


def call(*names: str) -> When:
    """Requests whose `Asked.call` is one of these, or ends with one."""
    return lambda one: one.call.endswith(names)


def holding(text: str, when: When = always) -> When:
    """Requests that have `text` in target or body."""
    return lambda one: when(one) and (text in one.target or text.encode() in one.body)
