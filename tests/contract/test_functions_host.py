"""The Functions host as a process, against Azurite, with the toy app: what the app and its callers rely on."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from azure.storage.queue import QueueServiceClient

pytestmark = pytest.mark.stack

TOY_APP = Path(__file__).parents[1] / "fixtures" / "toy_app"
FUNCTION_KEY = "function-key-0123456789"
MASTER_KEY = "master-key-0123456789"
NEW_YEAR = "0 0 0 1 1 *"
GUID = "9a5b8f6e-0000-4000-8000-1234567890ab"


class Azurite(Protocol):
    @property
    def connection_string(self) -> str: ...


@dataclass
class Host:
    """A running host, and what its functions wrote down."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    journal: Path
    queues: QueueServiceClient
    queue: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def notes(self, function: str) -> list[dict[str, Any]]:
        if not self.journal.exists():
            return []
        notes = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [note for note in notes if note["function"] == function]

    def send(self, order: Mapping[str, object]) -> None:
        body = base64.b64encode(json.dumps(order).encode()).decode()
        self.queues.get_queue_client(self.queue).send_message(body)

    def message_count(self, queue: str) -> int:
        count = self.queues.get_queue_client(queue).get_queue_properties().approximate_message_count
        return count or 0

    def admin(self, name: str, text: str = "", **query: str) -> httpx.Response:
        headers = {"x-functions-key": MASTER_KEY}
        return httpx.post(
            f"{self.url}/admin/functions/{name}", json={"input": text}, headers=headers, params=query, timeout=30
        )

    def wait_for(self, what: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def running_host(
    directory: Path, storage: Azurite, *arguments: str, queue: str = "", connection: str = "", **settings: str
) -> Iterator[Host]:
    """A host of its own for the toy app, killed at the end if it still runs."""
    directory.mkdir(parents=True, exist_ok=True)
    queue = queue or f"toy-{uuid.uuid4().hex[:12]}"
    log, journal = directory / "host.log", directory / "journal"
    environment = {
        **os.environ,
        "AzureWebJobsStorage": connection or storage.connection_string,
        "TOY_QUEUE": queue,
        "TOY_SCHEDULE": NEW_YEAR,
        "TOY_JOURNAL": str(journal),
        **settings,
    }
    began = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            host_command(TOY_APP, directory / "state", *arguments), env=environment, stdout=output, stderr=output
        )
    queues = QueueServiceClient.from_connection_string(storage.connection_string)
    host = Host(process, "", log, journal, queues, queue)
    try:
        host.wait_for(lambda: process.poll() is not None or "listening on" in log.read_text()[began:])
        assert process.poll() is None, log.read_text()
        host.url = re.findall(r"listening on (http://\S+)", log.read_text())[-1]
        yield host
    finally:
        process.kill()
        process.wait()


def host_command(app: Path, state: Path, *arguments: str) -> list[str]:
    options = {"--app": app, "--state": state, "--port": 0, "--function-key": FUNCTION_KEY, "--master-key": MASTER_KEY}
    flat = [str(part) for option in options.items() for part in option]
    return [sys.executable, "-m", "local_stack.functions_host", *flat, *arguments]


@pytest.fixture(scope="module")
def host(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running_host(tmp_path_factory.mktemp("host"), azurite, "--http-timeout", "2", "--max-body", "4096") as host:
        yield host


@pytest.fixture
def http(host: Host) -> Iterator[httpx.Client]:
    with host.client() as client:
        yield client


class TestHttp:
    def test_a_function_sees_the_request_and_its_answer_arrives_whole(self, http: httpx.Client) -> None:
        answer = http.post("/api/echo/a%20b?x=1&x=2", content="hello", headers={"X-Toy": "yes"})
        assert answer.status_code == 201
        assert (answer.headers["x-one"], answer.headers["x-two"]) == ("1", "2")
        assert answer.headers["set-cookie"] == "toy=1; HttpOnly; Path=/"
        assert answer.json() == {
            "method": "POST",
            "url": f"{http.base_url}/api/echo/a%20b?x=1&x=2".replace("//api", "/api"),
            "id": "a b",
            "query": {"x": "1,2"},
            "header": "yes",
            "body": "hello",
        }

    def test_a_literal_route_wins_over_a_parameter_and_a_constraint_refuses(self, http: httpx.Client) -> None:
        assert http.get("/api/items/latest").text == "latest"
        assert http.get(f"/api/items/{GUID}").text == f"item {GUID}"
        assert http.get("/api/items/7").status_code == 404

    def test_a_catch_all_takes_the_rest_of_the_path(self, http: httpx.Client) -> None:
        assert http.get("/api/raw/a/b%20c").text == "a/b c"
        assert http.get("/api/raw").text == ""

    def test_a_wrong_method_is_404_as_in_azure(self, http: httpx.Client) -> None:
        assert http.delete("/api/guarded").status_code == 404
        assert http.get("/api/nothing").status_code == 404

    def test_an_empty_answer_is_empty(self, http: httpx.Client) -> None:
        answer = http.get("/api/empty")
        assert (answer.status_code, answer.content) == (204, b"")

    @pytest.mark.parametrize(
        ("route", "key", "status"),
        [
            ("empty", "", 204),
            ("guarded", "", 401),
            ("guarded", "wrong", 401),
            ("guarded", FUNCTION_KEY, 200),
            ("guarded", MASTER_KEY, 200),
            ("locked", FUNCTION_KEY, 401),
            ("locked", MASTER_KEY, 200),
        ],
    )
    def test_each_level_wants_its_key_by_header_or_query(
        self, http: httpx.Client, route: str, key: str, status: int
    ) -> None:
        assert http.get(f"/api/{route}", headers={"x-functions-key": key}).status_code == status
        assert http.get(f"/api/{route}", params={"code": key}).status_code == status

    def test_an_exception_is_500_and_its_trace_is_logged_without_the_key(self, host: Host, http: httpx.Client) -> None:
        answer = http.get("/api/broken", params={"code": "some-secret-of-a-caller"})
        assert (answer.status_code, answer.content) == (500, b"")
        log = host.log.read_text()
        assert "RuntimeError: no luck with" in log
        assert "code=***" in log
        assert "some-secret-of-a-caller" not in log

    def test_a_body_beyond_the_limit_is_413(self, http: httpx.Client) -> None:
        assert http.post("/api/echo/1", content=b"x" * 4096).status_code == 201
        assert http.post("/api/echo/1", content=b"x" * 4097).status_code == 413
        assert http.post("/api/echo/1", content=iter([b"x" * 4096, b"x"])).status_code == 413

    def test_a_slow_function_is_cut_with_504_and_still_ends(self, host: Host, http: httpx.Client) -> None:
        assert http.get("/api/slow/3").status_code == 504
        host.wait_for(lambda: len(host.notes("slow-ended")) == 1)


class TestEventGrid:
    URL = "/runtime/webhooks/eventgrid"

    def deliver(self, http: httpx.Client, body: object, **headers: str) -> httpx.Response:
        params = {"functionName": "on_event", "code": FUNCTION_KEY}
        return http.post(self.URL, params=params, content=json.dumps(body), headers=headers)

    def event(self, name: str, subject: str = "/good") -> dict[str, object]:
        return {
            "id": name,
            "topic": "/t",
            "subject": subject,
            "eventType": "Microsoft.Storage.BlobCreated",
            "eventTime": "2026-01-02T03:04:05.1234567Z",
            "dataVersion": "1",
            "data": {"url": "https://a.blob.core.windows.net/c/a.csv"},
        }

    def cloud_event(self, name: str) -> dict[str, object]:
        return {"specversion": "1.0", "id": name, "source": "/s", "type": "BlobCreated", "subject": "/good", "data": {}}

    def test_the_handshake_of_its_own_schema_repeats_the_code(self, http: httpx.Client) -> None:
        event = {
            "id": "1",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": "C0DE"},
        }
        answer = self.deliver(http, [event], **{"aeg-event-type": "SubscriptionValidation"})
        assert (answer.status_code, answer.json()) == (200, {"validationResponse": "C0DE"})

    def test_the_handshake_of_cloud_events_allows_the_origin(self, http: httpx.Client) -> None:
        params = {"functionName": "on_event", "code": FUNCTION_KEY}
        headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
        answer = http.options(self.URL, params=params, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
        assert answer.headers["WebHook-Allowed-Rate"] == "*"

    def test_each_event_of_an_array_is_an_invocation(self, host: Host, http: httpx.Client) -> None:
        assert self.deliver(http, [self.event("e1"), self.event("e2")]).status_code == 202
        assert {note["id"] for note in host.notes("on_event")} >= {"e1", "e2"}

    def test_cloud_events_come_singly_or_in_a_batch(self, host: Host, http: httpx.Client) -> None:
        single = self.deliver(http, self.cloud_event("c1"), **{"content-type": "application/cloudevents+json"})
        batch = self.deliver(
            http,
            [self.cloud_event("c2"), self.cloud_event("c3")],
            **{"content-type": "application/cloudevents-batch+json"},
        )
        assert (single.status_code, batch.status_code) == (202, 202)
        seen = {note["id"]: note["kind"] for note in host.notes("on_event")}
        assert {seen["c1"], seen["c2"], seen["c3"]} == {"BlobCreated"}

    def test_one_failed_event_asks_for_the_delivery_again(self, http: httpx.Client) -> None:
        assert self.deliver(http, [self.event("e3"), self.event("e4", "/bad")]).status_code == 500

    def test_a_bad_key_function_or_body_is_refused(self, http: httpx.Client) -> None:
        def post(name: str, code: str, content: str) -> int:
            return http.post(self.URL, params={"functionName": name, "code": code}, content=content).status_code

        assert post("on_event", "wrong", "[]") == 401
        assert post("nobody", FUNCTION_KEY, "[]") == 404
        assert post("work", FUNCTION_KEY, "[]") == 404
        assert post("on_event", FUNCTION_KEY, "{not json") == 400
        assert post("on_event", FUNCTION_KEY, "[1]") == 400

    def test_what_event_grid_never_sends_is_refused_by_name(self, http: httpx.Client) -> None:
        answer = self.deliver(http, {}, **{"ce-specversion": "1.0"})
        assert answer.status_code == 501
        assert "binary mode" in answer.text


class TestAdmin:
    def test_the_status_and_the_functions_need_the_master_key(self, http: httpx.Client) -> None:
        master = {"x-functions-key": MASTER_KEY}
        assert http.get("/admin/host/status").status_code == 401
        assert http.get("/admin/host/status", params={"code": FUNCTION_KEY}).status_code == 401
        assert http.get("/admin/host/status", headers=master).json()["state"] == "Running"
        functions = {f["name"]: f for f in http.get("/admin/functions", headers=master).json()}
        assert functions["work"]["config"]["bindings"][0]["type"] == "queueTrigger"
        assert functions["echo"]["invoke_url_template"].endswith("/api/echo/{id}")

    def test_a_timer_and_a_queue_function_run_by_call(self, host: Host) -> None:
        assert host.admin("tick").status_code == 202
        host.wait_for(lambda: len(host.notes("tick-ended")) == 1)
        assert host.admin("work", '{"by": "hand"}', wait="true").status_code == 200
        assert [note["count"] for note in host.notes("work") if "hand" in note["body"]] == [1]
        failed = host.admin("work", '{"fail": true}', wait="true")
        assert (failed.status_code, failed.json()["error"]) == (500, "ValueError: told to fail")

    def test_what_the_host_does_not_do_is_501_and_named(self, host: Host, http: httpx.Client) -> None:
        answer = http.post("/admin/host/restart", headers={"x-functions-key": MASTER_KEY})
        assert (answer.status_code, answer.text) == (501, "POST /admin/host/restart is not supported by this host")
        assert host.admin("empty").status_code == 501
        assert host.admin("nobody").status_code == 404


class TestQueues:
    def test_a_message_runs_once_with_all_its_facts(self, host: Host) -> None:
        host.send({"order": "facts"})
        host.wait_for(lambda: any("facts" in note["body"] for note in host.notes("work-ended")))
        (note,) = [note for note in host.notes("work") if "facts" in note["body"]]
        assert note["count"] == 1
        assert note["receipt"]
        inserted, expires, next_visible = (
            datetime.fromisoformat(note[name]) for name in ("inserted", "expires", "next_visible")
        )
        assert expires - inserted == timedelta(days=7)
        assert inserted < next_visible < inserted + timedelta(minutes=1)
        host.wait_for(lambda: host.message_count(host.queue) == 0)

    def test_an_output_binding_sends_what_the_function_set(self, host: Host, http: httpx.Client) -> None:
        assert http.post("/api/send", content='{"order": "sent"}').status_code == 200
        host.wait_for(lambda: any(note["body"] == '{"order": "sent"}' for note in host.notes("work-ended")))

    def test_a_message_that_always_fails_is_poison_after_five_tries(self, host: Host) -> None:
        host.send({"order": "poison", "fail": True})
        host.wait_for(lambda: any("poison" in note["body"] for note in host.notes("poisoned")))
        assert [note["count"] for note in host.notes("work") if "poison" in note["body"]] == [1, 2, 3, 4, 5]
        assert [note["body"] for note in host.notes("poisoned")] == ['{"order": "poison", "fail": true}']

    def test_a_body_in_the_wrong_encoding_goes_to_the_poison_queue_unrun(self, host: Host) -> None:
        host.queues.get_queue_client(host.queue).send_message("{plain}")
        host.wait_for(lambda: "its body is not base64" in host.log.read_text())
        assert not [note for note in host.notes("work") if "plain" in note["body"]]

    def test_messages_run_side_by_side(self, host: Host) -> None:
        for number in range(4):
            host.send({"order": f"parallel-{number}", "sleep": 1})
        host.wait_for(lambda: len([n for n in host.notes("work-ended") if "parallel" in n["body"]]) == 4)
        starts = [datetime.fromisoformat(n["at"]) for n in host.notes("work") if "parallel" in n["body"]]
        ends = [datetime.fromisoformat(n["at"]) for n in host.notes("work-ended") if "parallel" in n["body"]]
        assert sorted(starts)[1] < min(ends)

    def test_a_long_run_keeps_its_message(self, azurite: Azurite, tmp_path: Path) -> None:
        with running_host(tmp_path, azurite, "--message-lease", "4") as host:
            host.send({"sleep": 6})
            host.wait_for(lambda: len(host.notes("work-ended")) == 1)
            host.wait_for(lambda: host.message_count(host.queue) == 0)
            assert [note["count"] for note in host.notes("work")] == [1]

    def test_a_message_of_a_killed_host_comes_back_when_its_lease_ends(self, azurite: Azurite, tmp_path: Path) -> None:
        with running_host(tmp_path, azurite, "--message-lease", "2") as host:
            host.send({"sleep": 2})
            host.wait_for(lambda: len(host.notes("work")) == 1)
            host.process.send_signal(signal.SIGKILL)
            host.process.wait()
        with running_host(tmp_path, azurite, "--message-lease", "2", queue=host.queue) as host:
            host.wait_for(lambda: len(host.notes("work-ended")) == 1)
            assert [note["count"] for note in host.notes("work")] == [1, 2]

    def test_a_storage_outage_does_not_end_the_polling(self, azurite: Azurite, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        endpoint = re.search(r"QueueEndpoint=http://([\d.]+):(\d+)/", azurite.connection_string)
        assert endpoint
        away = azurite.connection_string.replace(endpoint.group(), f"QueueEndpoint=http://127.0.0.1:{port}/")
        with running_host(tmp_path, azurite, connection=away) as host:
            host.wait_for(lambda: "ServiceRequestError" in host.log.read_text())
            assert httpx.get(f"{host.url}/api/empty").status_code == 204
            with forwarding(port, (endpoint.group(1), int(endpoint.group(2)))):
                host.queues.create_queue(host.queue)
                host.send({"order": "late"})
                host.wait_for(lambda: len(host.notes("work-ended")) == 1)


class TestTimers:
    def test_a_timer_fires_by_its_schedule_and_never_twice_at_once(self, azurite: Azurite, tmp_path: Path) -> None:
        with running_host(tmp_path, azurite, TOY_SCHEDULE="* * * * * *", TOY_TICK_SECONDS="1.5") as host:
            host.wait_for(lambda: len(host.notes("tick-ended")) >= 3)
        notes = [note["function"] for note in map(json.loads, host.journal.read_text().splitlines())]
        assert notes[:6] == ["tick", "tick-ended"] * 3

    def test_a_run_missed_while_the_host_was_down_is_made_up_for(self, azurite: Azurite, tmp_path: Path) -> None:
        status = tmp_path / "state" / "timers" / "tick.json"
        with running_host(tmp_path, azurite) as host:
            host.wait_for(status.exists)
            assert host.notes("tick") == []
        past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        status.write_text(json.dumps({**json.loads(status.read_text()), "Next": past}))
        with running_host(tmp_path, azurite) as host:
            host.wait_for(lambda: len(host.notes("tick-ended")) == 1)
            host.wait_for(lambda: json.loads(status.read_text())["Next"] > past)
        with running_host(tmp_path, azurite) as host:
            time.sleep(0.5)
            assert [note["past_due"] for note in host.notes("tick")] == [True]

    def test_a_disabled_timer_only_runs_by_call(self, azurite: Azurite, tmp_path: Path) -> None:
        disabled = {"AzureWebJobs.tick.Disabled": "true"}
        with running_host(tmp_path, azurite, TOY_SCHEDULE="* * * * * *", **disabled) as host:
            time.sleep(1.5)
            assert host.notes("tick") == []
            assert host.admin("tick", wait="true").status_code == 200


class TestLife:
    def test_sigterm_lets_running_functions_end(self, azurite: Azurite, tmp_path: Path) -> None:
        with running_host(tmp_path, azurite) as host:
            host.send({"sleep": 2})
            host.wait_for(lambda: len(host.notes("work")) == 1)
            answers: list[str] = []
            slow = f"{host.url}/api/slow/5"
            call = threading.Thread(target=lambda: answers.append(httpx.get(slow, timeout=30).text))
            call.start()
            host.wait_for(lambda: len(host.notes("slow")) == 1)
            host.process.terminate()
            assert host.process.wait(20) == 0
            call.join()
            assert answers == ["done"]
            assert len(host.notes("work-ended")) == 1
            assert host.message_count(host.queue) == 0

    def test_what_runs_beyond_the_deadline_is_abandoned_and_said(self, azurite: Azurite, tmp_path: Path) -> None:
        with running_host(tmp_path, azurite, "--drain", "1") as host:
            host.send({"sleep": 30})
            host.wait_for(lambda: len(host.notes("work")) == 1)
            host.process.terminate()
            assert host.process.wait(10) == 1
            assert "abandoned after 1 s: work" in host.log.read_text()

    def test_a_function_beyond_its_timeout_restarts_the_host(self, azurite: Azurite, tmp_path: Path) -> None:
        settings = {"AzureFunctionsJobHost__functionTimeout": "00:00:01"}
        with running_host(tmp_path, azurite, **settings) as host:
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{host.url}/api/slow/20", timeout=10)
            host.wait_for(lambda: host.log.read_text().count("listening on") == 2)
            url = re.findall(r"listening on (http://\S+)", host.log.read_text())[-1]
            assert httpx.get(f"{url}/api/empty").status_code == 204

    def test_zero_functions_is_a_failure(self, tmp_path: Path) -> None:
        (tmp_path / "function_app").mkdir()
        (tmp_path / "function_app" / "__init__.py").write_text(
            "import azure.functions as func\napp = func.FunctionApp()\n"
        )
        code, said = failed_start(tmp_path)
        assert code == 1
        assert "the worker indexed zero functions" in said

    def test_an_app_that_does_not_import_fails_with_its_exception(self, tmp_path: Path) -> None:
        (tmp_path / "function_app.py").write_text("import no_such_module\n")
        code, said = failed_start(tmp_path)
        assert code == 1
        assert "No module named 'no_such_module'" in said

    @pytest.mark.parametrize(
        ("decorator", "parameter", "why"),
        [
            pytest.param(
                "blob_trigger('blob', path='c/{name}', connection='AzureWebJobsStorage')",
                "blob: func.InputStream",
                "function f: binding 'blob' (blobTrigger) is not supported by this host",
                id="a binding that it does not do",
            ),
            pytest.param(
                "timer_trigger('timer', schedule='%NO_SUCH_SCHEDULE%')",
                "timer: func.TimerRequest",
                "%NO_SUCH_SCHEDULE% is not among the app settings",
                id="a missing app setting",
            ),
            pytest.param(
                "event_grid_trigger('event')",
                "event: func.EventGridEvent",
                "host.json has no extensionBundle",
                id="a trigger of an extension without its bundle",
            ),
        ],
    )
    def test_a_function_that_cannot_be_run_is_refused_by_name(
        self, tmp_path: Path, decorator: str, parameter: str, why: str
    ) -> None:
        (tmp_path / "function_app.py").write_text(
            "import azure.functions as func\n"
            "app = func.FunctionApp()\n"
            f"@app.{decorator}\n"
            f"def f({parameter}) -> None: ...\n"
        )
        code, said = failed_start(tmp_path)
        assert code == 1
        assert why in said


def failed_start(app: Path) -> tuple[int, str]:
    (app / "host.json").write_text('{"version": "2.0"}')
    ended = subprocess.run(
        host_command(app, app / "state"), capture_output=True, text=True, timeout=30, check=False, env=dict(os.environ)
    )
    return ended.returncode, ended.stdout + ended.stderr


@contextmanager
def forwarding(port: int, target: tuple[str, int]) -> Iterator[None]:
    """Forward TCP connections from the port to the target while the block runs."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return

    def accept() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection(target)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)
