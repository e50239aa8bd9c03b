"""`GET loads` by state, of a table that holds years: each page takes its time at most, and all of them are whole."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from hub_core.adapters.table import PAGE_TAKES, TableLoads
from hub_core.load import Load, made_at, new_id
from hub_core.model import LoadState, Trigger
from hub_core.request import LoadRequest
from tests.unit.doubles import NOW, Clock

_CONDITION = re.compile(r"(\w+) (eq|ge|lt) @(\w+)")
LOOK = timedelta(milliseconds=1)


class Read(dict[str, Any]):
    """An entity as the SDK gives it."""

    metadata: ClassVar = {"etag": "1"}


class SlowTable:
    """A table in the order of its keys, and the client that gives it; every record that is looked at takes a while."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.entities: dict[str, Mapping[str, Any]] = {}
        self.looks = 0
        self.look = LOOK

    def get_table_client(self, name: str) -> "SlowTable":
        assert name == "loads"
        return self

    def create_entity(self, entity: Mapping[str, Any], **_: object) -> None:
        self.entities[entity["RowKey"]] = entity

    def submit_transaction(self, operations: Iterable[tuple[object, Mapping[str, Any]]]) -> None:
        for _, entity in operations:
            self.create_entity(entity)

    def get_entity(self, _partition: str, key: str) -> "Read":
        self.clock.now += self.look
        return Read(self.entities[key])

    def query_entities(self, query: str, *, parameters: Mapping[str, str], **_: object) -> Iterator[Mapping[str, Any]]:
        wanted = [(name, how, parameters[value]) for name, how, value in _CONDITION.findall(query)]
        [start] = [value for name, how, value in wanted if how == "ge"]
        [end] = [value for name, how, value in wanted if how == "lt"]
        for key in sorted(key for key in self.entities if start <= key < end):
            self.looks += 1
            self.clock.now += self.look
            entity = self.entities[key]
            if all(entity.get(name) == value for name, how, value in wanted if how == "eq"):
                yield entity


def of_years(every: timedelta, count: int) -> tuple[TableLoads, SlowTable, list[str]]:
    """A store of so many loads, and the ids of those that FAILED, which is every hundredth."""
    clock = Clock()
    table = SlowTable(clock)
    loads = TableLoads(table, clock)  # type: ignore[arg-type]
    failed: list[str] = []
    for number in range(count):
        moment = NOW - number * every
        state = LoadState.SUCCESS if number % 100 else LoadState.FAILED
        load = Load(
            id=new_id(moment), lob="falcon", state=state, trigger=Trigger.EVENT, request=LoadRequest(),
            created_at=moment, updated_at=moment,
        )  # fmt: skip
        failed += [load.id] if state is LoadState.FAILED else []
        loads.insert(load)
    return loads, table, failed


@pytest.mark.parametrize("every", [timedelta(minutes=1), timedelta(hours=1)])
@pytest.mark.parametrize(("state", "limit"), [(LoadState.FAILED, 50), (LoadState.FAILED, 200), (LoadState.EMPTY, 50)])
def test_no_page_takes_for_ever_and_all_of_them_are_whole(every: timedelta, state: LoadState, limit: int) -> None:
    loads, table, failed = of_years(every, 20_000)
    seen: list[str] = []
    after: str | None = None
    for _ in range(100):
        began = table.clock.now
        page, after = loads.page(None, state, limit, after)
        assert table.clock.now - began < 3 * PAGE_TAKES
        seen += [load.id for load in page]
        if after is None:
            break
    assert after is None
    assert seen == (failed if state is LoadState.FAILED else [])
    # One record is looked at twice at each end of a page.
    assert table.looks < 20_000 + 1_000


def test_loads_on_their_way_are_found_without_a_look_at_those_that_ended() -> None:
    loads, table, _ = of_years(timedelta(minutes=1), 1_000)
    assert loads.page(None, LoadState.RUNNING, 50, None) == ([], None)
    assert table.looks == 0


def test_a_page_of_loads_on_their_way_takes_its_time_at_most_and_the_next_goes_on() -> None:
    clock = Clock()
    table = SlowTable(clock)
    loads = TableLoads(table, clock)  # type: ignore[arg-type]
    made: list[Load] = []
    for number in range(1_000):
        moment = NOW - number * timedelta(seconds=1)
        lob = "heron" if number % 100 == 0 else "falcon"
        made.append(
            Load(
                id=new_id(moment), lob=lob, state=LoadState.RUNNING, trigger=Trigger.EVENT, request=LoadRequest(),
                created_at=moment, updated_at=moment,
            )
        )  # fmt: skip
        loads.insert(made[-1])
    table.look = timedelta(milliseconds=20)
    seen: list[str] = []
    after: str | None = None
    pages = 0
    while pages == 0 or after is not None:
        began = clock.now
        page, after = loads.page("heron", LoadState.RUNNING, 50, after)
        # Beside the reads, a look at each marker.
        assert clock.now - began <= PAGE_TAKES + 1_001 * table.look
        seen += [load.id for load in page]
        pages += 1
        assert pages < 20
    assert pages > 1
    assert seen == [load.id for load in made if load.lob == "heron"]


@pytest.mark.parametrize("state", [None, *LoadState])
@pytest.mark.parametrize("after", ["zzz", "-", "0" * 32, "f" * 32])
def test_any_id_is_one_to_go_on_behind(state: LoadState | None, after: str) -> None:
    loads, _, _ = of_years(timedelta(hours=1), 300)
    page, more = loads.page(None, state, 500, after)
    assert all(load.id > after for load in page)
    assert more is None


def test_an_id_tells_when_its_load_was_made() -> None:
    assert made_at(new_id(NOW)) == NOW
    assert made_at("a notebook's own") is None
