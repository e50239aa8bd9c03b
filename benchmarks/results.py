"""Figures with their bounds, printed and written."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Result:
    """One figure; `bound` says what it must hold, None where it is only told."""

    name: str
    value: float
    unit: str
    bound: str | None
    holds: bool


def at_most(name: str, value: float, unit: str, most: float) -> Result:
    """A figure that must not exceed `most`."""
    return Result(name, round(value, 3), unit, f"<= {round(most, 3)}", value <= most)


def at_least(name: str, value: float, unit: str, least: float) -> Result:
    """A figure that must reach `least`."""
    return Result(name, round(value, 3), unit, f">= {round(least, 3)}", value >= least)


def told(name: str, value: float, unit: str) -> Result:
    """A figure without a bound, for judging the others."""
    return Result(name, round(value, 3), unit, None, True)


def show(results: list[Result], console: Console) -> bool:
    """Print all figures; whether every bound holds."""
    table = Table("figure", "value", "unit", "bound", "holds")
    for one in results:
        table.add_row(one.name, f"{one.value:g}", one.unit, one.bound or "", "yes" if one.holds else "[red]NO[/red]")
    console.print(table)
    return all(one.holds for one in results)


def keep(results: list[Result]) -> None:
    """Write the figures; those of parts that did not run this time stay as they were."""
    FILE.write_text(json.dumps([asdict(one) for one in merged(kept(), results)], indent=2) + "\n", "utf-8")


def kept() -> list[Result]:
    """The figures of each part's last run."""
    return [Result(**one) for one in json.loads(FILE.read_text("utf-8"))]


def merged(before: list[Result], now: list[Result]) -> list[Result]:
    """`before`, the parts that `now` has a figure of replaced by it; a part is what stands before a name's colon. Pure.

    Parts come in the order of `now`, and then those of `before` in theirs.
    """
    parts = {_part(one) for one in now}
    return [*now, *(one for one in before if _part(one) not in parts)]


def _part(one: Result) -> str:
    return one.name.partition(":")[0]
