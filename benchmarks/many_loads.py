"""`GET loads` with 100 loads stored and with 100,000.

Azurite looks at every entity of a table for each query, while Table Storage keeps them in the order of their keys
(https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities). So a stand-in, which keeps that
order too, answers Query Entities here; Azurite has everything else.
"""

import json
import re
import statistics
import time
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables import TableServiceClient

from benchmarks.bench import LOB, Bench, BenchFeed
from benchmarks.results import Result, at_most, told
from hub_core.adapters.storage_accounts import HOST_STORAGE
from hub_core.load import new_id
from local_stack.azurite import Azurite
from local_stack.proxy import Answer, Asked, Proxy

FEW, MANY = 100, 100_000
CALLS = 200
WARM = 20
_CONDITION = re.compile(r"(\w+) (eq|ge|lt) '([^']*)'")


class Entities:
    """One partition of a table, in the order of its row keys; `count` says how many of them are there."""

    def __init__(self, entities: list[dict[str, Any]]) -> None:
        self._entities = sorted(entities, key=lambda one: str(one["RowKey"]))
        self._keys = [one["RowKey"] for one in self._entities]
        self.count = len(entities)

    def answer(self, asked: Asked) -> Answer | None:
        """The first page of a query by a range of row keys; None for all else."""
        query = asked.query
        conditions = {(name, how): value for name, how, value in _CONDITION.findall(query.get("$filter", ""))}
        start, end = conditions.pop(("RowKey", "ge"), None), conditions.pop(("RowKey", "lt"), None)
        if asked.method != "GET" or start is None or end is None:
            return None
        found: list[dict[str, Any]] = []
        wanted = {name: value for (name, how), value in conditions.items() if how == "eq"}
        for entity in self._entities[bisect_left(self._keys, start, hi=self.count) : self.count]:
            if entity["RowKey"] >= end or len(found) == int(query.get("$top", 1_000)):
                break
            if all(entity[name] == value for name, value in wanted.items()):
                found.append(entity)
        content = ("Content-Type", "application/json;odata=minimalmetadata;streaming=true;charset=utf-8")
        return 200, [content], json.dumps({"value": found}).encode()


def measure(bench: Bench) -> list[Result]:
    """The figures; planning is switched off, so that nothing else runs."""
    bench.configure([BenchFeed("idle", "idle")])
    entities = Entities(_copies(bench, bench.load(begin_date="2000-01-01")["id"]))
    stack = bench.stack
    with Proxy(stack.azurite.table_port, entities.answer) as proxy:
        behind = Azurite(stack.azurite.blob_port, stack.azurite.queue_port, proxy.port, stack.azurite.directory)
        with bench.app_settings(**{HOST_STORAGE: behind.connection_string}):
            p95 = _p95(bench, entities)
    return [
        *(told(f"GET loads: {count:,} stored, p95 of {CALLS}", took, "ms") for count, took in p95.items()),
        at_most(f"GET loads: {MANY:,} stored / {FEW}", p95[MANY] / p95[FEW], "ratio", 2),
    ]


def _copies(bench: Bench, load_id: str) -> list[dict[str, Any]]:
    """As many records as are wanted, made of a real one, a minute apart."""
    with TableServiceClient.from_connection_string(bench.stack.storage_connection_string) as service:
        real = dict(service.get_table_client("loads").get_entity("load", load_id))
    now = datetime.now(UTC)
    ids = (new_id(now - timedelta(minutes=number)) for number in range(MANY))
    return [{**real, "RowKey": one, "document": real["document"].replace(load_id, one)} for one in ids]


def _p95(bench: Bench, entities: Entities) -> dict[int, float]:
    times: dict[int, list[float]] = {FEW: [], MANY: []}
    for _ in range(WARM + CALLS):
        for count, took in times.items():
            entities.count = count
            start = time.perf_counter()
            answer = bench.http.get("/api/loads", params={"lob": LOB})
            answer.raise_for_status()
            took.append((time.perf_counter() - start) * 1000)
            if not answer.json()["value"]:
                raise RuntimeError("GET loads listed none")
    return {count: statistics.quantiles(took[WARM:], n=20)[-1] for count, took in times.items()}
