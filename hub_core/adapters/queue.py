"""The queues `loads` and `blob-events`, in Queue Storage."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from hub_core.adapters.azure_faults import translated
from hub_core.adapters.message_body import decode_body
from hub_core.errors import HubError
from hub_core.logs import logger
from hub_core.ports import Event

log = logger(__name__)

LOADS = "loads"
EVENTS = "blob-events"
POISON = "-poison"
_HIDDEN_SECONDS = 300
_PER_CALL = 32
_THREADS = 8
_SENDERS = 4
_ANSWER_SECONDS = 0.002
"""So much later a message is sent behind the caller's back: sending takes the processor, and the answer goes first."""


class StorageQueue:
    """`Queue` in Queue Storage; messages are base64, as the Functions host reads them."""

    def __init__(self, service: QueueServiceClient, name: str) -> None:
        self._name = name
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix=f"send-{name}")
        self._client: QueueClient = service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())

    def ensure(self) -> None:
        """Make the queue."""
        with translated(f"making the queue {self._name}"):
            try:
                self._client.create_queue()
            except ResourceExistsError:
                return

    def ping(self) -> None:
        """Raise what keeps the queue from being used."""
        with translated(f"asking for the queue {self._name}"):
            self._client.get_queue_properties()

    def put(self, message: str, delay_seconds: int = 0) -> None:
        """See `Queue.put`."""
        with translated(f"sending to the queue {self._name}"):
            self._client.send_message(message, visibility_timeout=delay_seconds or None)

    def put_soon(self, message: str) -> None:
        """See `Queue.put_soon`."""
        self._senders.submit(self._put_or_log, message)

    def close(self) -> None:
        """Return once nothing waits to be sent."""
        self._senders.shutdown()

    def _put_or_log(self, message: str) -> None:
        time.sleep(_ANSWER_SECONDS)
        try:
            self.put(message)
        except HubError as error:
            log.warning("a message was not sent: %s", error.message, extra={"code": error.code})


class StorageEvents:
    """`Events` in Queue Storage. Event Grid may write there itself, so bodies come plain or as base64."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._incoming = StorageQueue(service, EVENTS)
        self._poisoned = StorageQueue(service, EVENTS + POISON)
        self._client = service.get_queue_client(EVENTS)

    def ensure(self) -> None:
        """Make the queues."""
        self._incoming.ensure()
        self._poisoned.ensure()

    def ping(self) -> None:
        """Raise what keeps the queue from being used."""
        self._incoming.ping()

    def put(self, body: str) -> None:
        """See `Events.put`."""
        self._incoming.put(body)

    def receive(self, limit: int) -> Sequence[Event]:
        """See `Events.receive`."""
        with translated(f"receiving from the queue {EVENTS}"):
            messages = self._client.receive_messages(
                max_messages=limit, messages_per_page=min(limit, _PER_CALL), visibility_timeout=_HIDDEN_SECONDS
            )
            return [
                Event(
                    decode_body(message.content), message.dequeue_count or 1, str(message.id), str(message.pop_receipt)
                )
                for message in messages
            ]

    def delete(self, events: Iterable[Event]) -> None:
        """See `Events.delete`; Queue Storage deletes one message a call, so several at once."""
        with translated(f"deleting from the queue {EVENTS}"), ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self._delete, events))

    def poison(self, event: Event) -> None:
        """See `Events.poison`."""
        self._poisoned.put(event.body)
        with translated(f"deleting from the queue {EVENTS}"):
            self._delete(event)

    def _delete(self, event: Event) -> None:
        try:
            self._client.delete_message(event.message_id, event.receipt)
        except ResourceNotFoundError:
            return  # deleted before, or visible again and taken by another drain: claims keep that harmless
