"""Queue triggers and queue outputs against a storage account, as the host's Queues extension does them."""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local_stack.functions_host import protos
from local_stack.functions_host.errors import StartFailed
from local_stack.functions_host.host_json import QueueOptions
from local_stack.functions_host.index import Function, QueueOutput, QueueTrigger
from local_stack.functions_host.pause import pause
from local_stack.functions_host.queue_policy import (
    After,
    Backoff,
    Before,
    after_run,
    before_run,
    decode_body,
    encode_body,
    poison_queue,
)
from local_stack.functions_host.worker import Worker

log = logging.getLogger(__name__)


class Storage:
    """Queue clients by connection string; one connection pool each."""

    def __init__(self) -> None:
        self._services: dict[str, QueueServiceClient] = {}

    def queue(self, connection: str, name: str) -> QueueClient:
        """A client of the queue, for message text as it is: encodings are the callers' business."""
        service = self._services.get(connection)
        if service is None:
            try:
                service = QueueServiceClient.from_connection_string(
                    connection,
                    # The library's own default waits 15 s before its first retry.
                    initial_backoff=1,
                    increment_base=2,
                    retry_total=2,
                )
            except ValueError as error:
                raise StartFailed(f"the connection string of queue {name} is not one: {error}") from error
            self._services[connection] = service
        return service.get_queue_client(name)

    async def close(self) -> None:
        """Close the connections."""
        for service in self._services.values():
            await service.close()


class QueuePoller:
    """Feeds one function from its queue until told to stop."""

    def __init__(
        self,
        function: Function,
        trigger: QueueTrigger,
        *,
        storage: Storage,
        options: QueueOptions,
        lease: int,
        worker: Worker,
        stop: asyncio.Event,
    ) -> None:
        self._function = function
        self._options = options
        self._lease = lease
        self._worker = worker
        self._stop = stop
        self._name = trigger.queue
        self._queue = storage.queue(trigger.connection, trigger.queue)
        poison = poison_queue(trigger.queue)
        self._poison = storage.queue(trigger.connection, poison) if poison else None
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Create the queue if it is absent; where storage does not answer, polling will find out again."""
        try:
            await _create(self._queue)
        except AzureError as error:
            log.warning("queue %s: %s", self._name, _one_line(error))

    async def run(self) -> None:
        """Poll until stopped, then wait for the messages in hand. A storage outage is logged and waited out."""
        backoff = Backoff(self._options.max_polling_interval, random.Random())  # noqa: S311 - jitter
        while not self._stop.is_set():
            try:
                found = await self._poll()
            except AzureError as error:
                log.warning("queue %s: %s", self._name, _one_line(error))
                found = False
            if await pause(self._stop, backoff.found() if found else backoff.empty()):
                break
            await self._room()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _poll(self) -> bool:
        """Start what one GetMessages call brings; whether it brought anything."""
        try:
            messages = await self._receive()
        except ResourceNotFoundError:
            await _create(self._queue)
            messages = []
        for message in messages:
            task = asyncio.create_task(self._process(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return bool(messages)

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=self._lease
        ).by_page()
        async for page in pages:
            return [message async for message in page]
        return []

    async def _room(self) -> None:
        """Wait until so few messages are running that the host would fetch again."""
        while len(self._tasks) > self._options.new_batch_threshold:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _process(self, message: QueueMessage) -> None:
        try:
            await self._process_message(message)
        except AzureError as error:
            log.warning(
                "queue %s: message %s comes back when its lease ends: %s", self._name, message.id, _one_line(error)
            )

    async def _process_message(self, message: QueueMessage) -> None:
        count, limit, has_poison = message.dequeue_count or 1, self._options.max_dequeue_count, self._poison is not None
        body = decode_body(str(message.content), base64_encoded=self._options.base64)
        match before_run(count, limit, has_poison_queue=has_poison):
            case Before.POISON:
                return await self._to_poison(message, f"dequeued {count} times")
            case Before.LEAVE:
                return None
        if body is None:
            return await self._to_poison(message, "its body is not base64, as host.json's messageEncoding has it")
        done = asyncio.Event()
        lease = asyncio.create_task(self._renew(message, done))
        try:
            outcome = await self._worker.invoke(self._function, message_data(body), message_metadata(message))
        finally:
            done.set()
            await lease
        after = after_run(ok=outcome.ok, dequeue_count=count, max_dequeue_count=limit, has_poison_queue=has_poison)
        match after:
            case After.DELETE:
                await self._queue.delete_message(message.id, message.pop_receipt)
            case After.RELEASE:
                hidden = round(self._options.visibility_timeout)
                await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=hidden)
            case After.POISON:
                await self._to_poison(message, f"failed {count} times")
        return None

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        """Keep the message hidden while its function runs, its new pop receipt in the message itself."""
        while not await pause(done, self._lease / 2):
            try:
                renewed = await self._queue.update_message(
                    message.id, message.pop_receipt, visibility_timeout=self._lease
                )
                message.pop_receipt = renewed.pop_receipt
            except AzureError as error:
                log.warning("queue %s: lease of message %s not renewed: %s", self._name, message.id, _one_line(error))

    async def _to_poison(self, message: QueueMessage, why: str) -> None:
        """Copy the message's text to the poison queue, then delete it; a crash between the two doubles it."""
        if self._poison is None:
            log.error("queue %s: message %s %s; a poison queue has none of its own", self._name, message.id, why)
            return
        log.error("queue %s: message %s %s, so it moves to %s", self._name, message.id, why, self._poison.queue_name)
        await send_text(self._poison, str(message.content))
        await self._queue.delete_message(message.id, message.pop_receipt)


class QueueOutputs:
    """Sends what functions put into their queue output bindings, after the function's success."""

    def __init__(self, storage: Storage, options: QueueOptions) -> None:
        self._storage = storage
        self._options = options

    async def send(self, function: Function, values: Mapping[str, protos.TypedData]) -> None:
        """Each output's messages, in their order."""
        for output in function.outputs:
            if output.param in values:
                await self._send(output, values[output.param])

    async def _send(self, output: QueueOutput, value: protos.TypedData) -> None:
        queue = self._storage.queue(output.connection, output.queue)
        for body in output_bodies(value):
            await send_text(queue, encode_body(body, base64_encoded=self._options.base64))


def output_bodies(value: protos.TypedData) -> list[bytes]:
    """The messages in an output value: text, bytes, a func.QueueMessage, or a list of texts or QueueMessages."""
    kind = value.WhichOneof("data")
    content = value.__dict__[kind] if kind else None
    if isinstance(content, bytes):
        return [content]
    if kind != "json":
        return [] if content is None else [str(content).encode()]
    document = json.loads(str(content))
    items = document if isinstance(document, list) else [document]
    # The worker encodes a QueueMessage as {"id": …, "body": …}.
    return [
        str(item["body"] if isinstance(item, dict) and set(item) == {"id", "body"} else _text(item)).encode()
        for item in items
    ]


async def send_text(queue: QueueClient, text: str) -> None:
    """Send the text as it is, the queue made where it is missing."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        await _create(queue)
        await queue.send_message(text)


def message_data(body: bytes) -> protos.TypedData:
    """A message's body for the worker: text where it is UTF-8, else bytes."""
    try:
        return protos.TypedData(string=body.decode())
    except UnicodeDecodeError:
        return protos.TypedData(bytes=body)


def message_metadata(message: QueueMessage) -> dict[str, protos.TypedData]:
    """What func.QueueMessage shows beside the body."""
    now = datetime.now(UTC)
    return {
        "Id": protos.TypedData(string=message.id),
        "DequeueCount": protos.TypedData(json=str(message.dequeue_count or 1)),
        "PopReceipt": protos.TypedData(string=message.pop_receipt or ""),
        "InsertionTime": _time(message.inserted_on or now),
        "ExpirationTime": _time(message.expires_on or now),
        "NextVisibleTime": _time(message.next_visible_on or now),
    }


def _time(moment: datetime) -> protos.TypedData:
    return protos.TypedData(json=json.dumps(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")))


def _text(item: object) -> str:
    return item if isinstance(item, str) else json.dumps(item)


async def _create(queue: QueueClient) -> None:
    """Have the queue; the service answers 204 for one that is there, 409 if that has other metadata."""
    with contextlib.suppress(ResourceExistsError):
        await queue.create_queue()


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
