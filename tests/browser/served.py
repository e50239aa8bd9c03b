"""The service's own functions, in the real worker library behind the local host's HTTP side, on stand-ins."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from function_app import app
from hub_core.load import Load
from hub_core.model import FileOutcome, FileStatus
from local_stack.functions_host.keys import Keys
from local_stack.functions_host.server import HttpSide, Limits
from local_stack.functions_host.worker import Worker, start_worker, stop_worker
from tests.unit.doubles import HEADER, MemoryTracker, World, config_row

ROOT = Path(__file__).parents[2]
KEY = "the-operators-key-4711"
SCRIPT = "<img src=x onerror=alert(1)>"
HOSTILE = f"transactions_{SCRIPT}.csv"


@contextmanager
def served() -> Iterator[str]:
    """The origin at which the app answers, by a thread of its own; whose hub it is, `bootstrap` says."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="functions-host")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(_start(), loop).result(timeout=60)
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=60)
        stop_worker()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start() -> web.AppRunner:
    # Other tests have asked the app for its functions; asked again, the library would take each for a second one.
    app.functions_bindings = None
    # Its queues and timers are indexed, but nothing listens to them.
    functions = await start_worker(ROOT, {"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    worker = Worker(_send_nothing, None, lambda _: None)
    http = HttpSide(functions, "api", Keys(KEY, "the-master-key"), worker, Limits())
    runner = web.AppRunner(http.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _send_nothing(function: object, outputs: Mapping[str, object]) -> None:
    raise AssertionError(f"{function} has no outputs")


@dataclass
class TellingTracker(MemoryTracker):
    """The tracker with what the loader writes into it: rows, and messages by file name."""

    messages: dict[str, str] = field(default_factory=dict)

    def files(self, batch_id: str, status: FileStatus | None, after: str, limit: int) -> Sequence[FileOutcome]:
        return [
            replace(
                one,
                row_count=1_200 if one.status is FileStatus.SUCCESS else None,
                rejected_count=3 if one.status is FileStatus.QUARANTINED else None,
                error_message=self.messages.get(one.file_name),
            )
            for one in super().files(batch_id, status, after, limit)
        ]


@dataclass
class Scene(World):
    """A hub with two LOBs, and a short way to loads that have come to something."""

    tracker: TellingTracker = field(default_factory=TellingTracker)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.configs.files["falcon"] = f"{HEADER}\n{config_row()}\n".encode()
        rows = (config_row("orders", lob="heron", table="orders_raw"), config_row("x", lob="heron", table="bad name"))
        self.configs.files["heron"] = "\n".join((HEADER, *rows)).encode()

    def later(self, seconds: float = 2) -> None:
        """Let the service's time pass; an answer about a load is at most a second old."""
        self.clock.pass_(seconds=seconds)

    def look_over(self) -> None:
        """Have the feeds swept, as the minute timer does once an hour."""
        self.hub.reconcile()

    def running(self, *names: str) -> Load:
        """A load of falcon whose run has begun, with these files."""
        for name in names:
            self.land(name, modified=self.clock() - timedelta(hours=1))
        load = self.ask()
        self.work()
        self.later()
        return self.load(load)

    def ended(self, load: Load) -> Load:
        """The load, once its run is over and the hub has seen it."""
        self.work()
        self.later()
        return self.load(load)

    def mixed(self, refused: str = HOSTILE, why: str = SCRIPT) -> Load:
        """A PARTIAL load: one file loaded, one failed, one (`refused`) quarantined, whose message holds `why`."""
        load = self.running("transactions_20260308.csv", "transactions_20260309.csv", refused)
        self.tracker.messages["transactions_20260309.csv"] = "truncated after 4,096 bytes"
        self.tracker.messages[refused] = f"3 of 40 records are malformed; the first {why}"
        self.tracker.end(load.id, FileStatus.FAILED, "UNREADABLE_FILE", only="20260309")
        self.tracker.end(load.id, FileStatus.QUARANTINED, "TOO_MANY_REJECTS", only=refused)
        self.later(83)
        self.finish(load)
        return self.ended(load)
