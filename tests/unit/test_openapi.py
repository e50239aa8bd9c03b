"""The OpenAPI document and the service say the same."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict

import azure.functions as func
import jsonschema_rs
import pytest

from function_app.answers import problem
from hub_core import bootstrap
from hub_core.answers import Dependency, DryRun, FeedList, LoadedFile
from hub_core.errors import Broken, Transient
from hub_core.examples import ACCEPTED, PROBLEMS
from hub_core.hub import Readiness, file_json
from hub_core.load import Load
from hub_core.model import FileOutcome, FileStatus
from hub_core.openapi import document
from hub_core.request import LoadRequest, parse_request
from tests.unit.doubles import NOW, World, serving
from tests.unit.test_function_app import FUNCTIONS, Failing, call

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
RESPONSES = [
    (f"{name} {status}", response)
    for name, (_, _, operation) in OPERATIONS.items()
    for status, response in operation["responses"].items()
]


def check(schema: dict[str, object], value: object) -> None:
    """Raise where the document's `schema` does not allow the value."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def http_functions() -> dict[str, tuple[str, str, bool]]:
    found = {}
    for name, function in FUNCTIONS.items():
        for one in function.get_bindings():
            trigger = one.get_dict_repr()
            if one.type == "httpTrigger":
                [method] = trigger["methods"]
                found[name] = (method.value.lower(), f"/{trigger['route']}", trigger["authLevel"].value == "function")
    return found


def test_every_route_is_an_operation_and_no_other() -> None:
    said = {
        name: (method, path, operation.get("security") != []) for name, (method, path, operation) in OPERATIONS.items()
    }
    assert said == http_functions()


def test_every_reference_leads_somewhere_and_the_document_is_json() -> None:
    text = json.dumps(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named <= set(SCHEMAS)
    assert {"Load", "LoadRequest", "LoadPage", "FilePage", "ProblemDetails"} <= named


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_parameters_of_a_path_are_described(name: str) -> None:
    _, path, operation = OPERATIONS[name]
    described = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
    assert described == set(re.findall(r"{(\w+)}", path))


def test_the_models_are_what_is_sent_and_taken() -> None:
    load = World().ask()
    assert set(SCHEMAS["Load"]["properties"]) == set(load.model_dump(mode="json"))
    assert set(SCHEMAS["LoadRequest"]["properties"]) == set(LoadRequest.model_fields)
    assert SCHEMAS["LoadRequest"]["additionalProperties"] is False
    outcome = FileOutcome("t", "c", "s", "f", "p", "d", FileStatus.SUCCESS, 1, NOW, 1, 2, 0, None, None, NOW)
    assert set(LoadedFile.model_validate(file_json(outcome)).model_dump()) == set(file_json(outcome))


def test_nothing_internal_is_described() -> None:
    hidden = {name for name, field in Load.model_fields.items() if field.exclude}
    assert hidden
    assert hidden.isdisjoint(SCHEMAS["Load"]["properties"])


@pytest.mark.parametrize("name", ["force", "dry_run"])
def test_a_flag_may_be_left_empty_as_the_service_takes_it(name: str) -> None:
    assert set(SCHEMAS["LoadRequest"]["properties"][name]["enum"]) == {True, False, "", None}
    for value in (True, False, "", None):
        assert getattr(parse_request(json.dumps({name: value}).encode()), name) is bool(value)


def test_every_answer_is_as_its_model_says() -> None:
    world = World()
    world.configs.files["heron"] = b"no,csv\n1"
    world.land()
    for swept in (False, True):
        if swept:
            world.hub.reconcile()
        feeds = FeedList.model_validate(world.hub.feeds())
        assert (len(feeds.value), feeds.value[0].due, len(feeds.config_errors) > 0) == (1, int(swept) or None, True)
    plan = DryRun.model_validate(world.hub.accept(b'{"lob": "falcon", "dry_run": true}'))
    assert (len(plan.files), plan.counts["due"]) == (1, 1)
    for tried in (Readiness("jobs", True, 1.5), Readiness("warehouse", False, 2.0, "SQL_FAILED: no")):
        assert Dependency.model_validate(asdict(tried)).name == tried.name


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_json_that_is_answered_has_a_model(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    schemas = [
        media["schema"]
        for answer in operation["responses"].values()
        for media in answer.get("content", {}).values()
        if "schema" in media
    ]
    assert all("$ref" in schema for schema in schemas) or name == "openapi"


def test_every_time_is_said_to_be_one() -> None:
    times = {
        f"{name}.{field}": schema
        for name, model in SCHEMAS.items()
        for field, schema in model.get("properties", {}).items()
        if field.endswith("_at") or field in ("modified", "as_of")
    }
    assert {"Load.created_at", "Load.finished_at", "LoadedFile.updated_at", "FeedList.as_of"} <= set(times)
    assert [name for name, schema in times.items() if '"format": "date-time"' not in json.dumps(schema)] == []
    with pytest.raises(jsonschema_rs.ValidationError):
        check({"$ref": "#/components/schemas/Load"}, {**ACCEPTED.model_dump(mode="json"), "created_at": "yesterday"})


@pytest.mark.parametrize(("name", "response"), RESPONSES, ids=[name for name, _ in RESPONSES])
def test_every_json_that_is_answered_has_examples_that_its_schema_allows(
    name: str, response: dict[str, dict[str, dict[str, object]]]
) -> None:
    for kind, media in response.get("content", {}).items():
        if kind == "text/html" or name == "openapi 200":
            continue
        assert media["examples"]
        for example in media["examples"].values():
            check(media["schema"], example["value"])


def example(operation: str, status: str) -> object:
    """The one problem that is the example of an operation's answer."""
    [shown] = OPERATIONS[operation][2]["responses"][status]["content"]["application/problem+json"]["examples"].values()
    return shown["value"]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with serving(made.hub):
        yield made


def test_the_examples_of_refusals_are_what_is_answered(world: World) -> None:
    world.land()
    running = world.ask()
    world.work()
    key = {"Idempotency-Key": "the same"}
    call("accept_load", body=b"{}", headers=key)
    answers = {
        ("accept_load", "400"): call("accept_load", body=b'{"begin_date": "2026-02-30"}'),
        ("accept_load", "413"): call("accept_load", body=b" " * 70_000),
        ("accept_load", "422"): call("accept_load", body=b'{"lob": "falcon"}', headers=key),
        ("get_load", "400"): call("get_load", params={"verbose": "1"}, id=running.id),
        ("get_load", "404"): call("get_load", id=ACCEPTED.id),
        ("retry_load", "409"): call("retry_load", id=running.id),
    }
    for (operation, status), answer in answers.items():
        assert (str(answer.status_code), json.loads(answer.get_body())) == (status, example(operation, status))
    assert set(PROBLEMS) - {status for _, status in answers} == {"500", "503"}


@pytest.mark.parametrize(("status", "kind"), [("500", Broken), ("503", Transient)])
def test_the_examples_of_failures_are_as_failures_are_answered(status: str, kind: type[Broken | Transient]) -> None:
    shown = PROBLEMS[status]
    answer = problem(kind(shown.code, shown.detail))
    assert (str(answer.status_code), json.loads(answer.get_body())) == (status, example("list_feeds", status))


def assert_declared(operation: str, answer: func.HttpResponse) -> None:
    """That the document has the answer's status, type and body, and those of its headers that a client acts on."""
    declared = OPERATIONS[operation][2]["responses"][str(answer.status_code)]
    check(declared["content"][answer.mimetype]["schema"], json.loads(answer.get_body()))
    sent = {name for name in ("Location", "Retry-After") if name in answer.headers}
    needed = {name for name, header in declared["headers"].items() if header["required"]}
    assert needed <= sent <= set(declared["headers"])
    for name in sent:
        value = answer.headers[name]
        check(declared["headers"][name]["schema"], int(value) if name == "Retry-After" else value)


def test_answers_have_the_types_and_headers_that_are_declared(world: World) -> None:
    world.land()
    assert_declared("accept_load", call("accept_load", body=b"{}"))
    [load] = [load for load, _ in world.loads.records.values()]
    world.work()
    assert_declared("get_load", call("get_load", id=load.id))
    world.finish(load, FileStatus.QUARANTINED)
    world.work()
    world.clock.pass_(seconds=2)
    ended = call("get_load", id=load.id)
    assert (json.loads(ended.get_body())["state"], "Retry-After" in ended.headers) == ("FAILED", False)
    assert_declared("get_load", ended)
    assert_declared("cancel_load", call("cancel_load", id=load.id))
    retry = call("retry_load", id=load.id)
    assert_declared("retry_load", retry)
    assert_declared("cancel_load", call("cancel_load", id=json.loads(retry.get_body())["id"]))
    assert_declared("list_feeds", call("list_feeds"))
    bootstrap._hub = Failing(Transient("STORAGE_UNAVAILABLE", "making the table loads: ServiceRequestError"))
    for operation in ("accept_load", "list_feeds", "ready"):
        assert_declared(operation, call(operation))


def test_ready_may_answer_503_in_two_ways() -> None:
    """A dependency fails; or storage is away as the process starts, and there is no hub that could try them."""
    unready = OPERATIONS["ready"][2]["responses"]["503"]
    assert set(unready["content"]) == {"application/json", "application/problem+json"}
    assert unready["headers"]["Retry-After"]["required"] is False
