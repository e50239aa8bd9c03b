"""HTTP functions: a request becomes the worker's RpcHttp, its RpcHttp becomes the response."""

from collections.abc import Mapping
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any

from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from local_stack.functions_host import protos
from local_stack.functions_host.worker import Outcome

# Framing belongs to the server, whatever a function sets.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}


def rpc_request(
    method: str,
    url: str,
    *,
    headers: MultiMapping[str],
    query: MultiMapping[str],
    route_params: Mapping[str, str],
    body: bytes,
) -> protos.TypedData:
    """The request as the host sends it to the worker: repeated headers and query values joined by commas."""
    return protos.TypedData(
        http=protos.RpcHttp(
            method=method,
            url=url,
            headers=_joined(headers),
            query=_joined(query),
            params=route_params,
            body=protos.TypedData(bytes=body),
        )
    )


def response_of(outcome: Outcome) -> web.Response:
    """The function's answer; 500 without a word for an exception, 204 when there is no result at all."""
    if not outcome.ok:
        return web.Response(status=500)
    returned = outcome.returned
    if returned is None:
        return web.Response(status=204)
    kind = returned.WhichOneof("data")
    if kind != "http":
        return _plain(kind, returned)
    http: Any = returned.__dict__["http"]
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value) for name, value in http.headers.items() if name.lower() not in _FRAMING
    )
    for cookie in http.cookies or ():
        headers.add("Set-Cookie", _set_cookie(cookie))
    status = int(http.status_code)
    if not 200 <= status <= 999:
        return web.Response(status=500)
    body = b"" if status in {204, 304} or http.body is None else _bytes(http.body)
    return web.Response(status=status, headers=headers, body=body)


def _plain(kind: str | None, returned: protos.TypedData) -> web.Response:
    """A bare str is text; anything else that the worker encoded goes out as JSON or bytes."""
    content_type = {"string": "text/plain; charset=utf-8", "json": "application/json; charset=utf-8"}.get(
        kind or "", "application/octet-stream"
    )
    return web.Response(body=_bytes(returned), headers={"Content-Type": content_type})


def _bytes(data: protos.TypedData) -> bytes:
    kind = data.WhichOneof("data")
    value = data.__dict__[kind] if kind else b""
    return value if isinstance(value, bytes) else str(value).encode()


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in values.items():
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _set_cookie(cookie: Any) -> str:
    jar: SimpleCookie = SimpleCookie()
    jar[cookie.name] = ""
    morsel = jar[cookie.name]
    morsel.set(cookie.name, cookie.value, cookie.value)
    for field, attribute in (("domain", "domain"), ("path", "path"), ("max_age", "max-age"), ("expires", "expires")):
        value = getattr(getattr(cookie, field), "value", None)
        if isinstance(value, datetime):
            value = value.strftime("%a, %d %b %Y %H:%M:%S GMT")
        if value is not None and value != "":
            morsel[attribute] = int(value) if field == "max_age" else value
    morsel["secure"] = bool(getattr(cookie.secure, "value", False))
    morsel["httponly"] = bool(getattr(cookie.http_only, "value", False))
    if cookie.same_site in _SAME_SITE:
        morsel["samesite"] = _SAME_SITE[cookie.same_site]
    return morsel.OutputString()
