"""`Loads`: one suite for the stand-in and for Table Storage."""

import uuid
from datetime import timedelta
from itertools import cycle

import pytest

from hub_core.errors import Conflict
from hub_core.load import Load, new_id
from hub_core.model import LoadState, Trigger
from hub_core.ports import Loads
from hub_core.request import LoadRequest
from tests.unit.doubles import NOW, MemoryLoads


@pytest.fixture(params=["memory", pytest.param("table", marks=pytest.mark.stack)])
def loads(request: pytest.FixtureRequest) -> Loads:
    if request.param == "memory":
        return MemoryLoads()
    from hub_core.adapters.storage_accounts import HOST_STORAGE, HostStorage
    from hub_core.adapters.table import TableLoads

    service = HostStorage({HOST_STORAGE: request.getfixturevalue("azurite").connection_string}).tables()
    store = TableLoads(service, lambda: NOW + timedelta(hours=1), f"loads{uuid.uuid4().hex[:12]}")
    store.ensure()
    return store


def _load(minutes: int = 0, *, lob: str = "falcon", body_hash: str | None = None) -> Load:
    moment = NOW + timedelta(minutes=minutes)
    return Load(
        id=new_id(moment),
        lob=lob,
        trigger=Trigger.REQUEST,
        request=LoadRequest(lob=lob, begin_date="2026-01-01"),
        created_at=moment,
        updated_at=moment,
        body_hash=body_hash,
    )


def test_what_was_inserted_is_read_back_whole(loads: Loads) -> None:
    load = _load(body_hash="abc").model_copy(
        update={"settled": True, "claims_open": True, "alert_due": True, "waits_on": ("x",)}
    )
    assert loads.insert(load)
    stored = loads.get(load.id)
    assert stored is not None
    assert stored.load == load


def test_an_id_is_inserted_once(loads: Loads) -> None:
    load = _load()
    assert loads.insert(load)
    assert not loads.insert(load.moved(NOW, state=LoadState.FAILED))
    stored = loads.get(load.id)
    assert stored is not None
    assert stored.load.state is LoadState.ACCEPTED


def test_an_unknown_load_is_none(loads: Loads) -> None:
    assert loads.get("unknown") is None


def test_an_update_from_an_old_reading_is_a_conflict_and_changes_nothing(loads: Loads) -> None:
    load = _load()
    loads.insert(load)
    first, second = loads.get(load.id), loads.get(load.id)
    assert first is not None
    assert second is not None
    loads.update(first, load.moved(NOW, state=LoadState.SUBMITTING))
    with pytest.raises(Conflict):
        loads.update(second, load.moved(NOW, state=LoadState.FAILED))
    stored = loads.get(load.id)
    assert stored is not None
    assert stored.load.state is LoadState.SUBMITTING


def test_updates_can_follow_one_another_without_reading_again(loads: Loads) -> None:
    load = _load()
    loads.insert(load)
    stored = loads.get(load.id)
    assert stored is not None
    stored = loads.update(stored, load.moved(NOW, state=LoadState.SUBMITTING))
    stored = loads.update(stored, stored.load.moved(NOW, state=LoadState.RUNNING))
    assert stored.load.state is LoadState.RUNNING


def test_only_loads_that_need_looking_at_are_open(loads: Loads) -> None:
    done, untold, leftover, running = _load(), _load(), _load(), _load()
    for load in (done, untold, leftover, running):
        loads.insert(load)
    told = {"alert_due": False}
    for load, changes in ((done, told), (untold, {}), (leftover, {"claims_open": True, **told})):
        stored = loads.get(load.id)
        assert stored is not None
        loads.update(stored, load.moved(NOW, state=LoadState.FAILED, **changes))
    assert {stored.load.id for stored in loads.open()} == {untold.id, leftover.id, running.id}
    for load, change in ((leftover, {"claims_open": False}), (untold, told)):
        stored = loads.get(load.id)
        assert stored is not None
        loads.update(stored, stored.load.moved(NOW, **change))
    assert {stored.load.id for stored in loads.open()} == {running.id}


def test_the_first_look_of_a_process_finds_what_was_accepted_before_an_outage(loads: Loads) -> None:
    old = NOW - timedelta(days=20)
    load = Load(
        id=new_id(old), lob="falcon", trigger=Trigger.REQUEST, request=LoadRequest(), created_at=old, updated_at=old
    )
    loads.insert(load)
    assert load.id in {stored.load.id for stored in loads.open()}


def test_a_final_load_can_be_opened_again_for_its_claims(loads: Loads) -> None:
    load = _load()
    loads.insert(load)
    stored = loads.get(load.id)
    assert stored is not None
    stored = loads.update(stored, load.moved(NOW, state=LoadState.EMPTY))
    loads.update(stored, stored.load.moved(NOW, claims_open=True))
    assert [one.load.id for one in loads.open()] == [load.id]


def test_pages_are_newest_first_and_whole(loads: Loads) -> None:
    made = [_load(minute) for minute in range(7)]
    for load in made:
        loads.insert(load)
    seen: list[str] = []
    after = None
    while True:
        page, after = loads.page(None, None, 3, after)
        seen += [load.id for load in page]
        if after is None:
            break
    assert seen == [load.id for load in reversed(made)]


def test_pages_stay_as_they_are_while_new_loads_come_in(loads: Loads) -> None:
    made = [_load(minute) for minute in range(4)]
    for load in made:
        loads.insert(load)
    first, after = loads.page(None, None, 2, None)
    for minute in range(10, 13):
        loads.insert(_load(minute))
    second, _ = loads.page(None, None, 2, after)
    assert [load.id for load in (*first, *second)] == [load.id for load in reversed(made)]


def test_old_loads_are_dropped_with_their_keys_unless_something_is_open_on_them(loads: Loads) -> None:
    old, older, running, young = _load(0), _load(-1), _load(-2), _load(10)
    for load in (old, older, running, young):
        loads.insert(load)
        loads.reserve(f"key of {load.id}", load.id)
        stored = loads.get(load.id)
        assert stored is not None
        if load is not running:
            loads.update(stored, load.moved(NOW, state=LoadState.SUCCESS))
    before = NOW + timedelta(minutes=5)
    assert loads.drop(before, 1) == [old.id]
    assert loads.drop(before, 10) == [older.id]
    assert loads.drop(before, 10) == []
    assert [load.id for load in loads.page(None, None, 10, None)[0]] == [young.id, running.id]
    assert [loads.reserved(f"key of {load.id}") for load in (old, older)] == [None, None]
    assert loads.reserved(f"key of {running.id}") == running.id


def test_more_than_one_transaction_of_old_loads_is_dropped(loads: Loads) -> None:
    for minute in range(120):
        loads.insert(_load(minute).moved(NOW, state=LoadState.EMPTY))
    assert len(loads.drop(NOW + timedelta(days=1), 110)) == 110
    assert len(loads.page(None, None, 50, None)[0]) == 10


def test_pages_are_filtered_by_lob_and_state(loads: Loads) -> None:
    mine, other, failed = _load(1), _load(2, lob="eagle"), _load(3)
    for load in (mine, other, failed):
        loads.insert(load)
    stored = loads.get(failed.id)
    assert stored is not None
    loads.update(stored, failed.moved(NOW, state=LoadState.FAILED))
    assert [load.id for load in loads.page("falcon", None, 10, None)[0]] == [failed.id, mine.id]
    assert [load.id for load in loads.page(None, LoadState.FAILED, 10, None)[0]] == [failed.id]
    assert [load.id for load in loads.page("eagle", LoadState.FAILED, 10, None)[0]] == []


@pytest.mark.parametrize("state", [LoadState.ACCEPTED, LoadState.RUNNING, LoadState.FAILED])
@pytest.mark.parametrize("lob", [None, "falcon"])
def test_pages_of_one_state_are_whole_and_newest_first(loads: Loads, state: LoadState, lob: str | None) -> None:
    made = [_load(-minute * minute, lob="eagle" if minute % 3 else "falcon") for minute in range(9)]
    others = {LoadState.ACCEPTED, LoadState.RUNNING, LoadState.FAILED} - {state}
    for load, other in zip(made, cycle(others), strict=False):
        loads.insert(load)
        for one, moved in ((load, state), (_load(-5), other)):
            loads.insert(one)
            stored = loads.get(one.id)
            assert stored is not None
            if moved is not LoadState.ACCEPTED:
                loads.update(stored, one.moved(NOW, state=moved))
    seen: list[str] = []
    after: str | None = None
    for _ in made:
        page, after = loads.page(lob, state, 2, after)
        seen += [load.id for load in page]
        if after is None:
            break
    assert seen == [load.id for load in made if lob in (None, load.lob)]


def test_an_idempotency_key_stands_for_one_load(loads: Loads) -> None:
    assert loads.reserved("k") is None
    assert loads.reserve("k", "first") == "first"
    assert loads.reserve("k", "second") == "first"
    assert loads.reserved("k") == "first"
