"""The OpenAPI document and the service say the same."""

import json
import re
from dataclasses import asdict

import pytest

from hub_core.answers import Dependency, DryRun, FeedList, LoadedFile
from hub_core.hub import Readiness, file_json
from hub_core.load import Load
from hub_core.model import FileOutcome, FileStatus
from hub_core.openapi import document
from hub_core.request import LoadRequest, parse_request
from tests.unit.doubles import NOW, World
from tests.unit.test_function_app import FUNCTIONS

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


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
