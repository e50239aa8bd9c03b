"""The HTTP routes, below the prefix `api`."""

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import azure.functions as func

from function_app.answers import RETRY_SECONDS, answering, json_answer, next_link
from function_app.page import operators_page
from hub_core.bootstrap import hub
from hub_core.errors import FieldError, Rejected

if TYPE_CHECKING:
    from hub_core.load import Load

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library leaves it untyped


@routes.route("loads", methods=["POST"])
@answering
def accept_load(req: func.HttpRequest) -> func.HttpResponse:
    """POST loads: 202 with the load, or 200 with what a dry run found."""
    from hub_core.load import Load

    _asked(req)
    key, caller = _sender(req)
    answer = hub().accept(
        req.get_body(), idempotency_key=key, caller=caller, trace=req.headers.get("traceparent")
    )  # fmt: skip
    if not isinstance(answer, Load):
        return json_answer(json.dumps(answer))
    return _accepted(answer)


@routes.route("loads", methods=["GET"])
@answering
def list_loads(req: func.HttpRequest) -> func.HttpResponse:
    """GET loads: a page, newest first."""
    asked = _asked(req, "lob", "status", "limit", "continuation")
    loads, after = hub().page(
        lob=asked.get("lob"), status=asked.get("status"), limit=asked.get("limit"), after=asked.get("continuation")
    )
    value = [load.model_dump(mode="json") for load in loads]
    return json_answer(json.dumps({"value": value, "nextLink": next_link(req, after)}))


@routes.route("loads/{id}", methods=["GET"])
@answering
def get_load(req: func.HttpRequest) -> func.HttpResponse:
    """GET loads/{id}."""
    _asked(req)
    load = hub().get(req.route_params["id"])
    headers = {} if load.state.is_final else {"Retry-After": str(RETRY_SECONDS)}
    return json_answer(load.model_dump_json(), headers=headers)


@routes.route("loads/{id}/files", methods=["GET"])
@answering
def list_load_files(req: func.HttpRequest) -> func.HttpResponse:
    """GET loads/{id}/files: a page, in the tracker's order."""
    from hub_core.hub import file_json

    asked = _asked(req, "status", "limit", "continuation")
    files, after = hub().files(
        req.route_params["id"], status=asked.get("status"), limit=asked.get("limit"), after=asked.get("continuation")
    )
    return json_answer(json.dumps({"value": [file_json(file) for file in files], "nextLink": next_link(req, after)}))


@routes.route("loads/{id}/cancel", methods=["POST"])
@answering
def cancel_load(req: func.HttpRequest) -> func.HttpResponse:
    """POST loads/{id}/cancel: 202 with the load, CANCELING; 200 where it has ended already."""
    _asked(req)
    load = hub().cancel(req.route_params["id"])
    if load.state.is_final:
        return json_answer(load.model_dump_json())
    return json_answer(load.model_dump_json(), 202, {"Retry-After": str(RETRY_SECONDS)})


@routes.route("loads/{id}/retry", methods=["POST"])
@answering
def retry_load(req: func.HttpRequest) -> func.HttpResponse:
    """POST loads/{id}/retry: 202 with a new load, of this one's FAILED and QUARANTINED files."""
    _asked(req)
    key, caller = _sender(req)
    return _accepted(
        hub().retry(
            req.route_params["id"], idempotency_key=key, caller=caller, trace=req.headers.get("traceparent")
        )
    )  # fmt: skip


@routes.route("feeds", methods=["GET"])
@answering
def list_feeds(req: func.HttpRequest) -> func.HttpResponse:
    """GET feeds: each feed, and what the last sweep found of it."""
    return json_answer(json.dumps(hub().feeds(_asked(req, "lob").get("lob"))))


@routes.route("openapi.json", methods=["GET"])
@answering
def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """GET openapi.json: the routes and their models."""
    from hub_core.openapi import document

    _asked(req)
    return json_answer(json.dumps(document()))


@routes.route("ui", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def ui(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 — the binding's name
    """GET ui: the operators' page, a shell that asks for the key and holds no data."""
    page = operators_page()
    return func.HttpResponse(page.html, headers=dict(page.headers), mimetype="text/html")


@routes.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 — the binding's name
    """GET health: this process answers; nothing else is touched."""
    return json_answer('{"status": "ok"}')


@routes.route("ready", methods=["GET"])
@answering
def ready(req: func.HttpRequest) -> func.HttpResponse:
    """GET ready: every dependency, with the time it took; 503 where one fails."""
    _asked(req)
    tried = hub().ready()
    status = 200 if all(one.ok for one in tried) else 503
    return json_answer(json.dumps({"dependencies": [dataclasses.asdict(one) for one in tried]}), status)


def _asked(req: func.HttpRequest, *names: str) -> Mapping[str, str]:
    """The query; Rejected where it asks for what the route does not know, rather than answer another question."""
    for name in req.params:
        if name not in (*names, "code"):
            remedy = f"use {', '.join(names)}" if names else "this route takes none"
            problem = FieldError(name[:80], "is no parameter of this route", remedy)
            raise Rejected("BAD_REQUEST", f"{problem.field}: {problem.message}", errors=[problem])
    return dict(req.params)


def _sender(req: func.HttpRequest) -> tuple[str | None, str]:
    """The request's Idempotency-Key, and whose it is."""
    return req.headers.get("Idempotency-Key"), req.headers.get("X-MS-CLIENT-PRINCIPAL-ID", "")


def _accepted(load: "Load") -> func.HttpResponse:
    headers = {"Location": f"/api/loads/{load.id}", "Retry-After": str(RETRY_SECONDS)}
    return json_answer(load.model_dump_json(), 202, headers)
