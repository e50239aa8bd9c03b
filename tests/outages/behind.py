"""The service behind proxies: its state in an Azurite of its own, everything else the stack's."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy

from hub_core.adapters.queue import LOADS
from hub_core.adapters.storage_accounts import HOST_STORAGE, HostStorage
from hub_core.adapters.table import TableLoads
from hub_core.bootstrap import build, now, warehouse
from hub_core.errors import Transient
from hub_core.hub import Hub
from hub_core.load import Load
from hub_core.settings import Settings
from local_stack.azurite import Azurite
from local_stack.processes import Command, Supervisor, answers, free_port
from local_stack.proxy import Proxy
from local_stack.stack import Addresses, Stack
from local_stack.toolchain import PROJECT
from tests.e2e.service import Service

PROXIES = ("blob", "documents", "queue", "table", "databricks")


@dataclass
class Behind:
    """The stack as the service sees it, through proxies; and the processes that only these tests have."""

    stack: Stack
    directory: Path
    processes: Supervisor
    storage: Azurite
    upstream: dict[str, int]
    """The ports behind the proxies, by their names."""
    blob: Proxy
    """Files and configs, in the stack's storage."""
    documents: Proxy
    queue: Proxy
    table: Proxy
    """The service's own state."""
    databricks: Proxy
    """The warehouse and the Jobs API."""

    def __post_init__(self) -> None:
        self.port = free_port()
        self.direct = {HOST_STORAGE: self.storage.connection_string}
        self.loads = TableLoads(HostStorage(self.direct).tables(), now)

    @property
    def proxies(self) -> dict[str, Proxy]:
        """All of them, by name."""
        return {name: getattr(self, name) for name in PROXIES}

    def calm(self) -> None:
        """Break nothing any more, and forget what was asked."""
        for proxy in self.proxies.values():
            proxy.forget()

    def environment(self) -> dict[str, str]:
        """The app's settings, every address a proxy's."""
        host = Azurite(self.documents.port, self.queue.port, self.table.port, self.directory)
        files = Azurite(self.blob.port, 0, 0, self.directory)
        return self.stack.app_environment() | {
            HOST_STORAGE: host.connection_string,
            "DATABRICKS_HOST": f"http://127.0.0.1:{self.databricks.port}",
            "HUB_STORAGE_CONNECTIONS": json.dumps({self.stack.account_host: files.connection_string}),
        }

    def hub(self) -> Hub:
        """A hub in this process, as the worker makes it."""
        with pytest.MonkeyPatch.context() as patched:
            for name, value in self.environment().items():
                patched.setenv(name, value)
            return build(Settings.from_environment())

    # the service's own storage

    def start_storage(self) -> None:
        """Start it where it does not run; its data are those of before."""
        if not self.processes.runs("azurite"):
            self.processes.start(self.storage.command(_own_environment()))
            self.processes.wait_ready("azurite")

    # the real Functions host

    def start_host(self, app: Path = PROJECT, **settings: str) -> None:
        """Start a Functions host behind the proxies, with the stack's keys."""
        directory = self.directory / "functions"
        options: list[str | Path] = ["--app", app, "--port", str(self.port), "--state", directory, "--drain", "10"]
        options += ["--function-key", self.stack.function_key, "--master-key", self.stack.master_key]
        # Azure's host hides messages for ten minutes; what a killed one had in hand comes back sooner here.
        options += ["--message-lease", "10"]
        self.processes.start(
            Command(
                name="functions",
                arguments=[sys.executable, "-m", "local_stack.functions_host", *options],
                environment=_own_environment() | {"PYTHONPATH": str(PROJECT)} | self.environment() | settings,
                ready=answers(self.port, "/admin/host/status", {"x-functions-key": self.stack.master_key}, b'Running"'),
                directory=directory,
                grace_seconds=15,
            )
        )
        self.processes.wait_ready("functions")

    def service(self, hub: Hub) -> Service:
        """A LOB of its own; HTTP leads to the host behind the proxies, all else straight to the stack."""
        seen = asdict(self.stack) | {"functions_url": f"http://127.0.0.1:{self.port}"}
        return Service(Straight(**seen), warehouse(Settings.from_environment(self.stack.app_environment())), hub)

    # triggers, in this process

    def work(self, hub: Hub, done: Callable[[], object], seconds: float) -> int:
        """Deliver the messages of the queue `loads` as the host does, until `done`; how many functions failed."""
        deadline, failed = time.monotonic() + seconds, 0
        service = QueueServiceClient.from_connection_string(self.storage.connection_string)
        with service, service.get_queue_client(LOADS, message_decode_policy=TextBase64DecodePolicy()) as queue:
            while not done():
                assert time.monotonic() < deadline, f"not done within {seconds} s"
                for message in queue.receive_messages(max_messages=8, visibility_timeout=60):
                    try:
                        hub.plan(message.content)
                    except Transient:
                        # What the host does, sooner.
                        failed += 1
                        queue.update_message(message, visibility_timeout=2)
                    else:
                        queue.delete_message(message)
                time.sleep(0.1)
        return failed

    def load(self, load_id: str) -> Load:
        """The record, past all proxies."""
        stored = self.loads.get(load_id)
        assert stored is not None, load_id
        return stored.load

    def final(self, *load_ids: str) -> Callable[[], bool]:
        """Whether these loads have ended, for `work`."""
        return lambda: all(self.load(load_id).state.is_final for load_id in load_ids)


class Straight(Addresses):
    """What `Service` asks of a stack."""


@contextmanager
def behind(stack: Stack, directory: Path) -> Iterator[Behind]:
    """Proxies before the stack, and storage of the service's own; all of it ends with the context."""
    ports: set[int] = set()
    for _ in range(3):
        ports.add(free_port(ports))
    storage = Azurite(*ports, directory / "azurite")
    upstream = {
        "blob": stack.azurite.blob_port,
        "documents": storage.blob_port,
        "queue": storage.queue_port,
        "table": storage.table_port,
        "databricks": int(stack.databricks_host.rpartition(":")[2]),
    }
    with ExitStack() as exits:
        processes = exits.enter_context(Supervisor(directory / "logs"))
        proxies = {name: exits.enter_context(Proxy(port)) for name, port in upstream.items()}
        made = Behind(stack, directory, processes, storage, upstream, **proxies)
        made.start_storage()
        yield made


def _own_environment() -> dict[str, str]:
    foreign = ("AZURE_", "AzureWebJobs", "DATABRICKS_", "FUNCTIONS_", "HUB_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}


def once(rows: Any) -> bool:
    """Whether each of the tracker's rows is of another file."""
    paths = [row["source_path"] for row in rows]
    return len(paths) == len(set(paths))
