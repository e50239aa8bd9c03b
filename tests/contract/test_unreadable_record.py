"""A record that this version cannot read is an operator's, and keeps no other load from being looked at."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import UpdateMode

from hub_core.adapters.storage_accounts import HOST_STORAGE, HostStorage
from hub_core.adapters.table import TableLoads
from hub_core.errors import Broken
from hub_core.load import Load, new_id
from hub_core.model import LoadState, Trigger
from hub_core.request import LoadRequest
from local_stack.azurite import Azurite

pytestmark = pytest.mark.stack


def test_it_is_told_of_and_passed_over(azurite: Azurite, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    service = HostStorage({HOST_STORAGE: azurite.connection_string}).tables()
    loads = TableLoads(service, lambda: now, "unreadable")
    loads.ensure()
    ids = [new_id(now) for _ in range(3)]
    for load_id in ids:
        loads.insert(
            Load(id=load_id, lob="x", trigger=Trigger.REQUEST, request=LoadRequest(), created_at=now, updated_at=now)
        )
    table = service.get_table_client("unreadable")
    table.update_entity({"PartitionKey": "load", "RowKey": ids[1], "document": '{"id": 1}'}, mode=UpdateMode.MERGE)
    with pytest.raises(Broken, match=ids[1]):
        loads.get(ids[1])
    with caplog.at_level(logging.ERROR):
        assert {stored.load.id for stored in loads.open()} == {ids[0], ids[2]}
        assert {load.id for load in loads.page(None, None, 3, None)[0]} == {ids[0], ids[2]}
    assert [record.load_id for record in caplog.records] == [ids[1]] * 2  # type: ignore[attr-defined] — extra
    for load_id in (ids[0], ids[2]):
        stored = loads.get(load_id)
        assert stored is not None
        loads.update(stored, stored.load.moved(now, state=LoadState.EMPTY))
    assert set(loads.drop(now + timedelta(days=1), 10)) == {ids[0], ids[2]}
    service.delete_table("unreadable")
