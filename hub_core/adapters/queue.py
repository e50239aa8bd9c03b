"""The queues `loads` and `blob-events`, in Queue Storage."""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from hub_core.adapters.azure_faults import translated
from hub_core.adapters.message_body import decode_body
from hub_core.errors import HubError, Transient
from hub_core.logs import logger
from hub_core.ports import Event

log = logger(__name__)

LOADS = "loads"
EVENTS = "blob-events"
POISON = "-poison"
_HIDDEN_SECONDS = 300
_PER_CALL = 32
_POISON_BYTES = 48 * 1024
_THREADS = 8
_SENDERS = 4
_ANSWER_SECONDS = 0.002
"""So much later a message is sent behind the caller's back: sending takes the processor, and the answer goes first."""
_PAUSES = (5.0, 10.0, 20.0)
"""After each passing fault it is sent again so many seconds later, or as many as storage asks for, if not too many."""
_LONGEST_PAUSE = 60.0
_WAITING = 100
"""At most so many messages wait for that, each in a thread: whatever else is not sent, `reconcile` sends in minutes."""


class StorageQueue:
    """`Queue` in Queue Storage; messages are base64, as the Functions host reads them."""

    def __init__(self, service: QueueServiceClient, name: str) -> None:
        self._name = name
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix=f"send-{name}")
        self._places = threading.BoundedSemaphore(_WAITING)
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
        self._senders.submit(self._send, message, _PAUSES)

    def close(self) -> None:
        """Return once nothing is being sent; what waits to be sent again is not."""
        self._senders.shutdown()

    def _send(self, message: str, pauses: Sequence[float]) -> None:
        time.sleep(_ANSWER_SECONDS)
        try:
            self.put(message)
        except HubError as error:
            if not (isinstance(error, Transient) and pauses and self._send_again(message, pauses, error.retry_after)):
                log.warning("a message was not sent: %s", error.message, extra={"code": error.code})

    def _send_again(self, message: str, pauses: Sequence[float], retry_after: float | None) -> bool:
        """Send it after a pause; False where that is too long, or too many wait. The process may end meanwhile."""
        pause = max(pauses[0], retry_after or 0.0)
        if pause > _LONGEST_PAUSE or not self._places.acquire(blocking=False):
            return False

        def send() -> None:
            self._places.release()
            try:
                self._senders.submit(self._send, message, pauses[1:])
            except RuntimeError:
                log.warning("a message was not sent: no more are sent since the queue was closed")

        timer = threading.Timer(pause, send)
        timer.daemon = True
        timer.start()
        return True


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
        # In base64 it takes a third more than as it may have come, and a message has 64 KiB at most.
        self._poisoned.put(event.body.encode("utf-8", "replace")[:_POISON_BYTES].decode("utf-8", "ignore"))
        with translated(f"deleting from the queue {EVENTS}"):
            self._delete(event)

    def _delete(self, event: Event) -> None:
        try:
            self._client.delete_message(event.message_id, event.receipt)
        except ResourceNotFoundError:
            return  # deleted before, or visible again and taken by another drain: claims keep that harmless
