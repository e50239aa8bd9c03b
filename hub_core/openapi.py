"""The service's description as an OpenAPI 3.1 document, out of the models. Pure."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hub_core.answers import DryRun, FeedList, FilePage, Health, LoadPage, ProblemDetails, Ready
from hub_core.load import Load
from hub_core.model import LOAD_ID, FileStatus, LoadState
from hub_core.request import MAX_NAME, LoadRequest

type Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_ID = "0e5dec3db09c4553c4045d3887db39f1"


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
    one = {"name": "id", "in": "path", "required": True, "schema": id_schema, "example": _ID}
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
                            "example": {"lob": "falcon", "begin_date": "2026-01-01"},
                        }
                    },
                },
                "responses": {
                    "202": _answer("the load, accepted", "Load"),
                    "200": _answer("`dry_run`: what would be loaded", "DryRun"),
                    **_problems("400", "413", "422"),
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
                "responses": {"200": _answer("a page", "LoadPage"), **_problems("400")},
            },
        },
        "/loads/{id}": {
            "get": {
                "operationId": "get_load",
                "summary": "A load; needs no SQL warehouse",
                "parameters": [one],
                "responses": {"200": _answer("the load", "Load"), **_problems("404")},
            }
        },
        "/loads/{id}/files": {
            "get": {
                "operationId": "list_load_files",
                "summary": "A load's files, from the tracker",
                "parameters": [one, _query("status", {"enum": [*FileStatus]}), *_paging(5_000)],
                "responses": {"200": _answer("a page", "FilePage"), **_problems("400", "404")},
            }
        },
        "/loads/{id}/cancel": {
            "post": {
                "operationId": "cancel_load",
                "summary": "End a load",
                "parameters": [one],
                "responses": {
                    "202": _answer("the load, CANCELING", "Load"),
                    "200": _answer("the load, which has ended", "Load"),
                    **_problems("404"),
                },
            }
        },
        "/loads/{id}/retry": {
            "post": {
                "operationId": "retry_load",
                "summary": "Load its FAILED and QUARANTINED files again",
                "parameters": [one, key],
                "responses": {"202": _answer("a new load", "Load"), **_problems("404", "409", "422")},
            }
        },
        "/feeds": {
            "get": {
                "operationId": "list_feeds",
                "summary": "Feeds, and what the last sweep found due",
                "parameters": [_query("lob", {"type": "string", "maxLength": MAX_NAME})],
                "responses": {"200": _answer("the feeds", "FeedList"), **_problems()},
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
                "responses": {"200": _answer("it does", "Health")},
                "security": [],
            }
        },
        "/ready": {
            "get": {
                "operationId": "ready",
                "summary": "Every dependency, tried",
                "responses": {"200": _answer("all are well", "Ready"), "503": _answer("one fails", "Ready")},
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


def _answer(description: str, model: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": {"$ref": _SCHEMAS + model}}}}


def _problems(*statuses: str) -> Json:
    content = {"application/problem+json": {"schema": {"$ref": _SCHEMAS + "ProblemDetails"}}}
    return {
        status: {"description": "see `code`; docs/errors.md lists them", "content": content}
        for status in (*statuses, "503")
    }
