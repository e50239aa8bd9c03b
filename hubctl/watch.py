"""Following a load until it is final: polls as the service asks, and sits out what passes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from hub_core.model import FINAL_STATES
from hubctl.documents import Load
from hubctl.failures import Exit, OutOfTime, Unreachable

_POLL_SECONDS = 2.0
_LONGEST_WAIT = 60.0
_TRIES = 8
_GOOD = frozenset({"SUCCESS", "EMPTY"})


class Clock(Protocol):
    """Time, so that tests need not wait."""

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        ...

    def sleep(self, seconds: float) -> None:
        """Come back after `seconds`."""
        ...


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        """Seconds since some start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a command may take, from now on."""

    clock: Clock
    timeout_seconds: float | None = None
    until: float | None = field(init=False)
    """Of the clock; None: for as long as it takes."""

    def __post_init__(self) -> None:
        until = None if self.timeout_seconds is None else self.clock.now() + self.timeout_seconds
        object.__setattr__(self, "until", until)

    @property
    def left(self) -> float | None:
        """Seconds, less than 0 where it is over."""
        return None if self.until is None else self.until - self.clock.now()


def is_final(load: Load) -> bool:
    """Whether nothing more will happen to the load; a state that is new to this client is not final."""
    return load.state in FINAL_STATES


def exit_code(load: Load) -> Exit:
    """0 for SUCCESS and EMPTY, 1 for every other final state."""
    return Exit.OK if load.state in _GOOD else Exit.NOT_ALL_GOOD


def persist[Answer](call: Callable[[], Answer], patience: Patience, *, tries: int = _TRIES) -> Answer:
    """`call`'s answer; while it is Unreachable it is tried again with growing pauses, `tries` times in all."""
    pause = 1.0
    for left in range(tries - 1, -1, -1):
        try:
            return call()
        except Unreachable as failure:
            wait = min(failure.retry_after if failure.retry_after is not None else pause, _LONGEST_WAIT)
            late = patience.left is not None and wait > patience.left
            if left == 0 or late:
                raise
            patience.clock.sleep(wait)
            pause = min(pause * 2, 30.0)
    raise AssertionError("unreachable")


def follow(
    load: Load,
    retry_after: float | None,
    *,
    fetch: Callable[[str], tuple[Load, float | None]],
    patience: Patience,
    show: Callable[[Load], None],
) -> Load:
    """`load` once it is final; each state seen goes to `show`. OutOfTime when patience's timeout runs out."""
    show(load)
    while not is_final(load):
        wait = max(0.2, min(retry_after if retry_after is not None else _POLL_SECONDS, _LONGEST_WAIT))
        left = patience.left
        if left is not None and left <= 0:
            raise OutOfTime(
                f"load {load.id} is still {load.state} after {patience.timeout_seconds:g} s",
                remedy=f"it goes on; follow it with: hubctl status {load.id} --watch",
            )
        patience.clock.sleep(wait if left is None else min(wait, left))
        load, retry_after = persist(partial(fetch, load.id), patience)
        show(load)
    return load
