"""Event Grid on this machine: blob events as it spells them, and its ways to deliver them."""

import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from urllib.parse import quote
from uuid import uuid4

import httpx

from hub_core.events import COMPLETING, CREATED, FOLDER_RENAMED, RENAMED
from hub_core.paths import Location

type Event = dict[str, object]

PER_DELIVERY = 50
"""Events that a subscription with batching gets at once."""
_SENDERS = 4
_PAUSES = (2, 10, 30, 60)
"""Seconds until a delivery is made again; Event Grid itself waits 10 s at first, and goes on for a day."""
_QUEUE_SENDERS = 8


def blob_event(
    place: Location, api: str = "PutBlob", *, kind: str = CREATED, etag: str = "0x1", size: int = 0
) -> Event:
    """An event in Event Grid's own schema; a rename leads to `place`."""
    host = place.host.replace(".dfs.", ".blob.", 1)
    url = f"http://{host}/{place.container}/{quote(place.name)}"
    named = {"destinationUrl": url, "sourceUrl": f"{url}.part"} if kind in (RENAMED, FOLDER_RENAMED) else {"url": url}
    return {
        "topic": f"/subscriptions/local/providers/Microsoft.Storage/storageAccounts/{host.partition('.')[0]}",
        "subject": f"/blobServices/default/containers/{place.container}/blobs/{place.name}",
        "eventType": kind,
        "id": str(uuid4()),
        "eventTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "dataVersion": "",
        "metadataVersion": "1",
        "data": {
            "api": api,
            "eTag": etag,
            "contentType": "application/octet-stream",
            "contentLength": size,
            "blobType": "BlockBlob",
            "sequencer": f"{time.time_ns():032X}",
            **named,
        },
    }


def cloud_event(event: Event) -> Event:
    """The same event in the schema of CloudEvents 1.0."""
    names = {"source": "topic", "subject": "subject", "type": "eventType", "id": "id", "time": "eventTime"}
    return {"specversion": "1.0", **{name: event[old] for name, old in names.items()}, "data": event["data"]}


def deliver(event_grid_url: str, events: Sequence[Mapping[str, object]]) -> int:
    """POST one delivery to the webhook; the answer's status."""
    with httpx.Client(timeout=60) as client:
        return _deliver(client, event_grid_url, events)


def deliver_all(event_grid_url: str, events: Sequence[Mapping[str, object]]) -> None:
    """Deliver many events, some at once; as Event Grid does, a delivery that is not taken is made again."""

    def send(some: Sequence[Mapping[str, object]]) -> None:
        for pause in _PAUSES:
            status = _deliver(client, event_grid_url, some)
            if status < 300:
                return
            time.sleep(pause)
        raise RuntimeError(f"the webhook answered {status}, {len(_PAUSES)} times")

    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(_SENDERS) as pool:
        list(pool.map(send, batched(events, PER_DELIVERY)))


def _deliver(client: httpx.Client, url: str, events: Sequence[Mapping[str, object]]) -> int:
    cloud = "specversion" in events[0]
    kind = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"} if cloud else {}
    answer = client.post(url, json=list(events), headers={"aeg-event-type": "Notification", **kind})
    return answer.status_code


def deliver_to_queue(connection_string: str, queue: str, events: Sequence[Mapping[str, object]]) -> None:
    """Deliver as a subscription with a storage queue as its endpoint does: one message an event, in base64."""
    import json

    from azure.storage.queue import QueueClient, TextBase64EncodePolicy

    client = QueueClient.from_connection_string(
        connection_string, queue, message_encode_policy=TextBase64EncodePolicy()
    )
    with client, ThreadPoolExecutor(_QUEUE_SENDERS) as pool:
        list(pool.map(lambda event: client.send_message(json.dumps(event)), events))


@dataclass(frozen=True, slots=True)
class Storm:
    """Many events, out of order, and what they are worth."""

    events: list[Event]
    of_files: int
    """Events, duplicates among them, of files that feeds want, whether these are still there or not."""
    dropped: int
    """Events of anything else."""


def storm(files: Sequence[Location], gone: Sequence[Location], *, count: int, seed: int) -> Storm:
    """`count` events: one at least for each file, others of files that are gone again, and many of nothing of ours.

    All of `files` and `gone` lie in folders of feeds that want them.
    """
    chance = random.Random(seed)  # noqa: S311 — for a test
    completing = sorted(COMPLETING)

    def arrival(place: Location) -> Event:
        if chance.random() < 0.1:
            return blob_event(place, "RenameFile", kind=RENAMED)
        return blob_event(place, chance.choice(completing))

    def foreign(place: Location) -> Event:
        folder, _, name = place.name.rpartition("/")
        others = (
            lambda: blob_event(place, "CreateFile"),
            lambda: blob_event(place, "DeleteBlob", kind="Microsoft.Storage.BlobDeleted"),
            lambda: blob_event(Location(place.container, f"elsewhere.{place.host.partition('.')[2]}", place.name)),
            lambda: blob_event(Location("elsewhere", place.host, place.name)),
            lambda: blob_event(Location(place.container, place.host, f"raw/nobody/{name}")),
            lambda: blob_event(Location(place.container, place.host, f"{folder}/_tmp/{name}")),
        )
        return chance.choice(others)()

    events = [arrival(place) for place in (*files, *gone)]
    dropped = 0
    while len(events) < count:
        place = chance.choice((*files, *gone))
        if chance.random() < 0.5:
            events.append(arrival(place))
        else:
            events.append(foreign(place))
            dropped += 1
    chance.shuffle(events)
    return Storm(events, len(events) - dropped, dropped)
