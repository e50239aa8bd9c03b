"""`python -m benchmarks [loading|planning|latency …]`: measure on a fresh stack; exit 1 where a bound does not hold."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks import latency, loading, planning
from benchmarks.bench import Bench
from benchmarks.results import Result, report
from local_stack.stack import Stack

STATE = Path(".local/bench")
DATA = Path(".local/demo-data")


def main(chosen: list[str]) -> int:
    """Run the chosen parts (all by default); the exit code."""
    console = Console()
    parts: dict[str, Callable[[Bench], list[Result]]] = {
        "loading": lambda bench: loading.measure(bench, DATA),
        "planning": planning.measure,
        "latency": latency.measure,
    }
    results: list[Result] = []
    # Storage in memory: on disk Azurite takes some 60 uploads a second, and 20,000 blobs are needed.
    settings = {"HUB_SWEEP_MINUTES": "0"}
    with Stack(STATE, fresh=True, in_memory=True, settings=settings, say=console.print) as stack:
        bench = Bench(stack, console)
        for name in [name for name in parts if name in (chosen or parts)]:
            console.print(f"[bold]{name}[/bold]")
            results += parts[name](bench)
        bench.spark.stop()
        bench.sql.close()
    return 0 if report(results, console) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
