"""Delta's concurrent modification: the same statement may succeed when it is run again."""

import random
import time
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


def again_on_conflict[Result](
    act: Callable[[], Result], is_conflict: Callable[[Exception], bool], deadline_seconds: float
) -> Result:
    """`act`'s result; a conflict is met by running it again, after growing, jittered pauses, until the deadline."""
    until, pause = time.monotonic() + deadline_seconds, _FIRST_PAUSE_SECONDS
    while True:
        try:
            return act()
        except Exception as error:
            if not is_conflict(error) or time.monotonic() > until:
                raise
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 — jitter, no secret
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
