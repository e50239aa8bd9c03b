"""What a service asked for with Retry-After, kept to by the whole process."""

from collections.abc import Callable

from hub_core.errors import Transient


class Pause:
    """Until when a service wants to be left alone. Loads, timers and callers share it, so that none asks meanwhile."""

    def __init__(self, code: str, who: str, now: Callable[[], float]) -> None:
        self._code = code
        self._who = who
        self._now = now
        self._until = 0.0

    def check(self) -> None:
        """Return if the service may be asked; else Transient, with the seconds that are left."""
        if (left := self._until - self._now()) > 0:
            raise Transient(self._code, f"{self._who} asked to wait, {left:.0f} s more", retry_after=left)

    def asked(self, seconds: float) -> None:
        """Leave it alone for so long."""
        self._until = max(self._until, self._now() + seconds)
