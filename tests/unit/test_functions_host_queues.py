"""The Functions host: what becomes of a message, and how often an empty queue is asked."""

import json
import random

import pytest

from local_stack.functions_host import protos
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
from local_stack.functions_host.queues import output_bodies


@pytest.mark.parametrize(
    ("count", "has_poison_queue", "step"),
    [(1, True, Before.RUN), (5, True, Before.RUN), (6, True, Before.POISON), (6, False, Before.LEAVE)],
)
def test_a_message_beyond_the_maximum_is_not_tried_again(count: int, has_poison_queue: bool, step: Before) -> None:
    assert before_run(count, 5, has_poison_queue=has_poison_queue) is step


@pytest.mark.parametrize(
    ("ok", "count", "has_poison_queue", "step"),
    [
        (True, 1, True, After.DELETE),
        (True, 5, False, After.DELETE),
        (False, 4, True, After.RELEASE),
        (False, 5, True, After.POISON),
        (False, 1, False, After.LEAVE),
    ],
)
def test_a_failure_is_released_until_the_last_try(ok: bool, count: int, has_poison_queue: bool, step: After) -> None:
    assert after_run(ok=ok, dequeue_count=count, max_dequeue_count=5, has_poison_queue=has_poison_queue) is step


def test_a_poison_queue_has_no_poison_queue() -> None:
    assert poison_queue("loads") == "loads-poison"
    assert poison_queue("loads-poison") is None
    assert poison_queue("x" * 60) is None


def test_an_empty_queue_is_asked_ever_more_seldom_up_to_the_maximum() -> None:
    backoff = Backoff(2.0, random.Random(7))
    waits = [backoff.empty() for _ in range(10)]
    assert 0.1 < waits[0] < 0.3
    assert waits[:4] == sorted(waits[:4])
    assert waits[-5:] == [2.0] * 5


def test_a_message_makes_the_queue_interesting_again() -> None:
    backoff = Backoff(60.0, random.Random(7))
    for _ in range(1000):
        backoff.empty()
    assert backoff.found() == 0.1
    assert backoff.empty() < 0.3


def test_a_body_survives_both_encodings() -> None:
    assert decode_body(encode_body(b"\xffa", base64_encoded=True), base64_encoded=True) == b"\xffa"
    assert decode_body(encode_body(b"{}", base64_encoded=False), base64_encoded=False) == b"{}"
    assert decode_body("{}", base64_encoded=True) is None


@pytest.mark.parametrize(
    ("value", "bodies"),
    [
        (protos.TypedData(string="a"), [b"a"]),
        (protos.TypedData(bytes=b"\xff"), [b"\xff"]),
        (protos.TypedData(json=json.dumps(["a", "b"])), [b"a", b"b"]),
        (protos.TypedData(json=json.dumps({"id": None, "body": "a"})), [b"a"]),
        (protos.TypedData(json=json.dumps({"lob": "x"})), [b'{"lob": "x"}']),
        (protos.TypedData(), []),
    ],
)
def test_an_output_becomes_messages(value: protos.TypedData, bodies: list[bytes]) -> None:
    assert output_bodies(value) == bodies
