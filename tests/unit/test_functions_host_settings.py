"""The Functions host: host.json, bindings, keys, deliveries and log lines."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from local_stack.functions_host.errors import StartFailed, Unsupported
from local_stack.functions_host.eventgrid import BadDelivery, Events, Handshake, Unsubscribed, preflight, read_delivery
from local_stack.functions_host.host_json import QueueOptions, parse_host_json, read_host_json
from local_stack.functions_host.index import (
    AuthLevel,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    index_functions,
)
from local_stack.functions_host.keys import Keys
from local_stack.functions_host.logs import masked


def metadata(*bindings: dict[str, object], name: str = "f", retry: object = None) -> SimpleNamespace:
    raw = [json.dumps(binding) for binding in bindings]
    return SimpleNamespace(name=name, function_id=name, raw_bindings=raw, retry_options=retry)


QUEUE = {"type": "queueTrigger", "name": "msg", "direction": "IN", "queueName": "%Q%", "connection": "Store"}
TIMER = {"type": "timerTrigger", "name": "t", "direction": "IN", "schedule": "* * * * * *", "useMonitor": False}


def test_an_empty_host_json_means_the_hosts_defaults() -> None:
    host_json = parse_host_json({"version": "2.0"})
    assert host_json.route_prefix == "api"
    assert host_json.queues == QueueOptions(16, 8, 0.0, 5, 60.0, base64=True)
    assert host_json.function_timeout == 1800


def test_host_json_is_read_whatever_the_case_of_its_names_and_the_rest_is_reported() -> None:
    host_json = parse_host_json(
        {
            "version": "2.0",
            "functionTimeout": "-1",
            "extensions": {
                "http": {"routePrefix": "", "hsts": {}},
                "Queues": {"BatchSize": 8, "maxPollingInterval": "00:00:02", "messageEncoding": "none"},
            },
        }
    )
    assert host_json.route_prefix == ""
    assert host_json.queues == QueueOptions(8, 4, 0.0, 5, 2.0, base64=False)
    assert host_json.function_timeout is None
    assert host_json.ignored == ("extensions.http.hsts",)


def test_app_settings_override_host_json_as_in_azure(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"queues": {"batchSize": 2}}}')
    environment = {"AzureFunctionsJobHost__extensions__queues__batchsize": "3"}
    assert read_host_json(tmp_path, environment).queues.batch_size == 3


@pytest.mark.parametrize(
    "queues", [{"batchSize": 33}, {"messageEncoding": "hex"}, {"visibilityTimeout": "soon"}, {"maxDequeueCount": 0}]
)
def test_a_bad_host_json_fails_at_the_start(queues: dict[str, object]) -> None:
    with pytest.raises(StartFailed, match=r"host\.json"):
        parse_host_json({"version": "2.0", "extensions": {"queues": queues}})


def test_bindings_become_triggers_with_their_settings_resolved() -> None:
    http = {"type": "httpTrigger", "name": "req", "methods": ["GET"], "authLevel": "ANONYMOUS", "route": "/h"}
    returned = {"type": "http", "name": "$return", "direction": "OUT"}
    output = {"type": "queue", "name": "out", "direction": "OUT", "queueName": "o"}
    functions = index_functions(
        [
            metadata(http, returned, output, name="a"),
            metadata(QUEUE, name="b"),
            metadata(TIMER, name="c"),
        ],
        {"Q": "work", "AzureWebJobsStore": "one", "AzureWebJobsStorage": "two", "AzureWebJobs.c.Disabled": "true"},
    )
    assert [function.trigger for function in functions] == [
        HttpTrigger("req", "h", frozenset({"GET"}), AuthLevel.ANONYMOUS),
        QueueTrigger("msg", "work", "one"),
        TimerTrigger("t", "* * * * * *", run_on_startup=False, use_monitor=False),
    ]
    assert functions[0].outputs == (QueueOutput("out", "o", "two"),)
    assert [function.disabled for function in functions] == [False, False, True]


@pytest.mark.parametrize(
    ("found", "settings", "message"),
    [
        ([], {}, "zero functions"),
        ([metadata(QUEUE)], {"Store": "s"}, "%Q% is not among the app settings"),
        ([metadata(QUEUE)], {"Q": "work"}, "app setting Store is missing"),
        ([metadata(TIMER), metadata(TIMER, name="F")], {}, "two functions"),
    ],
)
def test_an_app_it_cannot_serve_fails_at_the_start(found: list[object], settings: dict[str, str], message: str) -> None:
    with pytest.raises(StartFailed, match=message):
        index_functions(found, settings)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (metadata({"type": "blobTrigger", "name": "b"}), "blobTrigger"),
        (metadata(TIMER, {"type": "blob", "name": "o", "direction": "OUT"}), "blob, out"),
        (metadata(TIMER, retry=SimpleNamespace()), "retry policies"),
    ],
)
def test_what_it_does_not_do_is_refused_by_name(found: object, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        index_functions([found], {})


def test_identity_based_connections_are_refused() -> None:
    with pytest.raises(Unsupported, match="identity"):
        index_functions([metadata(QUEUE)], {"Q": "work", "Store__queueServiceUri": "https://x"})


def test_the_master_key_opens_what_the_function_key_does_not() -> None:
    keys = Keys("function", "master")
    allowed = {
        (level, key): keys.allow(level, {"x-functions-key": key}, {})
        for level in AuthLevel
        for key in ("", "function", "master", "é")
    }
    assert [pair for pair, allow in allowed.items() if allow] == [
        (AuthLevel.ANONYMOUS, ""),
        (AuthLevel.ANONYMOUS, "function"),
        (AuthLevel.ANONYMOUS, "master"),
        (AuthLevel.ANONYMOUS, "é"),
        (AuthLevel.FUNCTION, "function"),
        (AuthLevel.FUNCTION, "master"),
        (AuthLevel.ADMIN, "master"),
    ]
    assert keys.allow(AuthLevel.FUNCTION, {}, {"code": "function"})


def test_deliveries_are_told_apart() -> None:
    cloud_event = {"specversion": "1.0", "id": "1"}
    assert read_delivery({}, b'[{"id": "1"}, {"id": "2"}]') == Events(('{"id": "1"}', '{"id": "2"}'))
    assert read_delivery({}, json.dumps(cloud_event).encode()) == Events((json.dumps(cloud_event),))
    assert read_delivery({"aeg-event-type": "SubscriptionDeletion"}, b"[{}]") == Unsubscribed()
    validation = [{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "c"}}]
    assert read_delivery({}, json.dumps(validation).encode()) == Handshake({"validationResponse": "c"})


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'["x"]', b'{"id": "no cloud event"}', b"[" * 100_000])
def test_what_is_no_delivery_is_refused(body: bytes) -> None:
    with pytest.raises(BadDelivery):
        read_delivery({}, body)


def test_a_preflight_without_an_origin_asks_nothing() -> None:
    assert preflight({}) is None
    assert preflight({"WebHook-Request-Origin": "o", "WebHook-Request-Rate": "120"}) == {
        "WebHook-Allowed-Origin": "o",
        "WebHook-Allowed-Rate": "120",
    }


def test_keys_never_reach_the_log() -> None:
    text = "GET /api/x?code=abc&y=1 AccountKey=Zm9v==;Blob 'https://h/?sig=q' the-long-secret"
    assert masked(text, ["the-long-secret"]) == "GET /api/x?code=***&y=1 AccountKey=***;Blob 'https://h/?sig=***' ***"
