"""`python -m benchmarks [small|large|feeds|rules|replacing|planning|latency …]`: measure on a fresh stack.

Exit 1 where a bound does not hold. The figures go into results.json and docs/benchmarks.md.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import document, latency, loading, planning
from benchmarks.bench import Bench
from benchmarks.results import Result, keep, show, told
from local_stack.stack import Stack

STATE = Path(".local/bench")
DATA = Path(".local/demo-data")
PARTS: dict[str, Callable[[Bench], list[Result]]] = {
    "small": lambda bench: loading.small_files(bench, DATA),
    "large": lambda bench: loading.large_files(bench, DATA),
    "feeds": lambda bench: loading.many_feeds(bench, DATA),
    "rules": lambda bench: loading.rules(bench, DATA),
    "replacing": lambda bench: loading.replacing(bench, DATA),
    "planning": planning.measure,
    "latency": latency.measure,
}


def main(chosen: list[str]) -> int:
    """Run the chosen parts (all by default); the exit code."""
    console = Console()
    results = [
        told("machine: processors", os.cpu_count() or 0, "cores"),
        told("machine: memory", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, "GiB"),
    ]
    # Storage in memory: on disk Azurite takes some 60 uploads a second, and 20,000 blobs are needed.
    settings = {"HUB_SWEEP_MINUTES": "0"}
    with Stack(STATE, fresh=True, in_memory=True, settings=settings, say=console.print) as stack:
        bench = Bench(stack, console)
        for name in [name for name in PARTS if name in (chosen or PARTS)]:
            console.print(f"[bold]{name}[/bold]")
            found = PARTS[name](bench)
            show(found, console)
            results += found
            # At once: a part that breaks takes no other's figures with it.
            keep(results)
            document.write()
        bench.spark.stop()
        bench.sql.close()
    return 0 if show(results, console) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
