"""What the core says, as HTTP."""

import dataclasses
import json
import math
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from urllib.parse import urlencode, urlsplit, urlunsplit

import azure.functions as func

from hub_core.errors import Broken, HubError, Rejected, Transient
from hub_core.logs import logger

log = logger(__name__)

PROBLEM = "application/problem+json"
RETRY_SECONDS = 5

type Handler = Callable[[func.HttpRequest], func.HttpResponse]


def json_answer(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """`body`, which is JSON already."""
    return func.HttpResponse(body, status_code=status, headers=dict(headers or {}), mimetype="application/json")


def next_link(request: func.HttpRequest, continuation: str | None) -> str | None:
    """The request's own URL with that continuation; never with a key in it."""
    if continuation is None:
        return None
    query = {k: v for k, v in request.params.items() if k not in ("continuation", "code")}
    parts = urlsplit(request.url)
    link: str = urlunsplit(parts._replace(query=urlencode({**query, "continuation": continuation})))
    return link


def problem(error: HubError) -> func.HttpResponse:
    """`error` as RFC 9457 problem details."""
    headers: dict[str, str] = {}
    status, title = 500, "The hub is not set up right"
    if isinstance(error, Rejected):
        status, title = error.status, "The request was refused"
    elif isinstance(error, Transient):
        status, title = 503, "A dependency cannot be reached at the moment"
        headers["Retry-After"] = str(math.ceil(error.retry_after or RETRY_SECONDS))
    document: dict[str, object] = {
        "type": f"urn:deltalake-hub:error:{error.code}",
        "title": title,
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    if isinstance(error, Rejected) and error.errors:
        document["errors"] = [dataclasses.asdict(one) for one in error.errors]
    return func.HttpResponse(json.dumps(document), status_code=status, headers=headers, mimetype=PROBLEM)


def answering(handler: Handler) -> Handler:
    """`handler`, whose failures become problem details; what nobody foresaw is logged with a reference."""

    @wraps(handler)
    def guarded(req: func.HttpRequest) -> func.HttpResponse:
        try:
            return handler(req)
        except HubError as error:
            if isinstance(error, Broken):
                log.exception("broken: %s", error.code)
            return problem(error)
        except Exception:
            reference = uuid.uuid4().hex[:12]
            log.exception("unforeseen, reference %s", reference)
            return problem(Broken("UNFORESEEN", f"an error that nobody foresaw; look for {reference} in the log"))

    return guarded
