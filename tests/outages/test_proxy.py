"""The proxy does to a request what it was told, and nothing to the others."""

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from local_stack.proxy import Fault, Kind, Proxy, call, holding, status

BODY = b"0123456789"


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    came: ClassVar[list[str]] = []

    def _answer(self) -> None:
        self.came.append(self.command)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(204 if self.command == "DELETE" else 200)
        if self.command != "DELETE":
            self.send_header("Content-Length", str(len(BODY + sent)))
        self.end_headers()
        if self.command not in ("HEAD", "DELETE"):
            self.wfile.write(BODY + sent)

    do_GET = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    Upstream.came = []
    threading.Thread(target=upstream.serve_forever, args=(0.05,), daemon=True).start()
    with Proxy(upstream.server_address[1]) as proxy:
        yield proxy
    upstream.shutdown()
    upstream.server_close()


def ask(
    proxy: Proxy, method: str = "GET", body: bytes | None = None, timeout: float = 5
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout)
    connection.request(method, "/x/y?q=1", body)
    answer = connection.getresponse()
    return answer, answer.read()


def test_what_is_not_to_break_passes_whole(proxy: Proxy) -> None:
    assert ask(proxy)[1] == BODY
    assert ask(proxy, "POST", b"sent")[1] == BODY + b"sent"
    head, body = ask(proxy, "HEAD")
    assert (head.headers["content-length"], body) == (str(len(BODY)), b"")
    assert ask(proxy, "DELETE")[0].status == 204
    assert [(one.call, one.fault, one.status) for one in proxy.asked(call("GET /x/y", "DELETE /x/y"))] == [
        ("GET /x/y", None, 200),
        ("DELETE /x/y", None, 204),
    ]


def test_a_refusal_has_its_status_and_its_retry_after_and_upstream_sees_nothing(proxy: Proxy) -> None:
    proxy.fault(status(429, retry_after=7))
    answer, _ = ask(proxy)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert Upstream.came == []
    assert ask(proxy)[1] == BODY


@pytest.mark.parametrize(("kind", "came"), [(Kind.RESET, []), (Kind.LOST, ["GET"])])
def test_a_connection_breaks_before_or_after_upstream_did_the_work(proxy: Proxy, kind: Kind, came: list[str]) -> None:
    proxy.fault(Fault(kind))
    with pytest.raises(ConnectionResetError):
        ask(proxy)
    assert Upstream.came == came


def test_half_an_answer_is_half_of_its_body_or_of_its_head_where_it_has_none(proxy: Proxy) -> None:
    proxy.fault(Fault(Kind.HALF), times=2)
    with pytest.raises(http.client.IncompleteRead) as broken:
        ask(proxy)
    assert broken.value.partial == BODY[:5]
    answer, _ = ask(proxy, "DELETE")
    assert answer.status == 204
    assert not answer.headers.get("server", "").endswith(tuple("0123456789"))
    assert Upstream.came == ["GET", "DELETE"]


def test_a_stall_lasts_longer_than_the_client_waits(proxy: Proxy) -> None:
    proxy.fault(Fault(Kind.STALL, seconds=5))
    with pytest.raises(TimeoutError):
        ask(proxy, timeout=0.2)
    assert Upstream.came == []


def test_a_slow_answer_comes_in_drips_and_whole(proxy: Proxy) -> None:
    proxy.fault(Fault(Kind.DRIP, seconds=0.5))
    start = time.monotonic()
    assert ask(proxy)[1] == BODY
    assert time.monotonic() - start >= 0.4


def test_a_rule_strikes_as_often_as_told_where_its_predicate_holds(proxy: Proxy) -> None:
    proxy.fault(status(503), when=call("POST /x/y"), times=1)
    proxy.fault(status(500), when=holding("secret"), times=None)
    assert ask(proxy)[0].status == 200
    assert [ask(proxy, "POST", body)[0].status for body in (b"a", b"a secret", b"a")] == [503, 500, 200]
    assert proxy.waiting() == 0
    proxy.calm()
    assert ask(proxy, "POST", b"a secret")[0].status == 200
    assert [one.status for one in proxy.struck()] == [503, 500]


def test_dice_of_the_same_seed_fall_the_same(proxy: Proxy) -> None:
    fell = []
    for _ in range(2):
        proxy.forget()
        proxy.fault(status(503), times=None, percent=30, seed=7)
        fell.append([ask(proxy)[0].status for _ in range(20)])
    assert fell[0] == fell[1]
    assert 0 < fell[0].count(503) < 20


def test_a_proxy_whose_upstream_is_away_breaks_connections() -> None:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.server_close()
    with Proxy(upstream.server_address[1]) as proxy, pytest.raises(ConnectionResetError):
        ask(proxy)
