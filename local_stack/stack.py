"""The whole service on one machine: storage, Spark, Databricks' endpoints, the Functions host with the hub's app.

    with Stack(Path(".local")) as stack:
        requests.post(f"{stack.functions_url}/api/loads", headers={"x-functions-key": stack.function_key}, …)

A stack lives in its state directory: data, logs, ports, keys and `stack.json`. Started there again it has the
same addresses, so that paths in tables and CSVs stay true; two directories are two stacks, side by side.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

from hub_core.paths import parse_abfss
from local_stack.azurite import Azurite
from local_stack.bundle import BundleError
from local_stack.processes import Command, ProcessError, Supervisor, answers, free_port, is_free
from local_stack.spark import Spark
from local_stack.spoke import FIRST_JOB_ID, Spoke, install, loader_job
from local_stack.toolchain import PROJECT, ToolchainError

CATALOG = "spark_catalog"
WAREHOUSE_ID = "local"
LOADER_JOB_ID = 1001
CONFIG = ("config", "feeds")
LANDING = ("landing", "raw")
QUEUES = ("loads", "loads-poison", "blob-events", "blob-events-poison")
COMPONENTS = ("azurite", "spark", "databricks", "functions")
STACK_FILE = "stack.json"

# Those of the caller's own environment that would lead a component to another cloud, or another Spark.
_FOREIGN = ("AZURE_", "AzureWebJobs", "DATABRICKS_", "FUNCTIONS_", "HUB_", "JAVA_TOOL_OPTIONS", "PYSPARK_", "SPARK_")
_PORTS = ("blob", "queue", "table", "spark", "databricks", "functions")

_MIGRATION = """
from hub_core.bootstrap import migrate
from hub_core.settings import Settings
migrate(Settings.from_environment())
"""

# What the asset bundle of infra/ deploys to a workspace, as the Jobs API words it.
LOADER_JOB: dict[str, Any] = {
    "name": "bronze_loader",
    "max_concurrent_runs": 20,
    "parameters": [
        {"name": "batch_id", "default": ""},
        {"name": "catalog", "default": CATALOG},
        {"name": "traceparent", "default": ""},
    ],
    "tasks": [
        {
            "task_key": "bronze_load",
            "python_wheel_task": {
                "package_name": "deltalake_hub",
                "entry_point": "bronze_load",
                "parameters": [
                    *("--batch-id", "{{job.parameters.batch_id}}"),
                    *("--catalog", "{{job.parameters.catalog}}"),
                    *("--traceparent", "{{job.parameters.traceparent}}"),
                    *("--run-id", "{{job.run_id}}"),
                ],
            },
        }
    ],
}


class StackError(Exception):
    """The stack can't start as asked; the message says what to do."""


@dataclass(frozen=True)
class Addresses:
    """What stack.json holds: where everything is, and the keys that open it."""

    functions_url: str
    function_key: str
    master_key: str
    event_grid_url: str
    storage_connection_string: str
    account_host: str
    databricks_host: str
    databricks_token: str
    warehouse_http_path: str
    loader_job_id: str
    spark_remote: str
    catalog: str
    config_root: str
    landing_root: str
    state_dir: str

    def app_environment(self) -> dict[str, str]:
        """The app settings of the hub on this stack: what Settings.from_environment and the SDKs read."""
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": self.storage_connection_string,
            "DATABRICKS_HOST": self.databricks_host,
            "DATABRICKS_TOKEN": self.databricks_token,
            "HUB_WAREHOUSE_ID": self.warehouse_http_path.rsplit("/", 1)[-1],
            "HUB_CATALOG": self.catalog,
            "HUB_CONFIG_ROOT": self.config_root,
            "HUB_ALLOWED_ROOTS": self.landing_root,
            "HUB_LOADER_JOB_ID": self.loader_job_id,
            # Azurite's writes are atomic.
            "HUB_SETTLE_SECONDS": "0",
            "HUB_STORAGE_CONNECTIONS": json.dumps({self.account_host: self.storage_connection_string}),
        }


class Stack(Addresses):
    """A stack's addresses, and the means to start, stop and break its parts.

    Entering the context starts all components, leaving it stops them, and so does the death of this process.
    `fresh` forgets what an earlier stack kept in `state_dir`; `settings` are added to the app's; `spokes` are folders
    of spokes' repositories, whose jobs the workspace then has, and whose CSVs lie under the config root;
    `in_memory` keeps storage in Azurite's memory: quicker, and gone with it. `short_lived` suits many small
    statements, as tests and demos make, and not heavy ones.
    """

    def __init__(
        self,
        state_dir: Path = Path(".local"),
        *,
        fresh: bool = False,
        in_memory: bool = False,
        short_lived: bool = False,
        settings: dict[str, str] | None = None,
        spokes: Sequence[Path] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        directory = state_dir.resolve()
        self._lock = _locked(directory)
        if fresh:
            _wipe(directory)
        known = _identity(directory)
        ports: dict[str, int] = known["ports"]
        self._ports = ports
        self.azurite = Azurite(ports["blob"], ports["queue"], ports["table"], directory / "azurite", in_memory)
        host = self.azurite.account_host
        self.spark = Spark(ports["spark"], directory / "spark", host, short_lived)
        functions_url = f"http://127.0.0.1:{ports['functions']}"
        key = known["function_key"]
        super().__init__(
            functions_url=functions_url,
            function_key=key,
            master_key=known["master_key"],
            event_grid_url=f"{functions_url}/runtime/webhooks/eventgrid?functionName=on_blob_created&code={key}",
            storage_connection_string=self.azurite.connection_string,
            account_host=host,
            databricks_host=f"http://127.0.0.1:{ports['databricks']}",
            databricks_token=known["databricks_token"],
            warehouse_http_path=f"/sql/1.0/warehouses/{WAREHOUSE_ID}",
            loader_job_id=str(LOADER_JOB_ID),
            spark_remote=self.spark.remote,
            catalog=CATALOG,
            config_root=f"abfss://{CONFIG[0]}@{host}/{CONFIG[1]}",
            landing_root=f"abfss://{LANDING[0]}@{host}/{LANDING[1]}",
            state_dir=str(directory),
        )
        self.settings = dict(settings or {})
        self.spokes = _installed(spokes, directory / "spokes", self.landing_root)
        self._say = say
        self._directory = directory
        self._supervisor = Supervisor(directory / "logs")
        self._seeded = self._migrated = False

    @property
    def stack_file(self) -> Path:
        """Where the addresses are written once everything is up."""
        return self._directory / STACK_FILE

    def app_environment(self) -> dict[str, str]:
        """The app settings of the hub on this stack, with those that were asked for on top."""
        jobs = {spoke.lob: str(loader_job(spoke)) for spoke in self.spokes}
        return super().app_environment() | {"HUB_LOADER_JOBS": json.dumps(jobs)} | self.settings

    def log(self, component: str) -> Path:
        """The log of a component."""
        return self._supervisor.log(component)

    def pid(self, component: str) -> int:
        """The process id of a running component; it leads a process group of its own."""
        return self._supervisor.pid(component)

    def runs(self, component: str) -> bool:
        """Whether the component's process is alive."""
        return self._supervisor.runs(component)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, *components: str) -> None:
        """Start these components (all by default) where they don't run, and return when they are ready.

        Ports, keys and data are those of before, so a component that was killed comes back as itself.
        """
        wanted = [name for name in COMPONENTS if name in (components or COMPONENTS)]
        began = time.monotonic()
        starting = [name for name in wanted if not self._supervisor.runs(name)]
        for name in starting:
            if name != "functions":
                self._supervisor.start(self._command(name))
        for name in starting:
            if name == "functions":
                self._supervisor.start(self._command(name))
                # Beside the app's own start, since Spark's first statements take as long.
                self._migrate()
            self._supervisor.wait_ready(name)
            self._say(f"{name} is up ({time.monotonic() - began:.1f} s)")
            if name == "azurite":
                self._seed_storage()
        if starting and all(self._supervisor.runs(name) for name in COMPONENTS):
            _write_secret(self.stack_file, asdict(self))

    def stop(self, *components: str) -> None:
        """Stop these components in good order, the app first; their data stays."""
        for name in reversed([name for name in COMPONENTS if name in components]):
            self._supervisor.stop(name)

    def kill(self, *components: str) -> None:
        """End these components and their children at once, as a crash would."""
        for name in components:
            self._supervisor.kill(name)
        self._seeded = self._seeded and not (self.azurite.in_memory and "azurite" in components)

    def close(self) -> None:
        """Stop everything and give the state directory free; `stack.json` goes, as its addresses lead nowhere."""
        self.stack_file.unlink(missing_ok=True)
        self.stop("functions")
        self._supervisor.stop_all()
        self._lock.close()

    def _command(self, component: str) -> Command:
        environment = _own_environment()
        if component == "azurite":
            return self.azurite.command(environment)
        if component == "spark":
            return self.spark.command(environment)
        return self._databricks(environment) if component == "databricks" else self._functions(environment)

    def _databricks(self, environment: dict[str, str]) -> Command:
        directory = self._directory / "databricks"
        directory.mkdir(parents=True, exist_ok=True)
        jobs = directory / "jobs.json"
        of_spokes = [job for spoke in self.spokes for job in spoke.jobs]
        jobs.write_text(json.dumps([{"job_id": LOADER_JOB_ID, "settings": LOADER_JOB}, *of_spokes], indent=2))
        port = self._ports["databricks"]
        options: list[str | Path] = ["--port", str(port), "--token", self.databricks_token]
        options += ["--spark-remote", self.spark_remote, "--state", directory, "--jobs", jobs]
        return Command(
            name="databricks",
            arguments=[sys.executable, "-m", "local_stack.databricks", *options, "--catalog", CATALOG],
            # What a cluster has as its environment variables: notebooks plan with the same settings as the service.
            environment={**environment, "HUB_ALLOWED_ROOTS": self.landing_root, "HUB_SETTLE_SECONDS": "0"},
            ready=answers(port, "/health"),
            directory=directory,
            deadline_seconds=120,
        )

    def _functions(self, environment: dict[str, str]) -> Command:
        directory = self._directory / "functions"
        port = self._ports["functions"]
        options: list[str | Path] = ["--app", PROJECT, "--port", str(port), "--state", directory]
        options += ["--function-key", self.function_key, "--master-key", self.master_key, "--drain", "10"]
        return Command(
            name="functions",
            arguments=[sys.executable, "-m", "local_stack.functions_host", *options],
            environment={**environment, **self.app_environment()},
            ready=answers(port, "/admin/host/status", {"x-functions-key": self.master_key}, b'Running"'),
            directory=directory,
            grace_seconds=15,
        )

    def _seed_storage(self) -> None:
        """The containers and queues that infra/ makes in the cloud; what is there stays."""
        if self._seeded:
            return
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobServiceClient
        from azure.storage.queue import QueueServiceClient

        with (
            BlobServiceClient.from_connection_string(self.storage_connection_string) as blobs,
            QueueServiceClient.from_connection_string(self.storage_connection_string) as queues,
        ):
            there = {container.name for container in blobs.list_containers()}
            for name in {CONFIG[0], LANDING[0]} - there:
                blobs.create_container(name)
            for name in QUEUES:
                try:
                    queues.create_queue(name)
                except ResourceExistsError:
                    continue
            for spoke in self.spokes:
                place = parse_abfss(f"{self.config_root}/{spoke.config.name}")
                blob = blobs.get_blob_client(place.container, place.name)
                blob.upload_blob(spoke.config.read_bytes(), overwrite=True)
        self._seeded = True

    def _migrate(self) -> None:
        """The hub's tables, by the migration that a release runs."""
        if self._migrated:
            return
        began = time.monotonic()
        # In a process of its own, which takes its connections to the warehouse with it when it ends.
        done = subprocess.run(
            [sys.executable, "-c", _MIGRATION],
            env={**_own_environment(), **self.app_environment()},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"the hub's tables can't be made:\n{done.stdout}")
        self._say(f"the hub's tables are there ({time.monotonic() - began:.1f} s)")
        self._migrated = True


def _installed(sources: Sequence[Path], directory: Path, landing_root: str) -> list[Spoke]:
    try:
        spokes: list[Spoke] = []
        for source in sources:
            first = FIRST_JOB_ID + sum(len(spoke.jobs) for spoke in spokes)
            spokes.append(install(source, directory / source.resolve().name, landing_root, CATALOG, first))
    except (BundleError, OSError) as error:
        raise StackError(f"the spoke can't be used: {error}") from error
    return spokes


def main(state_dir: Path = Path(".local"), *, fresh: bool = False) -> int:
    """Start a stack, stay until SIGINT or SIGTERM, stop it; the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Stack(state_dir, fresh=fresh) as stack:
            print(f"everything is up: {stack.functions_url}, addresses and keys in {stack.stack_file}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("stopped")
    except (StackError, ProcessError, ToolchainError) as error:
        print(f"the stack can't start: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _own_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    # A company's proxy knows no loopback address.
    kept["NO_PROXY"] = kept["no_proxy"] = "127.0.0.1,localhost"
    kept["PYTHONUNBUFFERED"] = "1"
    return kept


def _locked(directory: Path) -> IO[str]:
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StackError(f"another stack runs in {directory}: stop it, or give another state directory") from None
    return lock


def _wipe(directory: Path) -> None:
    for name in ("azurite", "spark", "databricks", "functions", "logs"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("identity.json", STACK_FILE):
        (directory / name).unlink(missing_ok=True)


def _identity(directory: Path) -> dict[str, Any]:
    """The ports and keys of this state directory, made at its first use; a port that is taken is replaced."""
    file = directory / "identity.json"
    known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    earlier: dict[str, int] = known.get("ports", {})
    ports: dict[str, int] = {}
    for name in _PORTS:
        kept = earlier.get(name)
        ports[name] = kept if kept and is_free(kept) else free_port(_taken(ports, earlier))
    for name in ("function_key", "master_key", "databricks_token"):
        # Hexadecimal: one that began with a dash would be an option where it is an argument.
        known.setdefault(name, secrets.token_hex(32))
    known["ports"] = ports
    _write_secret(file, known)
    return known


def _taken(*several: dict[str, int]) -> set[int]:
    ports: Iterable[int] = (port for ports in several for port in ports.values())
    return set(ports)


def _write_secret(file: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, all of it or nothing."""
    temporary = file.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(file)


if __name__ == "__main__":
    sys.exit(main())
