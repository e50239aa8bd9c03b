"""What becomes of a queue message, and how long an empty queue is left alone: the host's rules, without I/O."""

import base64
import binascii
import random
from enum import StrEnum

MIN_POLLING_INTERVAL = 0.1
MAX_QUEUE_NAME = 63
POISON_SUFFIX = "-poison"


class Before(StrEnum):
    """What to do with a message that was just dequeued."""

    RUN = "run"
    POISON = "poison"
    LEAVE = "leave"


class After(StrEnum):
    """What to do with a message whose function ended."""

    DELETE = "delete"
    RELEASE = "release"
    POISON = "poison"
    LEAVE = "leave"


def before_run(dequeue_count: int, max_dequeue_count: int, *, has_poison_queue: bool) -> Before:
    """A count beyond the maximum means that earlier runs crashed: poison without another try."""
    if dequeue_count <= max_dequeue_count:
        return Before.RUN
    return Before.POISON if has_poison_queue else Before.LEAVE


def after_run(*, ok: bool, dequeue_count: int, max_dequeue_count: int, has_poison_queue: bool) -> After:
    """A failed message of a poison queue stays hidden until its lease ends, or it would spin."""
    if ok:
        return After.DELETE
    if not has_poison_queue:
        return After.LEAVE
    return After.POISON if dequeue_count >= max_dequeue_count else After.RELEASE


def poison_queue(queue: str) -> str | None:
    """`<queue>-poison`; None where the queue is a poison queue itself, or the name would be too long."""
    name = queue + POISON_SUFFIX
    return None if queue.endswith(POISON_SUFFIX) or len(name) > MAX_QUEUE_NAME else name


class Backoff:
    """Waits between polls: 100 ms after a message, growing with randomness to the maximum on an empty queue."""

    def __init__(self, maximum: float, jitter: random.Random) -> None:
        self._maximum = max(maximum, MIN_POLLING_INTERVAL)
        self._jitter = jitter
        self._empty = 0

    def found(self) -> float:
        """Seconds to wait after a poll that brought messages."""
        self._empty = 0
        return MIN_POLLING_INTERVAL

    def empty(self) -> float:
        """Seconds to wait after a poll that brought nothing, or failed."""
        # 2^20 × 100 ms is a day: beyond any maximum, and far from an overflow.
        self._empty = min(self._empty + 1, 20)
        growth = (2**self._empty - 1) * MIN_POLLING_INTERVAL * self._jitter.uniform(0.8, 1.2)
        return float(min(MIN_POLLING_INTERVAL + growth, self._maximum))


def decode_body(text: str, *, base64_encoded: bool) -> bytes | None:
    """The message's body; None when it is not in the encoding that host.json names."""
    if not base64_encoded:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def encode_body(body: bytes, *, base64_encoded: bool) -> str:
    """The body as message text, in the encoding that host.json names."""
    return base64.b64encode(body).decode() if base64_encoded else body.decode()
