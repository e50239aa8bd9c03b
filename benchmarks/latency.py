"""`POST loads` and `GET loads/{id}` against an empty function in the same host, also by many callers; indexing."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.bench import LOB, Bench, BenchFeed
from benchmarks.results import Result, at_least, at_most, told

CALLS = 300
GAP_SECONDS = 0.02
"""Between two calls: time for what a POST leaves to be done, its message, or the next call would have it as its own."""
CALLERS = 50
CALLS_AT_ONCE = 2_000
_INDEXING = """
import sys, time
start = time.perf_counter()
import function_app
found = function_app.app.get_functions()
print(time.perf_counter() - start)
clients = [name for name in sys.modules if name.startswith(("azure.storage", "azure.data", "databricks", "pyarrow"))]
assert len(found) == 16 and not clients, (len(found), clients)
"""


def measure(bench: Bench) -> list[Result]:
    """The figures; `health` is the empty function. Planning is switched off, so that nothing else runs.

    The last part of a run: the service stays down, since hundreds of loads wait in its queue.
    """
    bench.configure([BenchFeed("idle", "idle")])
    bench.stack.stop("functions")
    bench.stack.settings["AzureWebJobs.plan_load.Disabled"] = "true"
    bench.stack.start("functions")
    try:
        load_id = bench.http.post("/api/loads", json={"lob": LOB}).json()["id"]
        routes: dict[str, Callable[[], httpx.Response]] = {
            "an empty function": lambda: bench.http.get("/api/health"),
            "GET loads/{id}": lambda: bench.http.get(f"/api/loads/{load_id}"),
            "POST loads": lambda: bench.http.post("/api/loads", json={"lob": LOB}),
        }
        times: dict[str, list[float]] = {name: [] for name in routes}
        for _ in range(CALLS):
            for name, call in routes.items():
                times[name].append(_milliseconds(call))
                time.sleep(GAP_SECONDS)
        in_a_row = {name: statistics.median(_milliseconds(call) for _ in range(CALLS)) for name, call in routes.items()}
        rates = {path: _rate(bench, path) for path in ("/api/health", f"/api/loads/{load_id}")}
    finally:
        bench.stack.stop("functions")
        del bench.stack.settings["AzureWebJobs.plan_load.Disabled"]
    p50 = {name: statistics.median(took) for name, took in times.items()}
    empty = p50["an empty function"]
    results = [told(f"latency: {name}, p50 of {CALLS}", value, "ms") for name, value in p50.items()]
    results += [told(f"latency: {name}, one after the other", value, "ms") for name, value in in_a_row.items()]
    results += [
        at_most(f"latency: {name} / an empty function", p50[name] / empty, "ratio", 3)
        for name in ("POST loads", "GET loads/{id}")
    ]
    empty_rate, get_rate = rates.values()
    results += [
        told(f"callers: an empty function, {CALLERS} at once", empty_rate, "calls/s"),
        told(f"callers: GET loads/{{id}}, {CALLERS} at once", get_rate, "calls/s"),
        at_least("callers: GET loads/{id} / an empty function", get_rate / empty_rate, "ratio", 0.5),
    ]
    return [*results, at_most("start: import and index the app, median of 5", _indexing(), "s", 1.5)]


def _milliseconds(call: Callable[[], httpx.Response]) -> float:
    start = time.perf_counter()
    call().raise_for_status()
    return (time.perf_counter() - start) * 1000


def _rate(bench: Bench, path: str) -> float:
    """Calls a second by `CALLERS` callers at once, each on a connection of its own that it keeps."""
    begin = threading.Barrier(CALLERS + 1)

    def ask(_: int) -> None:
        with httpx.Client(base_url=bench.stack.functions_url, headers=bench.http.headers, timeout=120) as http:
            http.get(path).raise_for_status()
            begin.wait(60)
            for _ in range(CALLS_AT_ONCE // CALLERS):
                http.get(path).raise_for_status()

    with ThreadPoolExecutor(CALLERS) as pool:
        asking = [pool.submit(ask, number) for number in range(CALLERS)]
        begin.wait(60)
        start = time.perf_counter()
        for one in asking:
            one.result()
        return CALLS_AT_ONCE / (time.perf_counter() - start)


def _indexing() -> float:
    """Seconds in a new process, without the interpreter's own start; no SDK client may be loaded by it."""
    took = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", _INDEXING], check=True, capture_output=True, text=True)
        took.append(float(done.stdout))
    return statistics.median(took)
