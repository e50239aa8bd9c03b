"""The function app: which functions there are, that importing it connects to nothing, and how failures are answered."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import azure.functions as func
import pytest

from function_app import app
from hub_core import bootstrap
from hub_core.errors import Broken, Transient
from hub_core.hub import Readiness
from tests.unit.doubles import HEADER, NOW, World, config_row, serving

ROOT = Path(__file__).parents[2]
FUNCTIONS = {function.get_function_name(): function for function in app.get_functions()}
KEY, OPEN = "function", "anonymous"

ROUTES = {
    "accept_load": ("POST", "loads", KEY),
    "list_loads": ("GET", "loads", KEY),
    "get_load": ("GET", "loads/{id}", KEY),
    "list_load_files": ("GET", "loads/{id}/files", KEY),
    "cancel_load": ("POST", "loads/{id}/cancel", KEY),
    "retry_load": ("POST", "loads/{id}/retry", KEY),
    "list_feeds": ("GET", "feeds", KEY),
    "openapi": ("GET", "openapi.json", KEY),
    "ui": ("GET", "ui", OPEN),
    "health": ("GET", "health", OPEN),
    "ready": ("GET", "ready", KEY),
}
TRIGGERS = {
    "on_blob_created": {"type": "eventGridTrigger"},
    "drain_events": {"type": "timerTrigger", "schedule": "*/15 * * * * *"},
    "plan_load": {"type": "queueTrigger", "queueName": "loads", "connection": "AzureWebJobsStorage"},
    "on_poisoned_load": {"type": "queueTrigger", "queueName": "loads-poison", "connection": "AzureWebJobsStorage"},
    "reconcile": {"type": "timerTrigger", "schedule": "0 * * * * *"},
}


def binding(name: str) -> dict[str, object]:
    """A function's trigger, as the host sees it."""
    [trigger] = [one.get_dict_repr() for one in FUNCTIONS[name].get_bindings() if one.type.endswith("Trigger")]
    return trigger


def test_these_are_the_functions_and_no_others() -> None:
    assert set(FUNCTIONS) == {*ROUTES, *TRIGGERS}


@pytest.mark.parametrize("name", ROUTES)
def test_each_route_has_its_method_and_all_but_the_open_ones_want_a_key(name: str) -> None:
    method, route, level = ROUTES[name]
    trigger = binding(name)
    assert [one.value for one in trigger["methods"]] == [method]
    assert (trigger["route"], trigger["authLevel"].value) == (route, level)


@pytest.mark.parametrize("name", TRIGGERS)
def test_each_other_function_has_its_trigger(name: str) -> None:
    trigger = binding(name)
    assert {key: trigger[key] for key in TRIGGERS[name]} == TRIGGERS[name]


def test_the_host_and_the_code_agree_on_prefix_poison_and_encoding() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["extensions"]["queues"]["maxDequeueCount"] == 5
    assert host["extensions"]["queues"]["messageEncoding"] == "base64"
    # Queue and Event Grid triggers come with it.
    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"


IMPORTED = """
import socket, sys
def refused(*args, **kwargs): raise AssertionError("connected at import")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
import function_app
print(len(function_app.app.get_functions()))
heavy = ("azure.storage", "azure.data", "azure.identity", "azure.core", "databricks", "pyspark", "hub_core.adapters")
print([name for name in sys.modules if name.startswith(heavy)])
"""


def test_nothing_connects_or_loads_an_sdk_at_import_and_no_setting_is_needed() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == [str(len(FUNCTIONS)), "[]"]


# answers


@pytest.fixture
def world() -> Iterator[World]:
    """The process's hub on stand-ins: `bootstrap` keeps it as it would keep a real one."""
    made = World()
    with serving(made.hub):
        yield made


def call(
    name: str,
    *,
    body: bytes = b"",
    params: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **route: str,
) -> func.HttpResponse:
    method, path, _ = ROUTES[name]
    url = f"https://hub.example/api/{path.format(**route)}"
    request = func.HttpRequest(method, url, body=body, params=params or {}, headers=headers or {}, route_params=route)
    handler: Callable[[func.HttpRequest], func.HttpResponse] = FUNCTIONS[name].get_user_function()
    return handler(request)


def problem(answer: func.HttpResponse) -> dict[str, object]:
    assert answer.mimetype == "application/problem+json"
    document = json.loads(answer.get_body())
    assert document["status"] == answer.status_code
    assert document["type"] == f"urn:deltalake-hub:error:{document['code']}"
    assert document["title"]
    assert document["detail"]
    return document


def test_an_accepted_load_is_202_with_the_load_its_location_and_when_to_look_again(world: World) -> None:
    answer = call("accept_load", body=b'{"lob": "falcon"}')
    load = json.loads(answer.get_body())
    assert (answer.status_code, answer.mimetype) == (202, "application/json")
    assert answer.headers["Location"] == f"/api/loads/{load['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert (load["state"], load["trigger"], load["request"]["lob"]) == ("ACCEPTED", "request", "falcon")
    shown = call("get_load", id=load["id"])
    assert json.loads(shown.get_body()) == load
    assert "Retry-After" in shown.headers


def test_a_final_load_is_not_worth_another_look(world: World) -> None:
    load_id = json.loads(call("accept_load", body=b"{}").get_body())["id"]
    world.work()
    world.clock.pass_(seconds=2)  # an answer is at most a second old
    shown = call("get_load", id=load_id)
    assert json.loads(shown.get_body())["state"] == "EMPTY"
    assert "Retry-After" not in shown.headers


def test_a_dry_run_is_200(world: World) -> None:
    answer = call("accept_load", body=b'{"dry_run": true}')
    assert (answer.status_code, json.loads(answer.get_body())["dry_run"]) == (200, True)


def test_the_idempotency_key_is_a_header_of_any_case_and_its_callers_own(world: World) -> None:
    def ask(body: bytes, **headers: str) -> func.HttpResponse:
        return call("accept_load", body=body, headers={name.replace("_", "-"): text for name, text in headers.items()})

    first = ask(b"{}", Idempotency_Key="k")
    assert json.loads(ask(b"{}", idempotency_key="k").get_body()) == json.loads(first.get_body())
    other = ask(b"{}", Idempotency_Key="k", X_MS_CLIENT_PRINCIPAL_ID="somebody")
    assert json.loads(other.get_body())["id"] != json.loads(first.get_body())["id"]
    reused = ask(b'{"force": true}', Idempotency_Key="k")
    assert (reused.status_code, problem(reused)["code"]) == (422, "KEY_REUSED")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"nonsense", 400, "BAD_REQUEST", ""),
        (b"[]", 400, "BAD_REQUEST", ""),
        (b'{"x": 1}', 400, "BAD_REQUEST", "x"),
        (b'{"\\ud800": "\\ud800"}', 400, "BAD_REQUEST", ""),
        (b'{"lob": "\\ud83e\\udd85"}', 400, "UNKNOWN_LOB", "lob"),
        (b'{"category": "x"}', 400, "NO_FEED", "category"),
    ],
)
def test_what_the_caller_got_wrong_is_a_problem_that_names_the_field_and_the_remedy(
    world: World, body: bytes, status: int, code: str, field: str
) -> None:
    answer = call("accept_load", body=body)
    document = problem(answer)
    assert (answer.status_code, document["code"]) == (status, code)
    [error] = document["errors"]
    assert error["field"] == field
    assert error["message"]


def test_a_body_that_is_too_large_is_413(world: World) -> None:
    assert problem(call("accept_load", body=b" " * 70_000))["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize("name", ["get_load", "list_load_files"])
def test_a_load_that_does_not_exist_is_a_404(world: World, name: str) -> None:
    answer = call(name, id="nope")
    assert (answer.status_code, problem(answer)["code"]) == (404, "NO_SUCH_LOAD")


@pytest.mark.parametrize("params", [{"limit": "0"}, {"status": "x"}])
def test_a_bad_query_is_a_400_that_names_the_parameter(world: World, params: dict[str, str]) -> None:
    document = problem(call("list_loads", params=params))
    assert [error["field"] for error in document["errors"]] == list(params)


class Failing:
    """A hub whose every call fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> object:
        raise self._error


WITH_A_HUB = sorted(set(ROUTES) - {"health", "openapi", "ui"})


@pytest.mark.parametrize("name", WITH_A_HUB)
def test_a_passing_fault_is_a_503_that_says_when_to_try_again(world: World, name: str) -> None:
    bootstrap._hub = Failing(Transient("STORAGE_UNAVAILABLE", "503", retry_after=17))
    answer = call(name, id="x") if "{id}" in ROUTES[name][1] else call(name)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "17")
    assert problem(answer)["code"] == "STORAGE_UNAVAILABLE"


@pytest.mark.parametrize("name", WITH_A_HUB)
def test_an_operators_fault_is_a_500_with_its_code(world: World, name: str) -> None:
    bootstrap._hub = Failing(Broken("STORAGE_DENIED", "check the role assignments"))
    answer = call(name, id="x") if "{id}" in ROUTES[name][1] else call(name)
    assert (answer.status_code, problem(answer)["code"]) == (500, "STORAGE_DENIED")


def test_what_nobody_foresaw_is_a_500_with_a_reference_and_without_its_text(world: World) -> None:
    bootstrap._hub = Failing(KeyError("a secret"))
    answer = call("list_loads")
    assert (answer.status_code, problem(answer)["code"]) == (500, "UNFORESEEN")
    assert b"secret" not in answer.get_body()


def test_a_missing_setting_is_named_at_the_first_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_CATALOG", raising=False)
    bootstrap._hub = None
    document = problem(call("list_feeds"))
    assert document["code"] == "BAD_SETTING"
    assert "HUB_CATALOG is not set" in str(document["detail"])


@pytest.mark.parametrize("name", ["health", "ui"])
def test_what_needs_no_key_touches_nothing(world: World, name: str) -> None:
    bootstrap._hub = Failing(AssertionError("touched"))
    assert call(name).status_code == 200


@pytest.mark.parametrize(("ok", "status"), [(True, 200), (False, 503)])
def test_ready_shows_each_dependency_with_the_time_it_took(world: World, ok: bool, status: int) -> None:
    class Tried:
        def ready(self) -> list[Readiness]:
            return [
                Readiness("jobs", ok=True, milliseconds=1.5),
                Readiness("warehouse", ok, 2.5, None if ok else "X: y"),
            ]

    bootstrap._hub = Tried()
    answer = call("ready")
    assert answer.status_code == status
    shown = json.loads(answer.get_body())["dependencies"]
    assert [(one["name"], one["ok"], one["milliseconds"]) for one in shown] == [
        ("jobs", True, 1.5),
        ("warehouse", ok, 2.5),
    ]


def test_ready_names_a_dependency_that_fails_for_an_unforeseen_reason(world: World) -> None:
    def ping() -> None:
        raise RuntimeError("a secret")

    bootstrap._hub = replace(world.hub, dependencies={"jobs": ping, "configs": world.configs.lobs})
    answer = call("ready")
    assert answer.status_code == 503
    shown = {one["name"]: one["error"] for one in json.loads(answer.get_body())["dependencies"]}
    assert shown == {"jobs": "UNFORESEEN: RuntimeError; see the function's log", "configs": None}


def test_a_page_of_loads_links_to_the_next_without_the_key(world: World) -> None:
    for _ in range(3):
        call("accept_load", body=b"{}")
        world.clock.pass_(seconds=1)
    asked = {"limit": "2", "lob": "falcon", "code": "the-key"}
    page = json.loads(call("list_loads", params=asked).get_body())
    assert len(page["value"]) == 2
    after = page["value"][-1]["id"]
    assert page["nextLink"] == f"https://hub.example/api/loads?limit=2&lob=falcon&continuation={after}"
    last = json.loads(call("list_loads", params={"limit": "2", "continuation": after}).get_body())
    assert (len(last["value"]), last["nextLink"]) == (1, None)


@pytest.mark.parametrize("name", ["list_loads", "list_load_files"])
def test_a_query_that_asks_for_something_else_is_refused_and_not_half_answered(world: World, name: str) -> None:
    answer = call(name, params={"state": "FAILED"}, id=world.ask().id)
    [problem] = json.loads(answer.get_body())["errors"]
    assert (answer.status_code, problem["field"]) == (400, "state")
    assert "status" in problem["remedy"]


@pytest.mark.parametrize("name", [name for name, (_, _, level) in ROUTES.items() if level == KEY])
def test_a_route_refuses_a_query_that_it_does_not_know_and_does_nothing(world: World, name: str) -> None:
    load = world.ask()
    answer = call(name, body=b'{"lob": "falcon"}', params={"dry_run": "true", "code": "the-key"}, id=load.id)
    assert [error["field"] for error in problem(answer)["errors"]] == ["dry_run"]
    assert answer.status_code == 400
    assert [load for load, _ in world.loads.records.values()] == [load]


def test_feeds_can_be_narrowed_to_a_lob(world: World) -> None:
    world.configs.files["heron"] = f"{HEADER}\n{config_row(lob='heron')}\n{config_row('x', lob='other')}".encode()
    for asked, lobs, wrong in (
        ({"lob": "heron"}, ["heron"], ["heron"]),
        ({"lob": "falcon", "code": "the-key"}, ["falcon"], []),
        ({"lob": "kestrel"}, [], []),
        ({"lob": ""}, ["falcon", "heron"], ["heron"]),
    ):
        shown = json.loads(call("list_feeds", params=asked).get_body())
        assert [feed["lob"] for feed in shown["value"]] == lobs
        assert sorted({error["lob"] for error in shown["config_errors"]}) == wrong


def test_feeds_are_shown_with_as_of(world: World) -> None:
    shown = json.loads(call("list_feeds").get_body())
    assert (shown["as_of"], [feed["dest_table"] for feed in shown["value"]]) == (
        None,
        ["main.falcon_bronze.credit_raw"],
    )


# the functions that nobody calls over HTTP

URL = "https://acct.blob.core.windows.net/raw/falcon/txn/credit/transactions_20260309.csv"


def blob_event(data: dict[str, object], kind: str = "Microsoft.Storage.BlobCreated") -> func.EventGridEvent:
    return func.EventGridEvent(
        id="1", data=data, topic="t", subject="s", event_type=kind, event_time=None, data_version="1"
    )


def test_from_event_to_running_load_through_the_triggers(world: World) -> None:
    world.land()
    FUNCTIONS["on_blob_created"].get_user_function()(blob_event({"api": "PutBlob", "url": URL, "eTag": "1"}))
    FUNCTIONS["drain_events"].get_user_function()(None)
    message = func.QueueMessage(body=world.queue.take().encode())
    FUNCTIONS["plan_load"].get_user_function()(message)
    FUNCTIONS["reconcile"].get_user_function()(None)
    [load] = [load for load, _ in world.loads.records.values()]
    assert (load.state, load.trigger, load.files.total) == ("RUNNING", "event", 1)


def test_an_event_in_the_cloudevents_schema_is_kept_too(world: World) -> None:
    cloud = func.CloudEvent(
        id="1", source="s", type="Microsoft.Storage.BlobCreated", specversion="1.0", data={"api": "PutBlob", "url": URL}
    )
    FUNCTIONS["on_blob_created"].get_user_function()(cloud)
    [kept] = world.events.waiting
    assert json.loads(kept.body)["data"]["url"] == URL


@pytest.mark.parametrize("schema", ["own", "cloud"])
def test_a_renamed_folder_is_kept_with_its_time(world: World, schema: str) -> None:
    data = {"api": "RenameDirectory", "destinationUrl": URL.rpartition("/")[0]}
    kind = "Microsoft.Storage.DirectoryRenamed"
    event = (
        func.CloudEvent(id="1", source="s", type=kind, specversion="1.0", time=NOW, data=data)
        if schema == "cloud"
        else func.EventGridEvent(
            id="1", data=data, topic="t", subject="s", event_type=kind, event_time=NOW, data_version="1"
        )
    )
    world.land()
    FUNCTIONS["on_blob_created"].get_user_function()(event)
    FUNCTIONS["drain_events"].get_user_function()(None)
    assert len(world.loads.records) == 1


def test_an_event_that_is_none_is_dropped_since_sending_it_again_would_not_help(world: World) -> None:
    FUNCTIONS["on_blob_created"].get_user_function()(blob_event({"api": "PutBlob"}))
    assert world.events.waiting == []


def test_an_event_that_cannot_be_kept_fails_so_that_event_grid_sends_it_again(world: World) -> None:
    bootstrap._hub = Failing(Transient("STORAGE_UNAVAILABLE", "503"))
    with pytest.raises(Transient):
        FUNCTIONS["on_blob_created"].get_user_function()(blob_event({"api": "PutBlob", "url": URL}))


def test_a_poisoned_message_ends_its_load(world: World) -> None:
    load = world.ask()
    FUNCTIONS["on_poisoned_load"].get_user_function()(func.QueueMessage(body=world.queue.take().encode()))
    assert world.load(load).state == "FAILED"
