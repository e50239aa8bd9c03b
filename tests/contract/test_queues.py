"""`Queue` and `Events` on Queue Storage, by the service's own clients."""

import time
import uuid
from collections.abc import Iterator

import pytest

from hub_core.adapters.message_body import decode_body
from hub_core.adapters.queue import StorageEvents, StorageQueue
from hub_core.adapters.storage_accounts import HOST_STORAGE, HostStorage
from hub_core.ports import Events
from local_stack.azurite import Azurite
from local_stack.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
def storage(azurite: Azurite) -> HostStorage:
    return HostStorage({HOST_STORAGE: azurite.connection_string})


@pytest.fixture
def events(parts: Stack, storage: HostStorage) -> Iterator[Events]:
    if parts.runs("functions"):
        # Its drain would take the messages.
        parts.stop("functions")
    events = StorageEvents(storage.queues())
    events.ensure()
    events.ensure()
    yield events
    events.delete(events.receive(100))


def test_a_message_arrives_now_later_and_behind_the_callers_back(storage: HostStorage) -> None:
    service = storage.queues()
    name = f"q{uuid.uuid4().hex[:12]}"
    queue = StorageQueue(service, name)
    queue.ensure()
    queue.put("now, ünï")
    queue.put("later", delay_seconds=1)
    queue.put_soon("soon")
    queue.close()
    client = service.get_queue_client(name)
    assert len(list(client.receive_messages(max_messages=10))) == 2
    time.sleep(1.2)
    assert len(list(client.receive_messages(max_messages=10))) == 1
    service.delete_queue(name)


def test_a_message_that_base64_makes_too_large_is_poisoned_as_far_as_it_fits(
    events: Events, storage: HostStorage
) -> None:
    with storage.queues().get_queue_client("blob-events") as incoming:
        incoming.send_message("{" + "x" * 60_000)
    [taken] = events.receive(10)
    events.poison(taken)
    assert events.receive(10) == []
    with storage.queues().get_queue_client("blob-events-poison") as poisoned:
        [message] = poisoned.receive_messages(max_messages=10)
        assert decode_body(message.content) == taken.body[: 48 * 1024]
        poisoned.delete_message(message)


def test_events_are_taken_whole_deleted_once_and_poisoned(events: Events, storage: HostStorage) -> None:
    bodies = {f'{{"n": {number}, "name": "ünï"}}' for number in range(40)}
    for body in bodies:
        events.put(body)
    taken = list(events.receive(100))
    assert {one.body for one in taken} == bodies
    assert {one.dequeue_count for one in taken} == {1}
    assert list(events.receive(100)) == []
    events.delete(taken[1:])
    events.delete(taken[1:])
    events.poison(taken[0])
    with storage.queues().get_queue_client("blob-events-poison") as poisoned:
        [message] = poisoned.receive_messages(max_messages=10)
        assert message.content
        poisoned.delete_message(message)
