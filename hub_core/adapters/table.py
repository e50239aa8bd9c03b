"""Records of loads in Table Storage.

A load is one entity, `RowKey` its id; ids made by `hub_core.load.new_id` sort newest first, so the table's own order is
the list's. A load on its way has a marker beside it, `~open:<id>`, written in the same transaction, so that `reconcile`
reads those and not years of finished loads. Only an ACCEPTED load has none: its message in the queue is its marker, and
those of the last day, at first of the last month, are looked for by their state.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched, islice
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, TransactionOperation, UpdateMode
from pydantic import ValidationError

from hub_core.adapters.azure_faults import translated
from hub_core.errors import Broken, Conflict, Transient
from hub_core.load import Load, first_id, made_at
from hub_core.logs import logger
from hub_core.model import LoadState
from hub_core.ports import Clock, Stored
from hub_core.telemetry import SILENT, Telemetry, measure_end

log = logger(__name__)

TABLE = "loads"
_PARTITION = "load"
_LOCKS = "idempotency-key"
_MARKER = "~open:"
_PER_TRANSACTION = 100
_BESIDE = ("body_hash", "claims_open", "settled", "alert_due", "put_back_until", "trace")
"""What a load has beside its document, which is what callers see."""
LOOK_BACK = timedelta(days=1)
FIRST_LOOK_BACK = timedelta(days=30)
PAGE_TAKES = timedelta(seconds=5)
QUICK = timedelta(seconds=0.5)
"""A look for loads of a LOB or state that took no longer is followed by one at twice as many days."""
MOST_DAYS = 512
_MARKED = (LoadState.SUBMITTING, LoadState.RUNNING, LoadState.CANCELING)
"""The states in which every load has a marker."""
_LAST = "~"
"""Behind every id, before every marker."""

type Entity = dict[str, Any]


class TableLoads:
    """`Loads` in Table Storage."""

    def __init__(
        self, service: TableServiceClient, clock: Clock, name: str = TABLE, telemetry: Telemetry = SILENT
    ) -> None:
        self._table = service.get_table_client(name)
        self._clock = clock
        self._telemetry = telemetry
        self._looked = False

    def ensure(self) -> None:
        """Make the table."""
        with translated("making the table loads"):
            try:
                self._table.create_table()
            except ResourceExistsError:
                return

    def reserved(self, key: str) -> str | None:
        """See `Loads.reserved`."""
        with translated("looking up an idempotency key"):
            try:
                return str(self._table.get_entity(_LOCKS, key)["load_id"])
            except ResourceNotFoundError:
                return None

    def reserve(self, key: str, load_id: str) -> str:
        """See `Loads.reserve`."""
        entity = {"PartitionKey": _LOCKS, "RowKey": key, "load_id": load_id}
        with translated("reserving an idempotency key"):
            try:
                self._table.create_entity(entity)
            except ResourceExistsError:
                return str(self._table.get_entity(_LOCKS, key)["load_id"])
        return load_id

    def insert(self, load: Load) -> bool:
        """See `Loads.insert`."""
        with translated("inserting a load"):
            try:
                if _has_marker(load):
                    create = TransactionOperation.CREATE
                    self._table.submit_transaction([(create, _entity(load)), (create, _marker(load.id))])
                else:
                    self._table.create_entity(_entity(load), response_preference="return-no-content")
            except HttpResponseError as error:
                if error.status_code == 409:
                    return False
                raise
        return True

    def get(self, load_id: str) -> Stored | None:
        """See `Loads.get`: one point read."""
        with translated("reading a load"):
            try:
                entity = self._table.get_entity(_PARTITION, load_id)
            except ResourceNotFoundError:
                return None
        return Stored(_load(entity), str(entity.metadata["etag"]))

    def update(self, stored: Stored, load: Load) -> Stored:
        """See `Loads.update`."""
        written = self._replace(stored, load)
        measure_end(self._telemetry, stored.load, load)
        return written

    def _replace(self, stored: Stored, load: Load) -> Stored:
        unchanged = {"etag": stored.etag, "match_condition": MatchConditions.IfNotModified}
        replacing: Mapping[str, Any] = {"mode": UpdateMode.REPLACE, **unchanged}
        had, has = _has_marker(stored.load), _has_marker(load)
        written: Mapping[str, Any]
        with translated("updating a load"):
            try:
                if had == has:
                    written = self._table.update_entity(_entity(load), **replacing)
                else:
                    marking: Any = (
                        TransactionOperation.UPSERT if has else TransactionOperation.DELETE,
                        _marker(load.id),
                    )
                    change: Any = (TransactionOperation.UPDATE, _entity(load), replacing)
                    [written, _] = self._table.submit_transaction([change, marking])
            except HttpResponseError as error:
                if error.status_code not in (404, 412):
                    raise
                # It may have been changed by this very update, whose first answer was lost.
                now = self.get(load.id)
                if now is not None and _entity(now.load) == _entity(load):
                    return now
                raise Conflict(f"load {load.id} has changed meanwhile") from error
        if not written.get("etag"):
            raise Transient("STORAGE_UNAVAILABLE", "updating a load: half an answer")
        return Stored(load, str(written["etag"]))

    def open(self) -> Iterator[Stored]:
        """See `Loads.open`."""
        # Those that are ACCEPTED for longer are of a time when no process looked, and the first look of this one finds
        # them: after it they have moved on.
        oldest = first_id(self._clock() - (LOOK_BACK if self._looked else FIRST_LOOK_BACK))
        with translated("listing the open loads"):
            marked = self._marked_ids()
            accepted = [
                str(row["RowKey"]) for row in self._range("", oldest, state=LoadState.ACCEPTED, select=["RowKey"])
            ]
        self._looked = True
        for stored in self._read_each(dict.fromkeys((*marked, *accepted))):
            if stored.load.is_open:
                yield stored

    def _marked_ids(self) -> list[str]:
        return [str(row["RowKey"])[len(_MARKER) :] for row in self._range(_MARKER, "~open;", select=["RowKey"])]

    def _read_each(self, load_ids: Iterable[str]) -> Iterator[Stored]:
        for load_id in load_ids:
            try:
                stored = self.get(load_id)
            except Broken as error:
                _pass_over(load_id, error)
                continue
            if stored is not None:
                yield stored

    def page(
        self, lob: str | None, status: LoadState | None, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        """See `Loads.page`; the continuation is the last load's id, so that new loads do not shift pages.

        Storage looks at every record for one that is asked for by LOB or state: those of some days at a time, and after
        five seconds the page is given as it is.
        """
        if status in _MARKED:
            return self._page_of_marked(lob, status, limit, continuation)
        found: list[Load] = []
        began = asked = self._clock()
        start, days = continuation or "", 1
        reached = (made_at(continuation) if continuation else None) or began
        while True:
            reached -= timedelta(days=days)
            whole = (lob is None and status is None) or days > MOST_DAYS
            end = _LAST if whole else max(start, first_id(reached))
            with translated("listing loads"):
                rows = self._range(start, end, lob=lob, state=status, results_per_page=limit + 2)
                for load in _readable(rows):
                    if load.id == continuation:
                        continue
                    if len(found) == limit:
                        return found, found[-1].id
                    found.append(load)
            now = self._clock()
            if whole or (status is LoadState.ACCEPTED and reached < began - LOOK_BACK):
                return found, None
            if now - began > PAGE_TAKES:
                return found, end
            days *= 2 if now - asked < QUICK else 1
            start, asked = end, now

    def _page_of_marked(
        self, lob: str | None, status: LoadState, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        """As `page`, of the loads on their way, without a look at those that have ended."""
        found: list[Load] = []
        with translated("listing loads"):
            ids = [load_id for load_id in self._marked_ids() if load_id > (continuation or "")]
        began, last = self._clock(), None
        for stored in self._read_each(ids):
            if len(found) == limit or (last and self._clock() - began > PAGE_TAKES):
                return found, last
            if stored.load.state is status and lob in (None, stored.load.lob):
                found.append(stored.load)
            last = stored.load.id
        return found, None

    def drop(self, before: datetime, limit: int) -> Sequence[str]:
        """See `Loads.drop`. A key goes with its load: the load's id, which it holds, tells its age too."""
        since = first_id(before)
        with translated("dropping old loads"):
            ended = (load.id for load in _readable(self._range(since, _LAST)) if not load.is_open)
            old = list(islice(ended, limit))
            gone = frozenset(old)
            keys = self._table.query_entities(
                "PartitionKey eq @p and load_id ge @since", parameters={"p": _LOCKS, "since": since}
            )
            # A load without its key only means that the key is free again; a key without its load would be in the way.
            self._delete(_LOCKS, [row["RowKey"] for row in keys if row["load_id"] in gone])
            self._delete(_PARTITION, old)
        return old

    def _delete(self, partition: str, row_keys: Sequence[str]) -> None:
        for some in batched(row_keys, _PER_TRANSACTION):
            entities = [{"PartitionKey": partition, "RowKey": row_key} for row_key in some]
            self._table.submit_transaction([(TransactionOperation.DELETE, entity) for entity in entities])

    def _range(self, start: str, end: str, **options: Any) -> Iterator[Mapping[str, Any]]:
        parameters = {"p": _PARTITION, "start": start, "end": end}
        query = "PartitionKey eq @p and RowKey ge @start and RowKey lt @end"
        for name in ("lob", "state"):
            value = options.pop(name, None)
            if value is not None:
                query += f" and {name} eq @{name}"
                parameters[name] = str(value)
        return iter(self._table.query_entities(query, parameters=parameters, **options))


def _has_marker(load: Load) -> bool:
    return load.is_open and load.state is not LoadState.ACCEPTED


def _marker(load_id: str) -> Entity:
    return {"PartitionKey": _PARTITION, "RowKey": f"{_MARKER}{load_id}"}


def _entity(load: Load) -> Entity:
    """The load's record; beside its document only what says something, as the SDK takes time over each property."""
    entity = {
        "PartitionKey": _PARTITION,
        "RowKey": load.id,
        "lob": load.lob,
        "state": load.state.value,
        "document": load.model_dump_json(),
    }
    return entity | {name: value for name in _BESIDE if (value := getattr(load, name))}


def _readable(entities: Iterable[Mapping[str, Any]]) -> Iterator[Load]:
    for entity in entities:
        try:
            yield _load(entity)
        except Broken as error:
            _pass_over(str(entity["RowKey"]), error)


def _pass_over(load_id: str, error: Broken) -> None:
    log.error("%s", error.message, extra={"load_id": load_id, "code": error.code})


def _load(entity: Mapping[str, Any]) -> Load:
    try:
        load = Load.model_validate_json(entity["document"])
    except ValidationError as error:
        raise Broken("RECORD_UNREADABLE", f"the record of load {entity['RowKey']} cannot be read") from error
    return load.model_copy(update={name: value for name in _BESIDE if (value := entity.get(name))})
