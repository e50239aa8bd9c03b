"""Records of loads in Table Storage.

A load is up to three entities of one partition, written in one transaction: `i:<id>` (by id: the lock and the eTag),
`t:<inverted time>:<id>` (newest first), and, as long as somebody has to look at it, `o:<id>`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient, TableTransactionError, TransactionOperation, UpdateMode

from hub_core.adapters.azure_faults import translated
from hub_core.errors import Conflict, FieldError, Rejected
from hub_core.load import Load
from hub_core.model import LoadState
from hub_core.ports import Stored

TABLE = "loads"
_PARTITION = "load"
_LAST_MILLISECOND = 9_999_999_999_999
_POSITION = re.compile(r"t:[0-9]{13}:[0-9A-Za-z_-]{1,64}")

type Entity = dict[str, Any]


class TableLoads:
    """`Loads` in Table Storage."""

    def __init__(self, service: TableServiceClient, name: str = TABLE) -> None:
        self._table = service.get_table_client(name)

    def ensure(self) -> None:
        """Make the table."""
        with translated("making the table loads"):
            try:
                self._table.create_table()
            except ResourceExistsError:
                return

    def insert(self, load: Load) -> bool:
        """See `Loads.insert`."""
        document = _document(load)
        keys = [f"i:{load.id}", _position(load), *([f"o:{load.id}"] if load.is_open else [])]
        operations = [(TransactionOperation.CREATE, {**document, "RowKey": key}) for key in keys]
        with translated("inserting a load"):
            try:
                self._table.submit_transaction(operations)
            except (ResourceExistsError, TableTransactionError) as error:
                if error.status_code == 409:
                    return False
                raise
        return True

    def get(self, load_id: str) -> Stored | None:
        """See `Loads.get`: one point read."""
        with translated("reading a load"):
            try:
                entity = self._table.get_entity(_PARTITION, f"i:{load_id}")
            except ResourceNotFoundError:
                return None
        return Stored(_load(entity), str(entity.metadata["etag"]))

    def update(self, stored: Stored, load: Load) -> Stored:
        """See `Loads.update`."""
        document = _document(load)
        replace: Mapping[str, Any] = {"mode": UpdateMode.REPLACE}
        operations: list[Any] = [
            (
                TransactionOperation.UPDATE,
                {**document, "RowKey": f"i:{load.id}"},
                {**replace, "etag": stored.etag, "match_condition": MatchConditions.IfNotModified},
            ),
            (TransactionOperation.UPSERT, {**document, "RowKey": _position(load)}, replace),
        ]
        if load.is_open:
            operations.append((TransactionOperation.UPSERT, {**document, "RowKey": f"o:{load.id}"}, replace))
        elif stored.load.is_open:
            operations.append((TransactionOperation.DELETE, {"PartitionKey": _PARTITION, "RowKey": f"o:{load.id}"}))
        with translated("updating a load"):
            try:
                results = self._table.submit_transaction(operations)
            except (ResourceNotFoundError, TableTransactionError) as error:
                if error.status_code in (404, 412):
                    raise Conflict(f"load {load.id} has changed meanwhile") from error
                raise
        return Stored(load, str(results[0]["etag"]))

    def open(self) -> Iterator[Stored]:
        """See `Loads.open`."""
        with translated("listing the open loads"):
            ids = [entity["RowKey"][2:] for entity in self._range("o:", "o;", select=["RowKey"])]
        for load_id in ids:
            stored = self.get(load_id)
            if stored is not None:
                yield stored

    def page(
        self, lob: str | None, status: LoadState | None, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        """See `Loads.page`; the continuation is the last load's place, so that new loads do not shift pages."""
        if continuation is not None and _POSITION.fullmatch(continuation) is None:
            problem = FieldError("continuation", "is not one of ours", "follow nextLink as it is")
            raise Rejected("BAD_REQUEST", f"continuation: {problem.message}", errors=[problem])
        start = f"{continuation}\x00" if continuation else "t:"
        found: list[Load] = []
        with translated("listing loads"):
            for entity in self._range(start, "t;", lob=lob, state=status, results_per_page=limit + 1):
                if len(found) == limit:
                    return found, _position(found[-1])
                found.append(_load(entity))
        return found, None

    def _range(self, start: str, end: str, **options: Any) -> Iterator[Mapping[str, Any]]:
        parameters = {"p": _PARTITION, "start": start, "end": end}
        query = "PartitionKey eq @p and RowKey ge @start and RowKey lt @end"
        for name in ("lob", "state"):
            value = options.pop(name, None)
            if value is not None:
                query += f" and {name} eq @{name}"
                parameters[name] = str(value)
        return iter(self._table.query_entities(query, parameters=parameters, **options))


def _position(load: Load) -> str:
    return f"t:{_LAST_MILLISECOND - int(load.created_at.timestamp() * 1000):013d}:{load.id}"


def _document(load: Load) -> Entity:
    return {
        "PartitionKey": _PARTITION,
        "lob": load.lob,
        "state": load.state.value,
        "document": load.model_dump_json(),
        "body_hash": load.body_hash or "",
        "claims_open": load.claims_open,
        "settled": load.settled,
    }


def _load(entity: Mapping[str, Any]) -> Load:
    load = Load.model_validate_json(entity["document"])
    return load.model_copy(
        update={
            "body_hash": entity["body_hash"] or None,
            "claims_open": entity["claims_open"],
            "settled": entity["settled"],
        }
    )
