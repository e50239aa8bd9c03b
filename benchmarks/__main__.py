"""`python -m benchmarks [PART …]`: measure on a fresh stack; the parts are the names in `PARTS`, all by default.

Exit 1 where a bound does not hold. The figures go into results.json and docs/benchmarks.md.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import document, events, latency, loading, many_loads, planning, scale
from benchmarks.bench import Bench
from benchmarks.results import Result, keep, show, told
from local_stack.demo_data import DATA
from local_stack.stack import Stack

STATE = Path(".local/bench")
PARTS: dict[str, Callable[[Bench], list[Result]]] = {
    "small": lambda bench: loading.small_files(bench, DATA),
    "large": lambda bench: loading.large_files(bench, DATA),
    "feeds": lambda bench: loading.many_feeds(bench, DATA),
    "rules": lambda bench: loading.rules(bench, DATA),
    "replacing": lambda bench: loading.replacing(bench, DATA),
    "planning": planning.measure,
    "scale": scale.measure,
    "events": events.measure,
    "loads": many_loads.measure,
    "latency": latency.measure,
}


ON_DISK = {"events"}
"""In memory Azurite takes more than 60 uploads a second, which the others need, but stands still for half a minute
whenever thousands of messages have been deleted: it takes them out of a list one by one."""


def main(chosen: list[str]) -> int:
    """Run the chosen parts (all by default); the exit code."""
    console = Console()
    results = [
        told("machine: processors", os.cpu_count() or 0, "cores"),
        told("machine: memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, "GiB"),
    ]
    wanted = [name for name in PARTS if name in (chosen or PARTS)]
    for on_disk in (False, True):
        names = [name for name in wanted if (name in ON_DISK) is on_disk]
        if names:
            results += _measured(names, console, results, on_disk=on_disk)
    return 0 if show(results, console) else 1


def _measured(names: list[str], console: Console, before: list[Result], *, on_disk: bool) -> list[Result]:
    """The parts' figures, of one stack; each part's are kept at once: one that breaks takes no other's with it."""
    results: list[Result] = []
    settings = {"HUB_SWEEP_MINUTES": "0"}
    with Stack(STATE, fresh=True, in_memory=not on_disk, settings=settings, say=console.print) as stack:
        bench = Bench(stack, console)
        for name in names:
            console.print(f"[bold]{name}[/bold]")
            found = PARTS[name](bench)
            show(found, console)
            results += found
            keep([*before, *results])
            document.write()
        bench.spark.stop()
        bench.sql.close()
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
