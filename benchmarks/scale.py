"""Planning 100,000 blobs against a tracker of 1,000,000 rows, and what a window of days costs: time, memory, calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from azure.storage.blob import BlobServiceClient

from benchmarks.bench import LOB, Bench, BenchFeed
from benchmarks.listing import Listing
from benchmarks.memory import peak_memory_mb
from benchmarks.planning import cancel, fill_tracker, planning_seconds, submitted
from benchmarks.results import Result, at_most, told
from hub_core.paths import parse_abfss
from local_stack.azurite import Azurite
from local_stack.proxy import Proxy

DAYS, FILES_A_DAY = 1_000, 100
FIRST = date(2023, 6, 1)
TRACKED = 1_000_000
DUE = 20_000
"""Blobs that the tracker does not know; it knows the others as loaded, beside many that are gone from storage."""
WINDOW_DAYS = 3


def measure(bench: Bench) -> list[Result]:
    """The figures; the runs that planning submits are canceled."""
    folder = parse_abfss(bench.folder("scale") + "/")
    days = [FIRST + timedelta(day) for day in range(DAYS)]
    names = [f"{folder.name}{day:%Y/%m/%d}/f_{number:03}.csv" for day in days for number in range(FILES_A_DAY)]
    bench.configure([BenchFeed("scale", "scale")])
    with bench.lap(f"a tracker of {TRACKED:,} rows"):
        known = [name.removeprefix(folder.name) for name in names[: len(names) - DUE]]
        [feed] = bench.hub.planner.configs.read(LOB).feeds
        fill_tracker(bench, "scale", TRACKED, known, feed.config_id)
    listing = Listing(folder.name, names)
    with _served(bench, listing) as connection_string:
        service = BlobServiceClient.from_connection_string(connection_string)
        with service, bench.lap("bare listing"):
            blobs = service.get_container_client(folder.container).list_blobs(name_starts_with=folder.name)
            listed = sum(1 for _ in blobs)
        functions = bench.stack.pid("functions")
        before = peak_memory_mb(functions)
        calls = {"bare": listing.calls}
        listing.calls = 0
        of_window = submitted(bench, subcategory="scale", begin_date=str(days[-WINDOW_DAYS]), end_date=str(days[-1]))
        calls["window"] = listing.calls
        listing.calls = 0
        cancel(bench, of_window)
        whole = submitted(bench, subcategory="scale", begin_date=str(days[0]), end_date=str(days[-1]))
        calls["whole"] = listing.calls
        memory = peak_memory_mb(functions)
        cancel(bench, whole)
    bare = bench.laps["bare listing"]
    folders = len({(day.year, month) for day in days for month in (0, day.month)})
    return [
        told("scale: blobs (a stand-in for List Blobs)", listed, "blobs"),
        told("scale: tracker before", TRACKED, "rows"),
        told("scale: bare listing, 5,000 a call", bare, "s"),
        told("scale: bare listing", calls["bare"], "calls"),
        told("scale: files claimed", whole["files"]["total"], "files"),
        at_most("scale: POST to submitted", planning_seconds(whole), "s", 1.5 * bare + 10),
        told("scale: list calls, all 1,000 days, 1,000 a call", calls["whole"], "calls"),
        told(f"scale: files claimed, a window of {WINDOW_DAYS} days", of_window["files"]["total"], "files"),
        told(f"scale: POST to submitted, a window of {WINDOW_DAYS} days", planning_seconds(of_window), "s"),
        # The root, each year and month, whose own files may be of any date, and the days.
        at_most(
            f"scale: list calls, a window of {WINDOW_DAYS} days", calls["window"], "calls", 1 + folders + WINDOW_DAYS
        ),
        told("scale: the function process before", before, "MB"),
        at_most("scale: the function process at most", memory, "MB", 400),
    ]


@contextmanager
def _served(bench: Bench, listing: Listing) -> Iterator[str]:
    """The service with the stand-in before its blob endpoint; the connection string that leads there."""
    stack = bench.stack
    with Proxy(stack.azurite.blob_port, listing.answer) as proxy:
        files = Azurite(proxy.port, stack.azurite.queue_port, stack.azurite.table_port, stack.azurite.directory)
        with bench.app_settings(HUB_STORAGE_CONNECTIONS=json.dumps({stack.account_host: files.connection_string})):
            yield files.connection_string
