"""The hub, as its shells call it: accept, plan, drain, reconcile, status. Gather → decide → apply."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from hub_core.errors import Broken, Conflict, FieldError, HubError, Rejected, Transient
from hub_core.feeds import ParsedConfig, unreadable
from hub_core.gather import ConfigReader
from hub_core.housekeeping import Housekeeping
from hub_core.intake import Drained, Intake
from hub_core.load import Load, new_id
from hub_core.logs import logger
from hub_core.messages import LoadMessage, start
from hub_core.model import LOAD_ID, FileOutcome, FileStatus, LoadState, Trigger, digest, iso
from hub_core.overseer import Overseer, Reconciled
from hub_core.planning import Planner
from hub_core.ports import Stored
from hub_core.recent import RecentLoads
from hub_core.request import LoadRequest, checked_lob, parse_request
from hub_core.sweep import DOCUMENT, SWEPT, Sweep, feed_report
from hub_core.telemetry import SILENT, Telemetry

log = logger(__name__)

MAX_DRY_RUN_FILES = 1_000
MAX_PAGE = 200
DEFAULT_PAGE = 50
MAX_FILES_PAGE = 5_000
CANCEL_TRIES = 5
_KEY = re.compile(r"[\x20-\x7e]{1,255}")

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Readiness:
    """One dependency, tried."""

    name: str
    ok: bool
    milliseconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Hub:
    """The one object that triggers call."""

    planner: Planner
    intake: Intake
    overseer: Overseer
    sweep: Sweep
    housekeeping: Housekeeping
    configs: ConfigReader
    recent: RecentLoads
    """The planner's loads, as status questions are answered from them."""
    dependencies: Mapping[str, Callable[[], object]]
    telemetry: Telemetry = SILENT

    # asked by callers

    def accept(
        self, body: bytes, *, idempotency_key: str | None = None, caller: str = "", trace: str | None = None
    ) -> Load | Json:
        """Take a load request: the load to answer 202 with, or for `dry_run` what it would do.

        With an idempotency key the same body is the same load; another body is Rejected, 422. Once this returns, the
        load will be planned, whatever becomes of this process. `trace` is the caller's W3C traceparent.
        """
        with self.telemetry.span("accept load", trace):
            return self._accept(body, idempotency_key, caller)

    def _accept(self, body: bytes, idempotency_key: str | None, caller: str) -> Load | Json:
        request = parse_request(body)
        if request.dry_run:
            _check_key(idempotency_key)
            return self._dry_run(request)

        def made(load_id: str, now: datetime) -> Load:
            lob = self.configs.check(request).lob
            return Load(
                id=load_id, lob=lob, trigger=Trigger.REQUEST, request=request, created_at=now, updated_at=now,
                trace=self.telemetry.trace(),
            )  # fmt: skip

        return self._admit(made, digest(request.model_dump_json()), idempotency_key, caller)

    def _admit(
        self, made: Callable[[str, datetime], Load], body_hash: str, idempotency_key: str | None, caller: str
    ) -> Load:
        """The load that `made` makes for an id, from now on the hub's; with a key, the one that the key stands for."""
        _check_key(idempotency_key)
        loads, key = self.planner.loads, digest("load", caller, idempotency_key or "")
        if idempotency_key and (first := loads.reserved(key)) and loads.get(first):
            return self._same_again(first, body_hash)  # even if the feeds that it meant are gone by now
        now = self.planner.clock()
        load = made(new_id(now), now)
        if idempotency_key:
            load = load.model_copy(update={"id": loads.reserve(key, load.id), "body_hash": body_hash})
        # Without a key the id is this request's alone: taken, it is by a write of ours whose answer was lost.
        if not start(loads, self.planner.queue, load) and idempotency_key:
            return self._same_again(load.id, body_hash)
        return load

    def cancel(self, load_id: str) -> Load:
        """Have the load ended: CANCELING, and CANCELED once its run is over. One that is final stays as it is."""
        for _ in range(CANCEL_TRIES):
            stored = self._stored(load_id)
            if stored.load.state.is_final or stored.load.state is LoadState.CANCELING:
                return stored.load
            try:
                stored = self.planner.loads.update(
                    stored, stored.load.moved(self.planner.clock(), state=LoadState.CANCELING)
                )
            except Conflict:
                continue  # it moved on meanwhile
            # Should the message be lost, `reconcile` looks at the load within a minute.
            self.planner.queue.put_soon(LoadMessage(load_id=load_id, trace=stored.load.trace).to_json())
            return stored.load
        raise Transient("CONFLICT", "the load is moving on just now; ask again")

    def retry(
        self, load_id: str, *, idempotency_key: str | None = None, caller: str = "", trace: str | None = None
    ) -> Load:
        """A new load of the load's FAILED and QUARANTINED files; Rejected, 409, where it is not final, or has none."""
        with self.telemetry.span("retry load", trace):
            return self._retry(load_id, idempotency_key, caller)

    def _retry(self, load_id: str, idempotency_key: str | None, caller: str) -> Load:
        first = self._stored(load_id).load
        if not first.state.is_final:
            raise Rejected("NOT_FINAL", f"the load is {first.state}; retry it when it has ended", status=409)
        if first.claims_open:
            message = "the load has ended, but its files are not released yet; retry it in a minute"
            raise Rejected("NOT_FINAL", message, status=409)
        if first.files.failed + first.files.quarantined == 0:
            message = "no file of the load is FAILED or QUARANTINED; post its request again to load what is due"
            raise Rejected("NOTHING_TO_RETRY", message, status=409)

        def made(new_load_id: str, now: datetime) -> Load:
            return Load(
                id=new_load_id, lob=first.lob, trigger=Trigger.RETRY, retry_of=first.id,
                request=first.request.model_copy(update={"force": False}), created_at=now, updated_at=now,
                trace=self.telemetry.trace(),
            )  # fmt: skip

        return self._admit(made, digest("retry", load_id), idempotency_key, caller)

    def _stored(self, load_id: str) -> Stored:
        stored = self.planner.loads.get(load_id) if LOAD_ID.fullmatch(load_id) else None
        if stored is None:
            raise _no_such_load(load_id)
        return stored

    def _same_again(self, load_id: str, body_hash: str) -> Load:
        stored = self.planner.loads.get(load_id)
        if stored is None or stored.load.body_hash != body_hash:
            problem = FieldError("Idempotency-Key", "was used for another body", "use a new key for a new request")
            raise Rejected("KEY_REUSED", f"Idempotency-Key: {problem.message}", status=422, errors=[problem])
        return stored.load

    def _dry_run(self, request: LoadRequest) -> Json:
        lob, found, plan, problems = self.planner.dry_run(request)
        return {
            "dry_run": True,
            "lob": lob,
            "counts": {"due": len(plan.claims), **dict(sorted((found.skipped + plan.skipped).items()))},
            "files": [
                {
                    "path": claim.file.path,
                    "size": claim.file.size,
                    "modified": iso(claim.file.modified),
                    "category": claim.feed.category,
                    "subcategory": claim.feed.subcategory,
                    "dest_table": claim.feed.table,
                    "attempt": claim.attempt,
                }
                for claim in plan.claims[:MAX_DRY_RUN_FILES]
            ],
            "waits_on": sorted(plan.held_by),
            "config_errors": [problem.model_dump() for problem in problems],
        }

    def get(self, load_id: str) -> Load:
        """The load; Rejected, 404, if there is none. Needs no warehouse."""
        load = self.recent.status(load_id) if LOAD_ID.fullmatch(load_id) else None
        if load is None:
            raise _no_such_load(load_id)
        return load

    def page(
        self, *, lob: str | None = None, status: str | None = None, limit: str | None = None, after: str | None = None
    ) -> tuple[Sequence[Load], str | None]:
        """A page of loads, newest first, and where to go on."""
        state = _one_of(LoadState, "status", status)
        most = _limit(limit, DEFAULT_PAGE, MAX_PAGE)
        return self.planner.loads.page(checked_lob(lob), state, most, _continuation(after))

    def files(
        self, load_id: str, *, status: str | None = None, limit: str | None = None, after: str | None = None
    ) -> tuple[Sequence[FileOutcome], str | None]:
        """A page of the load's files as the tracker has them, and where to go on."""
        load = self.get(load_id)
        most = _limit(limit, 1_000, MAX_FILES_PAGE)
        behind = _continuation(after) or ""
        page = self.planner.tracker.files(load.id, _one_of(FileStatus, "status", status), behind, most + 1)
        return page[:most], page[most - 1].tracker_id if len(page) > most else None

    def feeds(self, lob: str | None = None) -> Json:
        """The feeds of every CSV (or of `lob`'s) as it is now, with what the last sweep found of each."""
        lob = checked_lob(lob)
        swept = self.planner.documents.read(DOCUMENT)
        as_of, found = None, {}
        if isinstance(swept, dict):
            as_of = swept["as_of"]
            found = {_feed_key(row): row for row in swept["value"]}
        value: list[Json] = []
        errors: list[Json] = []
        for one in sorted(self.configs.lobs()):
            if lob and one != lob:
                continue
            config = self._config(one)
            errors += [{"lob": one, **asdict(error)} for error in config.errors]
            for feed in config.feeds:
                row = feed_report(feed)
                seen = found.get(_feed_key(row), {})
                value.append({**row, **{name: seen[name] for name in SWEPT if name in seen}})
        return {"as_of": as_of, "value": value, "config_errors": errors}

    def _config(self, lob: str) -> ParsedConfig:
        """`lob`'s CSV; one that storage does not give out is shown as such, beside the feeds of the others."""
        try:
            return self.configs.read(lob)
        except (Broken, Rejected) as error:
            log.warning("feeds: %s", error.message, extra={"lob": lob, "code": error.code})
            return unreadable(error.message, "see that HUB_CONFIG_ROOT holds it, and the service may read it")

    def ready(self) -> list[Readiness]:
        """Every dependency, all tried at once: one that is silent keeps the caller waiting, but no longer than that."""
        with ThreadPoolExecutor(max(1, len(self.dependencies)), thread_name_prefix="ready") as pool:
            return list(pool.map(_try, self.dependencies, self.dependencies.values()))

    # asked by triggers

    def take_event(self, body: str) -> bool:
        """Keep a blob event for the next drain; False where it is of nothing of ours."""
        return self.intake.take(body)

    def drain(self) -> Drained:
        """Turn the waiting events into loads."""
        with self.telemetry.span("drain events"):
            return self.intake.drain()

    def plan(self, message: str) -> None:
        """Move a load on by one message of the queue `loads`."""
        self.planner.handle(LoadMessage.from_json(message))

    def poisoned(self, message: str) -> None:
        """End the load of a message that failed five times; its claims are released by `reconcile`."""
        load_id = LoadMessage.from_json(message).load_id
        stored = self.planner.loads.get(load_id)
        if stored is not None and stored.load.state in (LoadState.ACCEPTED, LoadState.SUBMITTING):
            said = "planning failed five times for a reason that the hub does not know; see the function's log"
            self.planner.fail(stored, Broken("POISONED", said), claims_open=True)

    def reconcile(self) -> Reconciled:
        """Move on what stands still; once an hour look over the feeds, and once a day drop what is out of date."""
        seen = self.overseer.reconcile()
        if self.sweep.is_due():
            with self.telemetry.span("sweep feeds"):
                self.sweep.run()
        if self.housekeeping.is_due():
            self.housekeeping.run()
        self.telemetry.measure("hub.reconciles", 1)
        return seen


def _check_key(idempotency_key: str | None) -> None:
    if idempotency_key is not None and _KEY.fullmatch(idempotency_key) is None:
        problem = FieldError("Idempotency-Key", "is empty, too long or not ASCII", "send 1 to 255 characters")
        raise Rejected("BAD_REQUEST", f"Idempotency-Key: {problem.message}", errors=[problem])


def _no_such_load(load_id: str) -> Rejected:
    return Rejected("NO_SUCH_LOAD", f"there is no load {load_id[:80]!r}", status=404)


def file_json(file: FileOutcome) -> Json:
    """A tracker row as `GET loads/{id}/files` shows it."""
    return {
        "tracker_id": file.tracker_id,
        "category": file.category,
        "subcategory": file.subcategory,
        "file_name": file.file_name,
        "path": file.path,
        "dest_table": file.dest_table,
        "status": file.status,
        "size": file.size,
        "modified": iso(file.modified),
        "attempt": file.attempt,
        "row_count": file.row_count,
        "rejected_count": file.rejected_count,
        "error_code": file.error_code,
        "error_message": file.error_message,
        "updated_at": iso(file.updated_at) if file.updated_at else None,
    }


def _feed_key(row: Mapping[str, object]) -> str:
    """Of a feed that looks for the same files: another folder was not swept yet."""
    return json.dumps([row[name] for name in ("lob", "category", "subcategory", "file_pattern", "source_path")])


def _one_of[State: (LoadState, FileStatus)](kind: type[State], field: str, text: str | None) -> State | None:
    if not text:
        return None
    try:
        return kind(text.upper())
    except ValueError:
        problem = FieldError(field, "is no such state", f"use one of {', '.join(kind)}")
        raise Rejected("BAD_REQUEST", f"{field}: {problem.message}", errors=[problem]) from None


def _continuation(text: str | None) -> str | None:
    """The id behind which a page goes on."""
    if text and LOAD_ID.fullmatch(text) is None:
        problem = FieldError("continuation", "is not one of ours", "follow nextLink as it is")
        raise Rejected("BAD_REQUEST", f"continuation: {problem.message}", errors=[problem])
    return text or None


def _limit(text: str | None, default: int, most: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= most):
        problem = FieldError("limit", "is not a page size", f"use a whole number from 1 to {most}")
        raise Rejected("BAD_REQUEST", f"limit: {problem.message}", errors=[problem])
    return int(text)


def _try(name: str, check: Callable[[], object]) -> Readiness:
    start = time.perf_counter()
    error = None
    try:
        check()
    except HubError as problem:
        error = f"{problem.code}: {problem.message}"[:500]
    except Exception as problem:
        log.exception("ready: met what nobody foresaw", extra={"dependency": name})
        error = f"UNFORESEEN: {type(problem).__name__}; see the function's log"
    return Readiness(name, error is None, round((time.perf_counter() - start) * 1000, 1), error)
