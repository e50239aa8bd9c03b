"""`GET loads` by state, of a table that holds years: each page takes its time at most, and all of them are whole."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from hub_core.adapters.table import PAGE_TAKES, TableLoads
from hub_core.load import Load, made_at, new_id
from hub_core.model import LoadState, Trigger
from hub_core.request import LoadRequest
from tests.unit.doubles import NOW, Clock

_CONDITION = re.compile(r"(\w+) (eq|ge|lt) @(\w+)")
LOOK = timedelta(milliseconds=1)


class SlowTable:
    """A table in the order of its keys, and the client that gives it; every record that is looked at takes a while."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.entities: dict[str, Mapping[str, Any]] = {}
        self.looks = 0

    def get_table_client(self, name: str) -> "SlowTable":
        assert name == "loads"
        return self

    def create_entity(self, entity: Mapping[str, Any], **_: object) -> None:
        self.entities[entity["RowKey"]] = entity

    def query_entities(self, query: str, *, parameters: Mapping[str, str], **_: object) -> Iterator[Mapping[str, Any]]:
        wanted = [(name, how, parameters[value]) for name, how, value in _CONDITION.findall(query)]
        [start] = [value for name, how, value in wanted if how == "ge"]
        [end] = [value for name, how, value in wanted if how == "lt"]
        for key in sorted(key for key in self.entities if start <= key < end):
            self.looks += 1
            self.clock.now += LOOK
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


def test_an_id_tells_when_its_load_was_made() -> None:
    assert made_at(new_id(NOW)) == NOW
