"""Stateful stand-ins for the core's ports. They refuse what they do not do."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import uuid4

from hub_core import bootstrap
from hub_core.codes import FileError
from hub_core.errors import Broken, Conflict
from hub_core.feeds import ParsedConfig
from hub_core.gather import ConfigReader
from hub_core.housekeeping import Housekeeping
from hub_core.hub import Hub
from hub_core.intake import Intake
from hub_core.load import Load, first_id
from hub_core.model import (
    Batch,
    Claim,
    FileOutcome,
    FileStatus,
    LoadState,
    Outcome,
    Run,
    RunState,
    SourceFile,
    TrackedFile,
)
from hub_core.overseer import Overseer
from hub_core.planning import Planner
from hub_core.ports import Claimed, Event, Stored
from hub_core.recent import RecentLoads
from hub_core.resolve import Candidate
from hub_core.sweep import Sweep
from hub_core.telemetry import SILENT, Telemetry

HOST = "acct.dfs.core.windows.net"
ROOT = f"abfss://raw@{HOST}/"
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HALF_AN_HOUR_AGO = NOW - timedelta(minutes=30)
"""Settled, and too young for the sweep to think that nobody told of it."""
HEADER = (
    "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
    "dest_catalog,dest_schema,dest_table,is_active"
)


def config_row(
    subcategory: str = "credit", pattern: str = "transactions_*.csv", *, lob: str = "falcon", table: str = "credit_raw"
) -> str:
    """A good row of a spoke's CSV."""
    source = f"{ROOT}{lob}/txn/{subcategory}/"
    return (
        f'{lob},transactions,{subcategory},{pattern},{source},delimited,",",true,${{catalog}},{lob}_bronze,{table},true'
    )


class Clock:
    """Time that moves only when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


class DyingAt:
    """A port whose nth call of a method ends the process (`end`), before or after the call took effect."""

    def __init__(self, port: object, method: str, end: Callable[[], NoReturn], *, after: bool, nth: int = 1) -> None:
        self._port, self._method, self._end, self._after, self._left = port, method, end, after, nth

    def __getattr__(self, name: str) -> object:
        real = getattr(self._port, name)
        if name != self._method:
            return real

        def call(*args: object, **kwargs: object) -> object:
            self._left -= 1
            if self._left == 0 and not self._after:
                self._end()
            result = real(*args, **kwargs)
            if self._left == 0:
                self._end()
            return result

        return call


@dataclass
class MemoryConfigs:
    files: dict[str, bytes] = field(default_factory=dict)

    def lobs(self) -> frozenset[str]:
        return frozenset(self.files)

    def read(self, lob: str) -> bytes | None:
        return self.files.get(lob)


@dataclass
class MemoryLanding:
    files: dict[str, SourceFile] = field(default_factory=dict)
    heads: int = 0
    lists: list[str] = field(default_factory=list)

    def add(self, path: str, *, size: int = 10, modified: datetime = HALF_AN_HOUR_AGO, etag: str | None = "1") -> None:
        self.files[path] = SourceFile(path, size, modified, etag)

    def list(self, folder: str, skip: Callable[[str], bool] | None = None) -> Iterator[SourceFile]:
        self.lists.append(folder)
        for path, file in sorted(self.files.items()):
            ends = [place for place, letter in enumerate(path) if letter == "/" and place >= len(folder)]
            if path.startswith(folder) and not (skip and any(skip(path[: end + 1]) for end in ends)):
                yield file

    def head(self, path: str) -> SourceFile | None:
        self.heads += 1
        return self.files.get(path)


@dataclass
class _Row:
    claim: Claim
    batch_id: str
    run_id: str | None
    status: FileStatus = FileStatus.CLAIMED
    code: str | None = None


@dataclass
class MemoryTracker:
    """The tracker's rules over a list."""

    rows: list[_Row] = field(default_factory=list)
    synced: dict[str, str] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def sync(self, lob: str, config: ParsedConfig, *, deactivate: bool) -> bool:
        self.calls["sync"] += 1
        wrote = self.synced.get(lob) != config.content_hash
        self.synced[lob] = config.content_hash
        return wrote

    def tracked(self, lob: str, files: Iterable[Candidate]) -> Sequence[TrackedFile]:
        self.calls["tracked"] += 1
        keys = {(one.feed.config_id, one.file.path) for one in files}
        return [
            TrackedFile(
                row.claim.feed.config_id,
                row.claim.file,
                row.status,
                row.claim.attempt,
                row.batch_id,
                row.run_id,
                row.code,
            )
            for row in self.rows
            if (row.claim.feed.config_id, row.claim.file.path) in keys
        ]

    def claim(self, lob: str, batch_id: str, claims: Sequence[Claim], run_id: str | None = None) -> Claimed:
        self.calls["claim"] += 1
        for wanted in claims:
            if not any(self._blocks(row, wanted) for row in self.rows):
                self.rows.append(_Row(wanted, batch_id, run_id))
        return self.claimed(batch_id)

    @staticmethod
    def _blocks(row: _Row, wanted: Claim) -> bool:
        if (row.claim.feed.config_id, row.claim.file.path) != (wanted.feed.config_id, wanted.file.path):
            return False
        return row.status is FileStatus.CLAIMED or (
            row.claim.file.same_version(wanted.file) and row.claim.attempt >= wanted.attempt
        )

    def claimed(self, batch_id: str) -> set[tuple[str, str]]:
        self.calls["claimed"] += 1
        return {
            (row.claim.feed.config_id, row.claim.file.path)
            for row in self.rows
            if row.batch_id == batch_id and row.status is FileStatus.CLAIMED
        }

    def recent_batches(self, lob: str, since: datetime) -> Sequence[Batch]:
        ids = dict.fromkeys((row.batch_id, row.run_id) for row in self.rows if row.claim.feed.lob == lob)
        return [Batch(batch_id, run_id, since) for batch_id, run_id in ids]

    def outcome(self, batch_id: str) -> Outcome:
        mine = [row for row in self.rows if row.batch_id == batch_id]
        loaded = sum(row.status is FileStatus.SUCCESS for row in mine)
        canceled = sum(row.code == FileError.CANCELED for row in mine)
        return Outcome(Counter(row.status for row in mine), rows=loaded * 100, canceled=canceled)

    def files(self, batch_id: str, status: FileStatus | None, after: str, limit: int) -> Sequence[FileOutcome]:
        mine = [(f"{number:06}", row) for number, row in enumerate(self.rows) if row.batch_id == batch_id]
        wanted = [(name, row) for name, row in mine if name > after and status in (None, row.status)]
        return [
            FileOutcome(
                tracker_id=name,
                category=row.claim.feed.category,
                subcategory=row.claim.feed.subcategory,
                file_name=row.claim.file.path.rpartition("/")[2],
                path=row.claim.file.path,
                dest_table=row.claim.feed.table,
                status=row.status,
                size=row.claim.file.size,
                modified=row.claim.file.modified,
                attempt=row.claim.attempt,
                row_count=None,
                rejected_count=None,
                error_code=row.code,
                error_message=None,
                updated_at=None,
            )
            for name, row in wanted[:limit]
        ]

    def last_loads(self, lob: str) -> dict[str, tuple[str, datetime]]:
        return {row.claim.feed.config_id: (row.batch_id, NOW) for row in self.rows if row.claim.feed.lob == lob}

    def settle(self, lob: str, batch_id: str, code: FileError, message: str) -> None:
        self.end(batch_id, FileStatus.FAILED, code)

    def ping(self) -> None:
        return

    def end(self, batch_id: str, status: FileStatus, code: str | None = None, *, only: str = "") -> None:
        """What the loader does: the batch's claims (on paths that hold `only`) end as `status`."""
        for row in self.rows:
            if row.batch_id == batch_id and row.status is FileStatus.CLAIMED and only in row.claim.file.path:
                row.status, row.code = status, code


@dataclass
class MemoryLoads:
    records: dict[str, tuple[Load, int]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def reserved(self, key: str) -> str | None:
        return self.keys.get(key)

    def reserve(self, key: str, load_id: str) -> str:
        return self.keys.setdefault(key, load_id)

    def insert(self, load: Load) -> bool:
        self._check(load)
        if load.id in self.records:
            return False
        self.records[load.id] = (load, 1)
        return True

    def get(self, load_id: str) -> Stored | None:
        found = self.records.get(load_id)
        return Stored(found[0], str(found[1])) if found else None

    @staticmethod
    def _check(load: Load) -> None:
        """A property of an entity takes 64 KiB, and is kept as UTF-16."""
        if len(load.model_dump_json().encode("utf-16-le")) > 65_536:
            raise Broken("STORAGE_REFUSED", "PropertyValueTooLarge")

    def update(self, stored: Stored, load: Load) -> Stored:
        self._check(load)
        current = self.records.get(load.id)
        if current is None or str(current[1]) != stored.etag:
            raise Conflict(f"load {load.id} has changed meanwhile")
        self.records[load.id] = (load, current[1] + 1)
        return Stored(load, str(current[1] + 1))

    def open(self) -> Iterator[Stored]:
        for load_id, (load, _) in list(self.records.items()):
            if load.is_open and (stored := self.get(load_id)):
                yield stored

    def page(
        self, lob: str | None, status: LoadState | None, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        kept = [
            load
            for load_id, (load, _) in sorted(self.records.items())
            if load_id > (continuation or "") and lob in (None, load.lob) and status in (None, load.state)
        ]
        page = kept[:limit]
        return page, page[-1].id if len(kept) > limit else None

    def drop(self, before: datetime, limit: int) -> Sequence[str]:
        old = [
            load_id
            for load_id, (load, _) in sorted(self.records.items())
            if load_id > first_id(before) and not load.is_open
        ]
        for load_id in old[:limit]:
            del self.records[load_id]
        self.keys = {key: load_id for key, load_id in self.keys.items() if load_id not in old[:limit]}
        return old[:limit]


@dataclass
class MemoryQueue:
    messages: list[tuple[str, int]] = field(default_factory=list)

    def put(self, message: str, delay_seconds: int = 0) -> None:
        self.messages.append((message, delay_seconds))

    def put_soon(self, message: str) -> None:
        self.put(message)

    def take(self) -> str:
        return self.messages.pop(0)[0]


@dataclass
class MemoryEvents:
    waiting: list[Event] = field(default_factory=list)
    received: list[Event] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)

    def put(self, body: str) -> None:
        self.waiting.append(Event(body, 1, uuid4().hex, "receipt"))

    def receive(self, limit: int) -> Sequence[Event]:
        batch, self.waiting = self.waiting[: min(limit, 32)], self.waiting[min(limit, 32) :]
        self.received += batch
        return batch

    def delete(self, events: Sequence[Event]) -> None:
        for event in list(events):
            self.received.remove(event)

    def poison(self, event: Event) -> None:
        self.poisoned.append(event.body)
        self.received.remove(event)

    def become_visible_again(self) -> None:
        self.waiting = [replace(event, dequeue_count=event.dequeue_count + 1) for event in self.received]
        self.received = []


@dataclass
class MemoryDocuments:
    documents: dict[str, object] = field(default_factory=dict)

    def write(self, name: str, document: object) -> None:
        self.documents[name] = document

    def read(self, name: str) -> object | None:
        return self.documents.get(name)

    def delete(self, name: str) -> None:
        self.documents.pop(name, None)


@dataclass
class MemoryJobs:
    """Runs by token: the same token is the same run."""

    runs: dict[str, Run] = field(default_factory=dict)
    batches: dict[str, str] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)

    def submit(self, lob: str, batch_id: str, token: str, trace: str | None = None) -> Run:
        self.traces.append(trace)
        if token not in self.runs:
            self.runs[token] = Run(str(len(self.runs) + 1), RunState.RUNNING, "https://workspace/run")
            self.batches[self.runs[token].run_id] = batch_id
        return self.runs[token]

    def get(self, run_id: str) -> Run:
        return next((run for run in self.runs.values() if run.run_id == run_id), Run(run_id, RunState.LOST))

    def cancel(self, run_id: str) -> None:
        self.canceled.append(run_id)
        if not self.get(run_id).state.is_over:
            self.end(run_id, RunState.CANCELED)

    def find_active(self, lob: str, batch_id: str) -> Run | None:
        mine = [run for run in self.runs.values() if self.batches[run.run_id] == batch_id]
        return next((run for run in mine if not run.state.is_over), None)

    def ping(self) -> None:
        return

    def end(self, run_id: str, state: RunState) -> None:
        token = next(token for token, run in self.runs.items() if run.run_id == run_id)
        self.runs[token] = replace(self.runs[token], state=state)


@contextmanager
def serving(hub: Hub) -> Iterator[None]:
    """The process's hub is this one: `bootstrap` keeps it as it would keep a real one."""
    before, bootstrap._hub = bootstrap._hub, hub
    try:
        yield
    finally:
        bootstrap._hub = before


@dataclass
class World:
    """A hub on stand-ins, and the stand-ins."""

    clock: Clock = field(default_factory=Clock)
    configs: MemoryConfigs = field(default_factory=MemoryConfigs)
    landing: MemoryLanding = field(default_factory=MemoryLanding)
    tracker: MemoryTracker = field(default_factory=MemoryTracker)
    loads: MemoryLoads = field(default_factory=MemoryLoads)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    events: MemoryEvents = field(default_factory=MemoryEvents)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    jobs: MemoryJobs = field(default_factory=MemoryJobs)

    def __post_init__(self) -> None:
        self.configs.files["falcon"] = f"{HEADER}\n{config_row()}\n".encode()
        self.hub = self.build()

    def build(self, *, telemetry: Telemetry = SILENT, **replaced: object) -> Hub:
        """A hub on the same state, as another process would have it; ports may be replaced."""
        ports = {name: replaced.get(name, getattr(self, name)) for name in ("tracker", "loads", "queue", "jobs")}
        ports["loads"] = recent = RecentLoads(ports["loads"], self.monotonic)
        reader = ConfigReader(self.configs, "main", (ROOT,), {}, monotonic=self.monotonic)
        planner = Planner(
            configs=reader,
            landing=self.landing,
            documents=self.documents,
            clock=self.clock,
            lookback_days=7,
            settle_seconds=30,
            telemetry=telemetry,
            **ports,
        )
        intake = Intake(
            configs=reader,
            landing=self.landing,
            loads=ports["loads"],
            queue=ports["queue"],
            events=self.events,
            documents=self.documents,
            clock=self.clock,
            endpoints={"acct.blob.core.windows.net/": HOST},
            telemetry=telemetry,
        )
        return Hub(
            planner=planner,
            intake=intake,
            overseer=Overseer(planner, timedelta(hours=6)),
            sweep=Sweep(planner, reader, 60, loads=True),
            housekeeping=Housekeeping(ports["loads"], self.documents, self.clock, timedelta(days=400)),
            configs=reader,
            recent=recent,
            dependencies={},
            telemetry=telemetry,
        )

    def monotonic(self) -> float:
        return self.clock().timestamp()

    def land(self, name: str = "transactions_20260309.csv", **facts: object) -> str:
        path = f"{ROOT}falcon/txn/credit/{name}"
        self.landing.add(path, **facts)
        return path

    def ask(self, body: bytes = b'{"lob": "falcon"}') -> Load:
        load = self.hub.accept(body)
        assert isinstance(load, Load)
        return load

    def work(self, hub: Hub | None = None) -> None:
        """Deliver every message that waits now, once."""
        for _ in range(len(self.queue.messages)):
            (hub or self.hub).plan(self.queue.take())

    def load(self, load: Load) -> Load:
        stored = self.loads.get(load.id)
        assert stored is not None
        return stored.load

    def finish(self, load: Load, status: FileStatus = FileStatus.SUCCESS, run: RunState = RunState.SUCCESS) -> None:
        """The loader's run of that load ends, with all its files in one status."""
        self.tracker.end(load.id, status)
        self.jobs.end(str(self.load(load).run_id), run)


class Failing:
    """A port whose method meets a passing fault a number of times."""

    def __init__(self, port: object, method: str, error: Exception, times: int) -> None:
        self._port, self._method, self._error, self._times = port, method, error, times

    def __getattr__(self, name: str) -> object:
        if name == self._method and self._times > 0:
            self._times -= 1

            def call(*args: object, **kwargs: object) -> object:
                raise self._error

            return call
        return getattr(self._port, name)
