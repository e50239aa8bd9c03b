"""The service's description as an OpenAPI 3.1 document, out of the models. Pure."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hub_core import examples
from hub_core.answers import DryRun, FeedList, FilePage, Health, LoadPage, ProblemDetails, Ready
from hub_core.load import Load
from hub_core.model import LOAD_ID, FileStatus, LoadState
from hub_core.request import MAX_NAME, LoadRequest

type Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_SECONDS = {"schema": {"type": "integer", "minimum": 0}, "example": 5}
_LOOK_AGAIN: Json = {"Retry-After": {"description": "seconds until the next look", "required": True, **_SECONDS}}
_TRY_AGAIN: Json = {"Retry-After": {"description": "seconds until the next try", "required": True, **_SECONDS}}
_ACCEPTED: Json = {
    "Location": {
        "description": "where the load can be looked at",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": f"/api/loads/{examples.ACCEPTED.id}",
    },
    **_LOOK_AGAIN,
}


def document() -> Json:
    """The document; the server is the one that serves it."""
    models: list[type[BaseModel]] = [
        LoadRequest, Load, LoadPage, FilePage, DryRun, FeedList, Ready, Health, ProblemDetails,
    ]  # fmt: skip
    _, definitions = models_json_schema([(one, "serialization") for one in models], ref_template=_SCHEMAS + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Delta Lake ingestion hub",
            "version": "1",
            "description": "Loads files from storage into bronze Delta tables, and says what became of each.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"functionKey": []}],
        "paths": _with_refusals(_paths()),
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
        },
    }


def _with_refusals(paths: Json) -> Json:
    """`paths`, in which every operation that wants a key says what is answered without one, or to a wrong question."""
    for methods in paths.values():
        for operation in methods.values():
            if operation.get("security") != []:
                operation["responses"]["401"] = {"description": "no function key, or one that is none; without a body"}
                for status in ("400", "500"):
                    operation["responses"].setdefault(status, _problems(status)[status])
    return paths


def _paths() -> Json:
    id_schema = {"type": "string", "pattern": f"^{LOAD_ID.pattern}$"}
    one = {"name": "id", "in": "path", "required": True, "schema": id_schema, "example": examples.ACCEPTED.id}
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "the same key and body is the same load",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    }
    return {
        "/loads": {
            "post": {
                "operationId": "accept_load",
                "summary": "Request a load",
                "parameters": [key],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": _SCHEMAS + "LoadRequest"},
                            "example": examples.ACCEPTED.request.model_dump(exclude_defaults=True),
                        }
                    },
                },
                "responses": {
                    "202": _answer("the load, accepted", _ACCEPTED, accepted=examples.ACCEPTED),
                    "200": _answer("`dry_run`: what would be loaded", plan=examples.PLAN),
                    **_problems("413", "422"),
                    "400": _problem(examples.BAD_BODY),
                },
            },
            "get": {
                "operationId": "list_loads",
                "summary": "Loads, newest first",
                "parameters": [
                    _query("lob", {"type": "string", "maxLength": MAX_NAME}),
                    _query("status", {"enum": [*LoadState]}),
                    *_paging(200),
                ],
                "responses": {"200": _answer("a page", page=examples.LOADS), **_problems("400")},
            },
        },
        "/loads/{id}": {
            "get": {
                "operationId": "get_load",
                "summary": "A load; needs no SQL warehouse",
                "parameters": [one],
                "responses": {
                    "200": _answer(
                        "the load",
                        _sometimes(_LOOK_AGAIN, "until it has ended"),
                        running=examples.RUNNING,
                        ended=examples.ENDED,
                    ),
                    **_problems("404"),
                },
            }
        },
        "/loads/{id}/files": {
            "get": {
                "operationId": "list_load_files",
                "summary": "A load's files, from the tracker",
                "parameters": [one, _query("status", {"enum": [*FileStatus]}), *_paging(5_000)],
                "responses": {"200": _answer("a page", page=examples.FILES), **_problems("400", "404")},
            }
        },
        "/loads/{id}/cancel": {
            "post": {
                "operationId": "cancel_load",
                "summary": "End a load",
                "parameters": [one],
                "responses": {
                    "202": _answer("the load, CANCELING", _LOOK_AGAIN, canceling=examples.CANCELING),
                    "200": _answer("the load, which has ended", ended=examples.ENDED),
                    **_problems("404"),
                },
            }
        },
        "/loads/{id}/retry": {
            "post": {
                "operationId": "retry_load",
                "summary": "Load its FAILED and QUARANTINED files again",
                "parameters": [one, key],
                "responses": {
                    "202": _answer("a new load", _ACCEPTED, accepted=examples.RETRY),
                    **_problems("404", "409", "422"),
                },
            }
        },
        "/feeds": {
            "get": {
                "operationId": "list_feeds",
                "summary": "Feeds, and what the last sweep found due",
                "parameters": [_query("lob", {"type": "string", "maxLength": MAX_NAME})],
                "responses": {"200": _answer("the feeds", feeds=examples.FEEDS), **_problems()},
            }
        },
        "/ui": {
            "get": {
                "operationId": "ui",
                "summary": "The operators' page, for a browser",
                "responses": {"200": {"description": "a page without data", "content": {"text/html": {}}}},
                "security": [],
            }
        },
        "/health": {
            "get": {
                "operationId": "health",
                "summary": "This process answers",
                "responses": {"200": _answer("it does", ok=examples.HEALTHY)},
                "security": [],
            }
        },
        "/ready": {
            "get": {
                "operationId": "ready",
                "summary": "Every dependency, tried",
                "responses": {"200": _answer("all are well", ready=examples.READY), "503": _not_ready()},
            }
        },
        "/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "This document",
                "responses": {
                    "200": {
                        "description": "an OpenAPI 3.1 document",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }


def _query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "schema": schema}


def _paging(most: int) -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": most}
    return [_query("limit", limit), _query("continuation", {"type": "string"})]


def _answer(description: str, headers: Json | None = None, **named: BaseModel) -> Json:
    """An answer of the model that its examples are of."""
    [model] = {type(one).__name__ for one in named.values()}
    shown = {name: {"value": one.model_dump(mode="json")} for name, one in named.items()}
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + model}, "examples": shown}}
    return {"description": description, "headers": headers or {}, "content": content}


def _problems(*statuses: str) -> Json:
    """What may go wrong; a dependency may always be away."""
    return {status: _problem(examples.PROBLEMS[status]) for status in (*statuses, "503")}


def _problem(example: ProblemDetails) -> Json:
    shown = {example.code: {"value": example.model_dump(mode="json", exclude_none=True)}}
    schema = {"$ref": _SCHEMAS + ProblemDetails.__name__}
    return {
        "description": "see `code`; docs/errors.md lists them",
        "headers": _TRY_AGAIN if example.status == 503 else {},
        "content": {"application/problem+json": {"schema": schema, "examples": shown}},
    }


def _not_ready() -> Json:
    """503 of `ready`: of one dependency, or, where storage is away as the process starts, a problem instead."""
    fails = _answer("one fails; or, before any could be tried, see `code`", one_fails=examples.NOT_READY)
    problem = _problem(examples.PROBLEMS["503"])
    headers = _sometimes(problem["headers"], "of a problem")
    return {**fails, "headers": headers, "content": fails["content"] | problem["content"]}


def _sometimes(headers: Json, when: str) -> Json:
    return {
        name: {**header, "required": False, "description": f"{header['description']}; {when}"}
        for name, header in headers.items()
    }
