"""The service's routes as calls; answers become values, and failures become `Refused` or `Unreachable`."""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from hub_core.model import LOAD_ID
from hubctl.documents import FieldProblem, FileOutcome, Json, Load, children, text
from hubctl.failures import Failure, OutOfTime, Refused, Unreachable
from hubctl.target import Target, is_header_value
from hubctl.watch import Patience

_TOO_MANY_REQUESTS = 429
_LONGEST_CALL = 240.0
"""Seconds: Azure's front door ends a request after 230."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LARGEST_PAGE = 200
"""What the service gives at most."""


class HubClient(AbstractContextManager["HubClient"]):
    """One service; `transport` is httpx's (tests swap it). No call takes longer than `patience` has left."""

    def __init__(
        self, target: Target, *, transport: httpx.BaseTransport | None = None, patience: Patience | None = None
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": "hubctl"}
        if target.key:
            headers["x-functions-key"] = target.key
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        self._where = target.url
        self._patience = patience
        self._http = httpx.Client(
            base_url=target.url,
            headers=headers,
            transport=transport,
            trust_env=urlsplit(target.url).hostname not in _LOOPBACK,  # a company's proxy knows no loopback address
            follow_redirects=False,  # key and token must not travel to another host
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def post_load(self, request: Json, idempotency_key: str | None) -> tuple[Json, float | None]:
        """`POST loads`: the load's document (or the dry run's), and Retry-After in seconds."""
        if idempotency_key and not is_header_value(idempotency_key):
            raise Refused("--idempotency-key holds a character that no header may", remedy="give 1 to 255 of ASCII")
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._call("POST", "loads", json=request, headers=headers)

    def load(self, load_id: str) -> tuple[Load, float | None]:
        """`GET loads/{id}`, and Retry-After in seconds."""
        document, retry_after = self._call("GET", f"loads/{_id(load_id)}")
        return _load(document), retry_after

    def change(self, load_id: str, action: str) -> Load:
        """`POST loads/{id}/cancel` or `/retry`: the load as it is then (of a retry: the new one)."""
        return _load(self._call("POST", f"loads/{_id(load_id)}/{action}")[0])

    def loads(
        self, *, lob: str | None = None, status: str | None = None, limit: int | None = None, every: bool = False
    ) -> Iterator[Load]:
        """`GET loads`, newest first; all pages with `every`, otherwise the first `limit`."""
        params = {"lob": lob, "status": status, "limit": min(limit or _LARGEST_PAGE, _LARGEST_PAGE)}
        left = limit
        for document in self._pages("loads", {name: str(value) for name, value in params.items() if value is not None}):
            if not every and left is not None:
                if left <= 0:
                    return
                left -= 1
            yield Load.read(document)

    def files(self, load_id: str, status: str | None = None) -> Iterator[FileOutcome]:
        """`GET loads/{id}/files`, all pages."""
        params = {"status": status} if status else {}
        for document in self._pages(f"loads/{_id(load_id)}/files", params):
            yield FileOutcome.read(document)

    def feeds(self, lob: str | None = None) -> Json:
        """`GET feeds`."""
        return self._call("GET", "feeds", params={"lob": lob} if lob else None)[0]

    def _left(self) -> float:
        left = None if self._patience is None else self._patience.left
        return math.inf if left is None else left

    def _timeout(self) -> httpx.Timeout:
        left = max(self._left(), 0.1)
        return httpx.Timeout(min(_LONGEST_CALL, left), connect=min(10.0, left))

    def _pages(self, path: str, params: Mapping[str, str]) -> Iterator[Json]:
        """The values of all pages. Of a nextLink only the query is taken: the key stays with the host it is for."""
        seen: set[str] = set()
        while True:
            page, _ = self._call("GET", path, params=params)
            yield from children(page, "value")
            link = text(page, "nextLink")
            if not link or link in seen:
                return
            seen.add(link)
            params = {**params, **dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))}
            params = {name: value for name, value in params.items() if name != "code"}

    def _call(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Json, float | None]:
        try:
            response = self._http.request(
                method, path, json=json, params=params, headers=headers, timeout=self._timeout()
            )
        except httpx.TimeoutException as error:
            if self._left() <= 0:
                raise OutOfTime(
                    f"{self._where} did not answer within --timeout", remedy="what was asked for may go on"
                ) from error
            raise Unreachable(
                f"{self._where} did not answer in time", remedy="try again, or look at its health"
            ) from error
        except httpx.HTTPError as error:
            raise Unreachable(
                f"{self._where} could not be reached: {error}", remedy="is the address right, and the service up?"
            ) from error
        if not response.is_success:
            raise _failure(response)
        document = _object(response)
        if document is None:
            raise Unreachable(f"{self._where} answered {response.status_code} with something that is no JSON object")
        return document, _retry_after(response)


def _load(document: Json) -> Load:
    load = Load.read(document)
    if not load.id:
        raise Unreachable("the service answered with something that is no load")
    return load


def _id(load_id: str) -> str:
    if LOAD_ID.fullmatch(load_id) is None:
        raise Refused(f"{load_id!r} is no load's id", remedy="`hubctl loads` lists them")
    return load_id


def _object(response: httpx.Response) -> Json | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _failure(response: httpx.Response) -> Failure:
    """A problem+json answer (or any other that is no success) as the failure it means."""
    problem = _object(response) or {}
    status = response.status_code
    message = text(problem, "detail") or text(problem, "title") or f"HTTP {status} {response.reason_phrase}".strip()
    code = text(problem, "code")
    if status >= 500 or status == _TOO_MANY_REQUESTS:
        return Unreachable(f"HTTP {status}: {message}", code=code, retry_after=_retry_after(response))
    remedy = ""
    if status in (401, 403):
        remedy = "give a function key of this service in HUB_KEY; where it wants Entra ID, also a token in HUB_TOKEN"
    elif 300 <= status < 400:
        remedy = "the service moved: use its new address as --url"
    errors = [FieldProblem.read(entry) for entry in children(problem, "errors")]
    return Refused(message, remedy=remedy, code=code, errors=errors)


def _retry_after(response: httpx.Response) -> float | None:
    """Retry-After in seconds, from a number or a date; None where there is none."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
