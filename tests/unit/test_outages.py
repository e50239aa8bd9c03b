"""What the adapters make of answers that are none, and of those that ask to wait; from a server on this machine."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.exceptions import ClientAuthenticationError, DecodeError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from hub_core.adapters import azure_faults, databricks_sign_in, storage_accounts
from hub_core.adapters.blob import BlobConfigs, BlobLanding
from hub_core.adapters.databricks_sign_in import for_connector, workspace
from hub_core.adapters.jobs import LOADER_TASK, DatabricksJobs
from hub_core.adapters.pause import Pause
from hub_core.adapters.storage_accounts import HOST_STORAGE, HostStorage
from hub_core.adapters.warehouse import WarehouseSql
from hub_core.errors import Broken, HubError, Transient
from hub_core.messages import start
from hub_core.model import Run, RunState
from hub_core.settings import Settings
from local_stack.azurite import Azurite
from tests.unit.doubles import MemoryLoads, MemoryQueue, World


@dataclass
class Server:
    """Gives its answers one after another, the last again and again; `came` are the times of the requests."""

    answers: list[tuple[int, dict[str, str], bytes]]
    port: int = 0
    came: list[float] = field(default_factory=list)


type Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ThreadingHTTPServer] = []

    def begin(*answers: tuple[int, dict[str, str], bytes]) -> Server:
        told = Server(list(answers))

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                told.came.append(time.monotonic())
                code, headers, body = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
                self.send_response(code)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        told.port = server.server_address[1]
        return told

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def settings(port: int, *, by_token: bool = True) -> Settings:
    return Settings.from_environment(
        {
            "HUB_CATALOG": "main",
            "HUB_CONFIG_ROOT": "abfss://config@acct.dfs.core.windows.net/feeds/",
            "HUB_ALLOWED_ROOTS": "abfss://raw@acct.dfs.core.windows.net/",
            "HUB_LOADER_JOB_ID": "1",
            "HUB_WAREHOUSE_ID": "w",
            "DATABRICKS_HOST": f"http://127.0.0.1:{port}",
            "DATABRICKS_TOKEN": "t" if by_token else "",
        }
    )


def jobs(server: Server) -> DatabricksJobs:
    found = settings(server.port)
    return DatabricksJobs(workspace(found), found.job_of, found.catalog)


def storage(server: Server) -> HostStorage:
    azurite = Azurite(server.port, server.port, server.port, directory=None)  # type: ignore[arg-type]
    return HostStorage({HOST_STORAGE: azurite.connection_string})


def refused(act: Callable[[], object]) -> HubError:
    with pytest.raises(HubError) as caught:
        act()
    return caught.value


class TestJobs:
    def test_a_gateways_502_is_passing_and_a_refusal_is_not(self, serve: Serve) -> None:
        page = b"<html><title>502 Bad Gateway</title></html>"
        assert isinstance(refused(lambda: jobs(serve((502, {}, page))).get("1")), Transient)
        assert isinstance(refused(lambda: jobs(serve((403, {}, b"{}"))).get("1")), Broken)

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"run_id": 1'])
    def test_an_answer_that_is_none_is_passing(self, serve: Serve, body: bytes) -> None:
        server = serve((200, {}, body))
        assert isinstance(refused(lambda: jobs(server).get("1")), Transient)
        assert isinstance(refused(lambda: jobs(server).submit("falcon", "b", "t")), Transient)

    def test_a_long_retry_after_is_handed_on_and_kept_to_by_every_call(self, serve: Serve) -> None:
        server = serve((429, {"Retry-After": "90"}, b"{}"))
        throttled = jobs(server)
        first = refused(lambda: throttled.submit("falcon", "b", "t"))
        second = refused(lambda: throttled.get("1"))
        assert isinstance(first, Transient)
        assert isinstance(second, Transient)
        assert 90 <= (first.retry_after or 0) <= 91
        assert 88 <= (second.retry_after or 0) <= 91
        assert len(server.came) == 1

    def test_an_active_run_is_one_in_which_the_loader_itself_goes_on(self, serve: Serve) -> None:
        going, over = {"life_cycle_state": "RUNNING"}, {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
        batches = {1: ("b", over), 2: ("other", going), 3: ("b", going)}
        listed = [
            {"run_id": run_id, "state": going, "job_parameters": [{"name": "batch_id", "value": batch}]}
            for run_id, (batch, _) in batches.items()
        ]
        runs = [
            {"run_id": run_id, "state": going, "tasks": [{"task_key": LOADER_TASK, "state": batches[run_id][1]}]}
            for run_id in (1, 3)
        ]
        server = serve(*[(200, {}, json.dumps(one).encode()) for one in ({"runs": listed}, *runs)])
        assert jobs(server).find_active("falcon", "b") == Run("3", RunState.RUNNING)
        assert len(server.came) == 3

    @pytest.mark.parametrize(
        ("attempts", "whole", "state"),
        [
            ([("FAILED", 0), (None, 1)], "RUNNING", RunState.RUNNING),
            ([(None, 1), ("FAILED", 0)], "RUNNING", RunState.RUNNING),
            ([("FAILED", 0)], "RUNNING", RunState.RUNNING),
            ([("FAILED", 0), ("SUCCESS", 1)], "RUNNING", RunState.SUCCESS),
            ([("SUCCESS", 1), ("FAILED", 0)], "TERMINATED", RunState.SUCCESS),
            ([("FAILED", 0), ("FAILED", 1)], "TERMINATED", RunState.FAILED),
            ([("CANCELED", 0)], "TERMINATED", RunState.CANCELED),
        ],
    )
    def test_a_failed_attempt_at_the_loaders_task_ends_nothing_while_another_may_come(
        self, serve: Serve, attempts: list[tuple[str | None, int]], whole: str, state: RunState
    ) -> None:
        tasks = [
            {
                "task_key": LOADER_TASK,
                "attempt_number": number,
                "state": {"life_cycle_state": "TERMINATED", "result_state": result}
                if result
                else {"life_cycle_state": "RUNNING"},
            }
            for result, number in attempts
        ]
        run = {"run_id": 1, "state": {"life_cycle_state": whole, "result_state": "FAILED"}, "tasks": tasks}
        assert jobs(serve((200, {}, json.dumps(run).encode()))).get("1").state is state


class NoToken:
    """The service's identity, for which there is no token."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_token(self, *_: object, **__: object) -> object:
        raise self.error


def entra_refuses() -> ClientAuthenticationError:
    """As azure-identity says it: with Entra ID's answer."""
    error = ClientAuthenticationError("AADSTS700016: no such application")
    error.status_code = 400
    return error


class TestSignIn:
    """Managed identity, whose endpoint or whose Entra ID may be away too."""

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (CredentialUnavailableError("no response from the IMDS endpoint"), Transient),
            (ClientAuthenticationError("no connection to login.microsoftonline.com"), Transient),
            (ServiceRequestError("the endpoint of managed identities refuses the connection"), Transient),
            (entra_refuses(), Broken),
        ],
    )
    def test_no_answer_is_passing_and_a_refusal_is_not(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[HubError]
    ) -> None:
        monkeypatch.setattr(databricks_sign_in, "identity", lambda: NoToken(error))
        server = serve((200, {}, b"{}"))
        found = settings(server.port, by_token=False)
        runs = DatabricksJobs(workspace(found), found.job_of, found.catalog)
        fault = refused(lambda: runs.get("1"))
        assert isinstance(fault, kind)
        assert kind is Broken or str(error) in fault.message
        assert isinstance(refused(runs.ping), kind)
        monkeypatch.setattr(storage_accounts, "identity", lambda: NoToken(error))
        landing = BlobLanding(storage_accounts.Accounts({}))
        assert isinstance(refused(lambda: landing.head("abfss://raw@acct.dfs.core.windows.net/a.csv")), kind)
        assert server.came == []

    def test_a_warehouse_without_a_token_is_away(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        unavailable = CredentialUnavailableError("no response from the IMDS endpoint")
        monkeypatch.setattr(databricks_sign_in, "identity", lambda: NoToken(unavailable))
        found = settings(serve((200, {}, b"")).port, by_token=False)
        sql = WarehouseSql(found.databricks_host, found.warehouse_id, for_connector(found), time.monotonic)
        assert isinstance(refused(lambda: sql.query("SELECT 1", {})), Transient)

    def test_a_client_is_made_at_once_though_the_workspace_is_away(self) -> None:
        began = time.monotonic()
        workspace(settings(port=9))
        assert time.monotonic() - began < 5


class TestWarehouse:
    def sql(self, server: Server) -> WarehouseSql:
        found = settings(server.port)
        return WarehouseSql(found.databricks_host, found.warehouse_id, for_connector(found), time.monotonic)

    def test_one_that_cannot_be_reached_is_passing_and_says_so_at_once(self, serve: Serve) -> None:
        away = Server([], port=9)
        began = time.monotonic()
        assert isinstance(refused(lambda: self.sql(away).query("SELECT 1", {})), Transient)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("body", [b"", b"<html>", b"\x80\x01\x00\x02"])
    def test_an_answer_that_is_none_is_passing(self, serve: Serve, body: bytes) -> None:
        assert isinstance(refused(lambda: self.sql(serve((200, {}, body))).query("SELECT 1", {})), Transient)

    def test_a_long_retry_after_is_handed_on_and_kept_to_by_every_statement(self, serve: Serve) -> None:
        server = serve((503, {"Retry-After": "90"}, b""))
        sql = self.sql(server)
        assert refused(lambda: sql.query("SELECT 1", {})).retry_after == 90  # type: ignore[attr-defined]
        assert refused(lambda: sql.query("SELECT 1", {})).retry_after > 85  # type: ignore[attr-defined]
        assert len(server.came) == 1

    @pytest.mark.parametrize("asked", ["Wed, 21 Oct 2026 07:28:00 GMT", "1.5"])
    def test_a_retry_after_that_the_connector_cannot_read_is_passing(self, serve: Serve, asked: str) -> None:
        assert isinstance(
            refused(lambda: self.sql(serve((503, {"Retry-After": asked}, b""))).query("S", {})), Transient
        )

    def test_a_short_retry_after_is_waited_out(self, serve: Serve) -> None:
        server = serve((503, {"Retry-After": "2"}, b""), (403, {}, b""))
        assert isinstance(refused(lambda: self.sql(server).query("SELECT 1", {})), Broken)
        assert server.came[1] - server.came[0] >= 2


class TestStorage:
    def test_a_blink_is_mended_within_a_second(self, serve: Serve) -> None:
        server = serve((503, {}, b""), (404, {"x-ms-error-code": "BlobNotFound"}, b""))
        blob = storage(server).blobs().get_blob_client("c", "b")
        assert blob.exists() is False
        assert server.came[1] - server.came[0] < 1

    def test_a_short_retry_after_is_waited_out(self, serve: Serve) -> None:
        server = serve((503, {"Retry-After": "2"}, b""), (404, {"x-ms-error-code": "BlobNotFound"}, b""))
        assert storage(server).blobs().get_blob_client("c", "b").exists() is False
        assert server.came[1] - server.came[0] >= 2

    def test_a_long_retry_after_is_handed_on(self, serve: Serve) -> None:
        server = serve((503, {"Retry-After": "90"}, b""))
        found = storage(server)
        for act in (
            lambda: found.blobs().get_blob_client("c", "b").exists(),
            lambda: found.queues().get_queue_client("q").send_message("m"),
            lambda: found.tables().get_table_client("t").get_entity("p", "r"),
        ):
            with azure_faults.translated("it"), pytest.raises(Transient) as waiting:
                act()
            assert waiting.value.retry_after == 90
        assert len(server.came) == 3

    def test_an_answer_that_cannot_be_read_is_passing(self) -> None:
        def read() -> None:
            with azure_faults.translated("it"):
                raise DecodeError("half of it")

        assert isinstance(refused(read), Transient)

    def test_a_csv_of_no_bytes_is_read_as_such(self, serve: Serve) -> None:
        """Azure has no range of it to give."""
        server = serve((416, {"x-ms-error-code": "InvalidRange"}, b""))
        azurite = Azurite(server.port, server.port, server.port, directory=None)  # type: ignore[arg-type]
        accounts = storage_accounts.Accounts({"acct.dfs.core.windows.net": azurite.connection_string})
        assert BlobConfigs(accounts, "abfss://config@acct.dfs.core.windows.net/").read("falcon") == b""

    def test_retry_after_is_seconds_or_a_date(self) -> None:
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        assert 55 < (azure_faults.retry_after({"Retry-After": soon}) or 0) <= 60
        assert azure_faults.retry_after({"Retry-After": "7"}) == 7
        assert azure_faults.retry_after({"Retry-After": "soon"}) is None
        assert azure_faults.retry_after({}) is None


def test_a_pause_ends() -> None:
    at = [0.0]
    pause = Pause("JOBS_UNAVAILABLE", "it", lambda: at[0])
    pause.check()
    pause.asked(5)
    pause.asked(3)
    at[0] = 4.5
    assert refused(pause.check).retry_after == 0.5  # type: ignore[attr-defined]
    at[0] = 5
    pause.check()


class Away(MemoryLoads):
    """Whose inserts take effect, but are not answered."""

    def insert(self, load: object) -> bool:
        super().insert(load)  # type: ignore[arg-type]
        raise Transient("STORAGE_UNAVAILABLE", "no answer")


def test_a_load_whose_insert_was_not_answered_has_its_message_too() -> None:
    world = World()
    load = world.ask()
    queue = MemoryQueue()
    loads = Away()
    with pytest.raises(Transient):
        start(loads, queue, load)
    assert load.id in loads.records
    assert len(queue.messages) == 1
