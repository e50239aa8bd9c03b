"""`docs/benchmarks.md` out of `results.json`: a page that no one writes by hand."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Result, kept

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_BARS = {"bare read and append": "bare", "the hub's run": "run", "POST to SUCCESS": "POST to SUCCESS"}
_INTRO = """# Benchmarks

`make bench` measures on a fresh local stack (Azurite in memory, on disk for the events; one Spark server), prints the
figures, and writes `benchmarks/results.json` and this page. Give it a machine with nothing else to do.
`make bench PARTS='small planning'` measures some parts alone; the others' figures stay as they were.

What the words mean: *bare* is `spark.read.csv(folder)` and one Delta append on the same Spark server, over the same
files; *run* is from its start in the Jobs API to the last file's SUCCESS in the tracker; *POST to SUCCESS* is what a
scheduler waits that asks ten times a second; *dlt* is its filesystem source, `read_csv` and a Delta destination,
without imports. Rounds take turns, and the best time of each counts. *Latency* is of calls that take turns, 20 ms
apart, since a POST sends its message after its answer; *one after the other*, a POST has the one before it to wait for.
Nothing here was measured in Azure.

`make soak` is 30 minutes of files that land, loads, bad files and files sent again, while a twentieth of all requests
between the service and what it depends on breaks and processes are killed; its figures are here too.
"""


def page(results: Sequence[Result]) -> str:
    """The page. Pure."""
    parts = [_INTRO]
    for group, title in (("small files", "1,095 small files"), ("large files", "1 GB in 8 files")):
        bars = _bars(results, group)
        if bars:
            parts.append(_chart(title, bars))
    rows = ["| figure | value | bound | holds |", "|---|---|---|---|"]
    rows += [f"| {one.name} | {one.value:g} {one.unit} | {one.bound or ''} | {_holds(one)} |" for one in results]
    return "\n".join([*parts, "\n".join(rows), ""])


def write() -> None:
    """Write the page from the results that were kept."""
    PAGE.write_text(page(kept()), "utf-8")


def _holds(one: Result) -> str:
    return "" if one.bound is None else "yes" if one.holds else "**no**"


def _bars(results: Sequence[Result], group: str) -> dict[str, float]:
    values = {one.name: one.value for one in results}
    bars = {label: values[name] for label, what in _BARS.items() if (name := f"{group}: {what}") in values}
    dlt = next((one for one in results if one.name.startswith(f"{group}: dlt") and one.unit == "s"), None)
    return {**bars, "dlt": dlt.value} if dlt and bars else bars


def _chart(title: str, bars: dict[str, float]) -> str:
    names = ", ".join(f'"{name}"' for name in bars)
    values = ", ".join(f"{value:g}" for value in bars.values())
    top = max(bars.values()) * 1.1
    return "\n".join(
        (
            "```mermaid",
            "xychart-beta",
            f'    title "{title}, seconds"',
            f"    x-axis [{names}]",
            f'    y-axis "seconds" 0 --> {top:.0f}',
            f"    bar [{values}]",
            "```",
            "",
        )
    )
