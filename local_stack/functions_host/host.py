"""The host's life: index, listen, feed the functions, drain."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.host_json import HostJson, read_host_json
from local_stack.functions_host.index import EventGridTrigger, Function, HttpTrigger, QueueTrigger, TimerTrigger
from local_stack.functions_host.keys import Keys
from local_stack.functions_host.logs import set_up_logging
from local_stack.functions_host.queues import QueueOutputs, QueuePoller, Storage
from local_stack.functions_host.server import HttpSide, Limits, full_route
from local_stack.functions_host.timers import Timer
from local_stack.functions_host.worker import Worker, start_worker, stop_worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line: where the app is, where to listen, how long to wait (seconds)."""

    app: Path
    state: Path
    host: str
    port: int
    keys: Keys
    limits: Limits
    message_lease: int
    drain: float


async def serve(options: Options, settings: Mapping[str, str]) -> int:
    """Run the app until SIGTERM or SIGINT; 0 when all that was running ended, 1 when some was abandoned."""
    _say_nothing_secret_from_the_start(options)
    host_json = read_host_json(options.app, settings)
    if settings.get("WEBSITE_TIME_ZONE", "UTC") != "UTC":
        raise StartFailed("WEBSITE_TIME_ZONE is not supported: schedules are UTC, as on Flex Consumption")
    for name in host_json.ignored:
        log.warning("host.json: %s is not honoured by this host", name)
    options.state.mkdir(parents=True, exist_ok=True)
    os.chdir(options.app)
    functions = await start_worker(options.app, settings)
    _require_bundle(functions, host_json)
    storage = Storage()
    outputs = QueueOutputs(storage, host_json.queues)
    worker = Worker(outputs.send, host_json.function_timeout, _recycle)
    # Once more: importing the app may have set up logging of its own.
    set_up_logging((options.keys.function, options.keys.master), worker.running)
    http = HttpSide(functions, host_json.route_prefix, options.keys, worker, options.limits)
    stop = asyncio.Event()
    listeners = _listeners(functions, options, host_json=host_json, storage=storage, worker=worker, stop=stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(http.application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await asyncio.gather(*(poller.prepare() for poller in listeners if isinstance(poller, QueuePoller)))
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    _announce(functions, host_json, runner.addresses[0])
    tasks = [asyncio.create_task(listener.run()) for listener in listeners]
    await _until_stopped_or_broken(stop, tasks)
    clean = await _drain(http, site, worker, tasks, options.drain)
    await runner.cleanup()
    await storage.close()
    stop_worker()
    return 0 if clean else 1


def _say_nothing_secret_from_the_start(options: Options) -> None:
    set_up_logging((options.keys.function, options.keys.master), {})


def _require_bundle(functions: tuple[Function, ...], host_json: HostJson) -> None:
    # https://learn.microsoft.com/azure/azure-functions/functions-bindings-register
    wanting = [one.name for one in functions if isinstance(one.trigger, QueueTrigger | EventGridTrigger)]
    if wanting and not host_json.has_bundle:
        said = f"the triggers of {', '.join(wanting)} are of an extension, and host.json has no extensionBundle"
        raise StartFailed(f'{said}; add {{"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": …}}')


def _listeners(
    functions: tuple[Function, ...],
    options: Options,
    *,
    host_json: HostJson,
    storage: Storage,
    worker: Worker,
    stop: asyncio.Event,
) -> list[QueuePoller | Timer]:
    listeners: list[QueuePoller | Timer] = []
    for function in functions:
        match function.trigger:
            case QueueTrigger() as trigger if not function.disabled:
                listeners.append(
                    QueuePoller(
                        function,
                        trigger,
                        storage=storage,
                        options=host_json.queues,
                        lease=options.message_lease,
                        worker=worker,
                        stop=stop,
                    )
                )
            case TimerTrigger() as trigger if not function.disabled:
                listeners.append(Timer(function, trigger, state=options.state, worker=worker, stop=stop))
    return listeners


def _announce(functions: tuple[Function, ...], host_json: HostJson, address: tuple[str, int]) -> None:
    origin = f"http://{address[0]}:{address[1]}"
    for function in functions:
        log.info("%s%s", _described(function, host_json.route_prefix, origin), " (disabled)" * function.disabled)
    log.info("%d functions, listening on %s", len(functions), origin)


def _described(function: Function, prefix: str, origin: str) -> str:
    match function.trigger:
        case HttpTrigger() as http:
            methods = ",".join(sorted(http.methods)) or "any"
            return f"{function.name}: [{methods}] {origin}/{full_route(prefix, http)} ({http.auth_level})"
        case QueueTrigger() as queue:
            return f"{function.name}: queue {queue.queue}"
        case TimerTrigger() as timer:
            return f"{function.name}: timer {timer.schedule}"
        case EventGridTrigger():
            return f"{function.name}: Event Grid {origin}/runtime/webhooks/eventgrid?functionName={function.name}"


async def _until_stopped_or_broken(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Return when a stop is asked for; a listener that ends before is a fault of the host, raised here."""
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stopped}:
        # A listener also ends, without fault, because the stop came first.
        task.result()
    await stopped


async def _drain(
    http: HttpSide, site: web.TCPSite, worker: Worker, tasks: list[asyncio.Task[None]], deadline: float
) -> bool:
    """Take nothing in any more and let the running functions end; whether they did in time."""
    http.draining = True
    await site.stop()
    log.info("stopping; %d invocations are running", len(worker.running))
    loop = asyncio.get_running_loop()
    ends = loop.time() + deadline
    clean = await worker.drained(deadline)
    if tasks:
        # What a message's end still has to do: delete it, or make it visible again.
        _, pending = await asyncio.wait(tasks, timeout=max(ends - loop.time(), 1))
        clean = clean and not pending
        for task in pending:
            task.cancel()
    if not clean:
        log.error("abandoned after %g s: %s", deadline, ", ".join(worker.running.values()))
    return clean


def _recycle(function: Function) -> None:
    """functionTimeout is over: like the real host, replace the process, and with it all that runs.

    A thread can't be ended, and its messages come back when their leases end.
    """
    log.critical("%s ran longer than host.json's functionTimeout; the host restarts", function.name)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command
