"""Loads that were asked for lately, so that many who poll one load cost storage one read a second."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from hub_core.load import Load
from hub_core.ports import Loads

FRESH_SECONDS = 1.0
MOST = 2_000


@dataclass(slots=True)
class RecentLoads:
    """`Loads.get` for status questions: a final load as it is, another at most a second old."""

    loads: Loads
    monotonic: Callable[[], float]
    _seen: OrderedDict[str, tuple[float, Load]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, load_id: str) -> Load | None:
        """The load, or None."""
        with self._lock:
            fresh_until, load = self._seen.get(load_id, (0.0, None))
        if load is not None and (not load.is_open or self.monotonic() < fresh_until):
            return load
        stored = self.loads.get(load_id)
        return None if stored is None else self.remember(stored.load)

    def remember(self, load: Load) -> Load:
        """Keep a load that was just read or written."""
        with self._lock:
            self._seen[load.id] = (self.monotonic() + FRESH_SECONDS, load)
            self._seen.move_to_end(load.id)
            if len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return load
