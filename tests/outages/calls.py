"""Each call that the service makes of a dependency, through a proxy of its own."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from hub_core.adapters.blob import BlobConfigs, BlobDocuments, BlobLanding
from hub_core.adapters.databricks_sign_in import for_connector, workspace
from hub_core.adapters.jobs import DatabricksJobs
from hub_core.adapters.queue import StorageEvents, StorageQueue
from hub_core.adapters.storage_accounts import HOST_STORAGE, Accounts, HostStorage
from hub_core.adapters.table import TableLoads
from hub_core.adapters.warehouse import WarehouseSql
from hub_core.bootstrap import now
from hub_core.errors import Conflict, Transient
from hub_core.load import Load, new_id
from hub_core.model import LoadState, Trigger
from hub_core.ports import Event
from hub_core.request import LoadRequest
from hub_core.settings import Settings
from local_stack.azurite import Azurite
from local_stack.proxy import Fault, Kind, Proxy, When, always, call, status
from tests.outages.behind import Behind

type Call = Callable[[], object]

BOUNDS = {"blob": 45.0, "documents": 45.0, "queue": 25.0, "table": 25.0, "databricks": 65.0}
"""Seconds within which a call ends, whatever its dependency does."""
BODILESS = ("write document", "insert", "delete events")
"""Half of such an answer still says that the work was done."""
AT_ONCE = 48
TOKEN = uuid.uuid4().hex


@dataclass(frozen=True)
class Dependency:
    """One call: through which proxy, how it is made, and which requests it is."""

    name: str
    proxy: str
    make: Callable[[Behind, int], Call]
    when: When = always


def host_storage(service: str, port: int) -> HostStorage:
    ports = {"blob": 0, "queue": 0, "table": 0} | {service: port}
    azurite = Azurite(ports["blob"], ports["queue"], ports["table"], Path())
    return HostStorage({HOST_STORAGE: azurite.connection_string})


def files(at: Behind, port: int) -> Accounts:
    azurite = Azurite(port, 0, 0, at.directory)
    return Accounts({at.stack.account_host: azurite.connection_string})


def settings(at: Behind, port: int) -> Settings:
    found = Settings.from_environment(at.stack.app_environment())
    return replace(found, databricks_host=f"http://127.0.0.1:{port}")


def a_load() -> Load:
    time_ = now()
    return Load(
        id=new_id(time_), lob="none", trigger=Trigger.REQUEST, request=LoadRequest(lob="none"), created_at=time_,
        updated_at=time_,
    )  # fmt: skip


def _landing(at: Behind, port: int) -> BlobLanding:
    return BlobLanding(files(at, port))


def _list(at: Behind, port: int) -> Call:
    landing = _landing(at, port)
    return lambda: list(landing.list(at.stack.landing_root))


def _insert(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    return lambda: loads.insert(a_load())


def _insert_marked(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    return lambda: loads.insert(a_load().moved(now(), state=LoadState.SUBMITTING))


def _update(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    load = a_load()
    at.loads.insert(load)

    def update() -> None:
        stored = at.loads.get(load.id)
        assert stored is not None
        try:
            loads.update(stored, stored.load.moved(now()))
        except Conflict as error:
            raise AssertionError("the only writer met a conflict") from error

    return update


def _queue(at: Behind, port: int) -> StorageQueue:
    queue = StorageQueue(host_storage("queue", port).queues(), f"q{uuid.uuid4().hex[:12]}")
    queue.ensure()
    return queue


def _delete_events(at: Behind, port: int) -> Call:
    direct = StorageEvents(HostStorage(at.direct).queues())
    events = StorageEvents(host_storage("queue", port).queues())

    def delete() -> None:
        received: Sequence[Event] = []
        while not received:  # another of these may have taken it
            direct.put("{}")
            received = direct.receive(1)
        events.delete(received)

    return delete


def _warehouse(at: Behind, port: int) -> WarehouseSql:
    found = settings(at, port)
    return WarehouseSql(found.databricks_host, found.warehouse_id, for_connector(found), time.monotonic)


def _statement(at: Behind, port: int) -> Call:
    sql = _warehouse(at, port)
    return lambda: sql.query("SELECT 1 AS one", {})


def _session(at: Behind, port: int) -> Call:
    def connect() -> None:
        with closing(_warehouse(at, port)) as sql:
            sql.query("SELECT 1 AS one", {})

    return connect


def _jobs(at: Behind, port: int) -> DatabricksJobs:
    found = settings(at, port)
    return DatabricksJobs(workspace(found), found.job_of, found.catalog)


def _submit(at: Behind, port: int) -> Call:
    jobs = _jobs(at, port)
    # One token, so that all of these are one run, of a batch that there is not.
    return lambda: jobs.submit("none", "no-such-batch", TOKEN)


def _get_run(at: Behind, port: int) -> Call:
    jobs = _jobs(at, port)
    run_id = jobs.submit("none", "no-such-batch", TOKEN).run_id
    return lambda: jobs.get(run_id)


def _config(at: Behind, port: int) -> Call:
    configs = BlobConfigs(files(at, port), at.stack.config_root)
    return lambda: configs.read("none")


def _head(at: Behind, port: int) -> Call:
    landing, folder = _landing(at, port), at.stack.landing_root.partition("://")[2].partition("/")[2]
    with BlobServiceClient.from_connection_string(at.stack.storage_connection_string) as direct:
        direct.get_blob_client("landing", f"{folder}/outage.csv").upload_blob(b"id\n1\n", overwrite=True)
    return lambda: landing.head(f"{at.stack.landing_root}/outage.csv")


def _page(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    return lambda: loads.page(None, None, 5, None)


def _open(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    return lambda: [one for one, _ in zip(loads.open(), range(1), strict=False)]


def _get_load(at: Behind, port: int) -> Call:
    loads = TableLoads(host_storage("table", port).tables(), now)
    return lambda: loads.get("none")


def _document(at: Behind, port: int) -> BlobDocuments:
    documents = BlobDocuments(host_storage("blob", port).blobs(), "delta-hub")
    documents.ensure()
    documents.write("outage.json", [1])
    return documents


def _reads(documents: BlobDocuments) -> Call:
    return lambda: documents.read("outage.json")


def _writes(documents: BlobDocuments) -> Call:
    return lambda: documents.write("outage.json", {"at": time.time()})


def _sends(queue: StorageQueue) -> Call:
    return lambda: queue.put(json.dumps({"at": time.time()}))


def _receives(storage: HostStorage) -> Call:
    events = StorageEvents(storage.queues())
    return lambda: events.receive(1)


FAULTS = (
    status(429),
    status(500),
    status(502),
    status(503),
    Fault(Kind.RESET),
    Fault(Kind.LOST),
    Fault(Kind.HALF),
    Fault(Kind.DRIP, seconds=2),
)
STALL = Fault(Kind.STALL, seconds=70)
DEPENDENCIES = (
    Dependency("listing", "blob", _list),
    Dependency("HEAD", "blob", _head),
    Dependency("config", "blob", _config),
    Dependency("read document", "documents", lambda at, port: _reads(_document(at, port))),
    Dependency("write document", "documents", lambda at, port: _writes(_document(at, port))),
    Dependency("insert", "table", _insert),
    Dependency("insert with marker", "table", _insert_marked),
    Dependency("update", "table", _update),
    Dependency("get load", "table", _get_load),
    Dependency("open loads", "table", _open),
    Dependency("page", "table", _page),
    Dependency("send", "queue", lambda at, port: _sends(_queue(at, port))),
    Dependency("receive events", "queue", lambda at, port: _receives(host_storage("queue", port))),
    Dependency("delete events", "queue", _delete_events),
    Dependency("statement", "databricks", _statement),
    Dependency("session", "databricks", _session, call("OpenSession")),
    Dependency("run_now", "databricks", _submit, call("jobs/run-now")),
    Dependency("runs/get", "databricks", _get_run),
    Dependency("runs/list", "databricks", lambda at, port: _jobs(at, port).ping),
)


@contextmanager
def proxied(at: Behind, dependency: Dependency) -> Iterator[tuple[Proxy, Call]]:
    """The call through a proxy of its own, made once already, so that connections and sessions are there."""
    with Proxy(at.upstream[dependency.proxy]) as proxy:
        act = dependency.make(at, proxy.port)
        act()
        proxy.forget()
        yield proxy, act


type Check = Callable[[Behind], None]


def breaks(dependency: Dependency, fault: Fault, times: int | None) -> Check:
    """The call while its next `times` requests break is right or Transient, in time, and then works again."""

    def check(at: Behind) -> None:
        with proxied(at, dependency) as (proxy, act):
            proxy.fault(fault, when=dependency.when, times=times)
            start = time.monotonic()
            try:
                act()
            except Transient:
                assert fault.kind is not Kind.DRIP, "what is slow is not broken"
            else:
                cut = fault.kind is Kind.HALF and dependency.name in BODILESS
                assert times is not None or fault.kind is Kind.DRIP or cut, "nothing has answered"
            seconds = time.monotonic() - start
            assert seconds < BOUNDS[dependency.proxy], f"{seconds:.0f} s"
            assert proxy.struck(), f"{fault} hit no request"
            proxy.calm()
            try:
                act()
            except Transient as error:  # the pause that it was asked for is not over
                assert 0 < (error.retry_after or 0) < 15  # noqa: PT017 — both ways are right
                time.sleep(error.retry_after or 0)
                act()

    return check


def waits(dependency: Dependency, code: int) -> Check:
    """A short Retry-After is waited out by the call, or handed on."""

    def check(at: Behind) -> None:
        with proxied(at, dependency) as (proxy, act):
            proxy.fault(status(code, retry_after=2), when=dependency.when)
            try:
                act()
            except Transient as error:
                assert (error.retry_after or 0) >= 2  # noqa: PT017 — both ways are right
            asked = proxy.asked(dependency.when)
        [refused] = [one for one in asked if one.fault]
        later = [one.at - refused.at for one in asked if one.at > refused.at]
        assert all(seconds >= 2 for seconds in later), later

    return check


def hands_on(dependency: Dependency, code: int) -> Check:
    """A long Retry-After is handed on at once, and nothing is asked meanwhile."""

    def check(at: Behind) -> None:
        with proxied(at, dependency) as (proxy, act):
            proxy.fault(status(code, retry_after=120), when=dependency.when)
            with pytest.raises(Transient) as refused:
                act()
            assert 119 <= (refused.value.retry_after or 0) <= 121
            assert [one.fault is None for one in proxy.asked(dependency.when)].count(False) == 1
            assert proxy.asked(dependency.when)[-1].fault
            if dependency.proxy == "databricks" and dependency.name != "session":
                # The other loads of this process leave it alone as well.
                before = len(proxy.asked())
                with pytest.raises(Transient) as paused:
                    act()
                assert 90 < (paused.value.retry_after or 0) <= 121
                assert len(proxy.asked()) == before

    return check


def verdicts(at: Behind, checks: Mapping[str, Check]) -> dict[str, Exception | None]:
    """What each check has to say; many at once, since nearly all of it is waiting."""
    at.hub()  # its table, queues and container

    def verdict(check: Check) -> Exception | None:
        try:
            check(at)
        except Exception as error:  # noqa: BLE001 — it is raised again, by the check's own test
            return error
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(checks, pool.map(verdict, checks.values()), strict=True))
