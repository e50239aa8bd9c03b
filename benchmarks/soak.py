"""`python -m benchmarks.soak [MINUTES]`: mixed load with faults, and then: is anything lost, or twice, or growing?

Files land all the time, told by events or asked for by POST, some of them bad, some sent again with other rows, while
proxies break a part of all requests and processes are killed. Nobody's hand mends anything. Exit 1 where a bound does
not hold.
"""

import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console

from benchmarks import document
from benchmarks.bench import FINAL, LOB, Bench, BenchFeed
from benchmarks.memory import resident_mb
from benchmarks.results import Result, at_most, keep, show, told
from hub_core.adapters.storage_accounts import HOST_STORAGE
from hub_core.paths import parse_abfss
from hub_core.sql import Row
from local_stack.azurite import Azurite
from local_stack.event_grid import blob_event, deliver_all
from local_stack.proxy import Fault, Kind, Proxy, status
from local_stack.stack import Stack

STATE = Path(".local/soak")
MINUTES = 30.0
TICK_SECONDS = 30.0
FILES_A_TICK = 3
"""For each of the two feeds."""
BAD_EACH, AGAIN_EACH, POST_EACH, FAULT_EACH = 5, 3, 2, 2
"""Ticks from one bad file, one file sent again, one POST, and one change of the faults, to the next."""
KILLS_UNTIL = 0.4
"""The part of the time in which the service's own process is killed too: afterwards its memory is watched."""
SETTLED_SECONDS = 600
"""Within which all loads end by themselves once nothing breaks any more."""
SEED = 4711
PERCENT = 5
WEATHER: tuple[tuple[Fault, ...], ...] = (
    (status(429, retry_after=2), status(503, retry_after=5)),
    (status(500), Fault(Kind.RESET)),
    (),
    (Fault(Kind.LOST), Fault(Kind.HALF)),
    (Fault(Kind.DRIP, seconds=2), Fault(Kind.STALL, seconds=20)),
    (),
)
KILLS = ("databricks", "functions", "spark")
HEADER = "id,amount\n"
_DOUBLED = """
SELECT source_path FROM bronze_metadata.load_tracker WHERE load_status = 'SUCCESS'
GROUP BY config_id, source_path, file_size, file_modified HAVING count(*) > 1
"""


@dataclass
class Soak:
    """What has been sent, and what was seen of it."""

    bench: Bench
    proxies: Mapping[str, Proxy]
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    rows: dict[str, int] = field(default_factory=dict)
    """How many rows each good file has, in its last version, by its URL."""
    bad: set[str] = field(default_factory=set)
    refused: Counter[int] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    """The service's resident memory in MB, at each tick once its process is killed no more."""
    late: float = 0.0
    """By how many seconds the latest tick began after its time; many: the machine is too slow for this load."""

    def tick(self, number: int) -> None:
        """What one moment brings."""
        told = [self._land("told", f"t_{number:05}_{one}.csv") for one in range(FILES_A_TICK)]
        for one in range(FILES_A_TICK):
            self._land("asked", f"a_{number:05}_{one}.csv")
        if number % BAD_EACH == 0:
            self._land("asked", f"bad_{number:05}.csv", good=False)
        if number % AGAIN_EACH == 2:
            told.append(self._land_again())
        self._tell([*told, self.dice.choice(told)])
        if number % POST_EACH == 0:
            self.post()
        with suppress(httpx.HTTPError):
            # What operators look at; a service that is just killed does not answer.
            self.bench.http.get("/api/loads", params={"lob": LOB})
            self.bench.http.get("/api/feeds", params={"lob": LOB})

    def _land(self, folder: str, name: str, *, good: bool = True, rows: int | None = None) -> str:
        count = rows or self.dice.randint(1, 200)
        lines = [f"{n},{n * 3}\n" for n in range(count)]
        if not good:
            lines.append("1,2,3,4\n")
        self.bench.upload(folder, [(name, (HEADER + "".join(lines)).encode())])
        url = f"{self.bench.folder(folder)}/{name}"
        if good:
            self.rows[url] = count
        else:
            self.bad.add(url)
        return url

    def _land_again(self) -> str:
        """A file of the feed that events tell of, with other rows."""
        url = self.dice.choice([one for one in self.rows if "/told/" in one])
        return self._land("told", url.rpartition("/")[2], rows=self.rows[url] + 1)

    def _tell(self, urls: list[str]) -> None:
        deliver_all(self.bench.stack.event_grid_url, [blob_event(parse_abfss(url)) for url in urls])

    def post(self) -> None:
        """Ask for a load as a scheduler does: again, with the same key, until it is taken."""
        key, deadline = str(uuid4()), time.monotonic() + SETTLED_SECONDS
        body = {"lob": LOB, "begin_date": "2000-01-01", "category": "asked"}
        while time.monotonic() < deadline:
            try:
                answer = self.bench.http.post("/api/loads", json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                self.refused[0] += 1
            else:
                if answer.status_code < 300:
                    return
                self.refused[answer.status_code] += 1
                if answer.status_code < 500 and answer.status_code != 429:
                    raise RuntimeError(f"POST loads: {answer.status_code} {answer.text}")
            time.sleep(2)
        raise RuntimeError(f"no POST was taken within {SETTLED_SECONDS} s")

    def change_weather(self, number: int, part: float) -> None:
        """Other faults than before, and now and then a process killed and started again."""
        self.calm()
        for place, proxy in enumerate(self.proxies.values()):
            for kind, fault in enumerate(WEATHER[number % len(WEATHER)]):
                proxy.fault(fault, times=None, percent=PERCENT, seed=SEED + number * 100 + place * 10 + kind)
        killed = KILLS[number % len(KILLS)]
        if number % 2 == 0 or (killed == "functions" and part > KILLS_UNTIL):
            return
        self.kills[killed] += 1
        self.bench.stack.kill(killed)
        self.bench.stack.start()

    def calm(self) -> None:
        """Break nothing."""
        for proxy in self.proxies.values():
            proxy.calm()

    def settle(self) -> float:
        """Seconds until every load has ended."""
        self.calm()
        self.bench.stack.start()
        began = time.monotonic()
        self.post()
        open_loads, wrong = list[str](), dict[str, tuple[int, int]]()
        while time.monotonic() - began < SETTLED_SECONDS:
            time.sleep(5)
            open_loads = [load["id"] for load in self.loads() if load["state"] not in FINAL]
            wrong = self.wrong()
            if not open_loads and not wrong:
                return time.monotonic() - began
        slow = "; the machine is too slow for this load, or not its own" if self.late > TICK_SECONDS else ""
        raise RuntimeError(
            f"after {SETTLED_SECONDS} s {len(open_loads)} loads are open, rows of {len(wrong)} files are not theirs: "
            f"{wrong}; a tick of {TICK_SECONDS:.0f} s began up to {self.late:.0f} s late{slow}"
        )

    def loads(self) -> list[dict[str, Any]]:
        """All of them."""
        found: list[dict[str, Any]] = []
        page = self.bench.http.get("/api/loads", params={"lob": LOB, "limit": 200}).json()
        found += page["value"]
        while page.get("nextLink"):
            page = self.bench.http.get(page["nextLink"]).json()
            found += page["value"]
        return found

    def wrong(self) -> dict[str, tuple[int, int]]:
        """The files whose rows in bronze are not theirs: rows there, and rows sent."""
        there: Counter[str] = Counter()
        for table in ("told", "asked"):
            rows = self.asked(f"SELECT _source_file AS f, count(*) AS n FROM {LOB}_bronze.{table} GROUP BY 1")  # noqa: S608
            there.update({str(row["f"]): int(str(row["n"])) for row in rows})
        sent = {**self.rows, **dict.fromkeys(self.bad, 0)}
        return {file: (there[file], sent.get(file, 0)) for file in {*there, *sent} if there[file] != sent.get(file, 0)}

    def asked(self, statement: str) -> Sequence[Row]:
        """Rows of the warehouse."""
        return self.bench.sql.query(statement, {})

    def growth(self) -> float:
        """The service's memory at the end by that in its first minutes after the last kill, medians of a quarter."""
        quarter = max(1, len(self.memory) // 4)
        return statistics.median(self.memory[-quarter:]) / statistics.median(self.memory[:quarter])


def main(minutes: float) -> int:
    """Soak for so long; the exit code."""
    console = Console()
    with ExitStack() as exits:
        stack = Stack(STATE, fresh=True, say=console.print)
        proxies = _proxied(stack, exits)
        exits.enter_context(stack)
        bench = Bench(stack, console)
        bench.configure([BenchFeed("told", "told", category="told"), BenchFeed("asked", "asked", category="asked")])
        soak = Soak(bench, proxies)
        seconds = minutes * 60
        _run(soak, seconds)
        settled = soak.settle()
        results = _results(soak, minutes, settled)
        bench.sql.close()
    keep(results)
    document.write()
    return 0 if show(results, console) else 1


def _proxied(stack: Stack, exits: ExitStack) -> dict[str, Proxy]:
    """Proxies between the service and all that it depends on; the stack's settings lead to them."""
    databricks = int(stack.databricks_host.rpartition(":")[2])
    ports = {"queue": stack.azurite.queue_port, "table": stack.azurite.table_port, "databricks": databricks}
    proxies = {name: exits.enter_context(Proxy(port)) for name, port in ports.items()}
    files = exits.enter_context(Proxy(stack.azurite.blob_port))
    proxied = Azurite(files.port, proxies["queue"].port, proxies["table"].port, stack.azurite.directory)
    stack.settings |= {
        HOST_STORAGE: proxied.connection_string,
        "DATABRICKS_HOST": f"http://127.0.0.1:{proxies['databricks'].port}",
        "HUB_STORAGE_CONNECTIONS": f'{{"{stack.account_host}": "{proxied.connection_string}"}}',
    }
    return {**proxies, "blob": files}


def _run(soak: Soak, seconds: float) -> None:
    began, number = time.monotonic(), 0
    while (spent := time.monotonic() - began) < seconds:
        soak.late = max(soak.late, spent - number * TICK_SECONDS)
        soak.tick(number)
        if number % FAULT_EACH == 0:
            soak.change_weather(number // FAULT_EACH, spent / seconds)
        if spent > seconds * KILLS_UNTIL:
            soak.memory.append(resident_mb(soak.bench.stack.pid("functions")))
        number += 1
        if number % FAULT_EACH == 0:
            states = Counter(load["state"] for load in _looked(soak))
            seen = f"{len(soak.rows)} files, loads {dict(states)}, killed {dict(soak.kills)}"
            soak.bench.console.print(f"{spent:6.0f} s  {seen}")
        time.sleep(max(0.0, began + number * TICK_SECONDS - time.monotonic()))


def _looked(soak: Soak) -> list[dict[str, Any]]:
    try:
        return soak.loads()
    except (httpx.HTTPError, KeyError, ValueError):
        return []  # the service is being broken just now


def _results(soak: Soak, minutes: float, settled: float) -> list[Result]:
    doubled = soak.asked(_DOUBLED)
    still_open = soak.asked("SELECT tracker_id FROM bronze_metadata.load_tracker WHERE load_status = 'CLAIMED'")
    struck = sum(len(proxy.struck()) for proxy in soak.proxies.values())
    return [
        told("soak: time", minutes, "min"),
        told("soak: good files, in their last version", len(soak.rows), "files"),
        told("soak: bad files", len(soak.bad), "files"),
        told("soak: loads", len(soak.loads()), "loads"),
        told("soak: requests that were broken", struck, "requests"),
        told("soak: processes that were killed", sum(soak.kills.values()), "kills"),
        told("soak: POSTs that were made again", sum(soak.refused.values()), "requests"),
        told("soak: by how much the latest tick of 30 s was late", soak.late, "s"),
        told("soak: from the last fault until every load had ended", settled, "s"),
        at_most("soak: files whose rows in bronze are not theirs", len(soak.wrong()), "files", 0),
        at_most("soak: versions of files that are SUCCESS twice", len(doubled), "versions", 0),
        at_most("soak: claims that are open at the end", len(still_open), "claims", 0),
        told("soak: the service's memory at the end", soak.memory[-1], "MB"),
        at_most("soak: the service's memory, last quarter / first", soak.growth(), "ratio", 1.1),
    ]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else MINUTES))
