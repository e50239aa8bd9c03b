"""Loads that were asked for or written lately, so that many who poll one load cost storage one read a second."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from hub_core.load import Load
from hub_core.model import LoadState
from hub_core.ports import Loads, Stored

FRESH_SECONDS = 1.0
FINAL_SECONDS = 60.0
"""A load that has ended rarely changes: only what another process does about claims that it left."""
MOST = 2_000


@dataclass(slots=True)
class RecentLoads:
    """`Loads` that answers status questions from memory; what this process has written itself shows at once."""

    loads: Loads
    monotonic: Callable[[], float]
    _seen: OrderedDict[str, tuple[float, Load]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def status(self, load_id: str) -> Load | None:
        """The load, or None: as it was at most a second ago, or a minute where it has ended."""
        with self._lock:
            fresh_until, load = self._seen.get(load_id, (0.0, None))
        if load is not None and self.monotonic() < fresh_until:
            return load
        stored = self.loads.get(load_id)
        return None if stored is None else self._remember(stored.load)

    def insert(self, load: Load) -> bool:
        """See `Loads.insert`."""
        inserted = self.loads.insert(load)
        if inserted:
            self._remember(load)
        return inserted

    def update(self, stored: Stored, load: Load) -> Stored:
        """See `Loads.update`."""
        written = self.loads.update(stored, load)
        self._remember(written.load)
        return written

    def get(self, load_id: str) -> Stored | None:
        """See `Loads.get`."""
        return self.loads.get(load_id)

    def reserved(self, key: str) -> str | None:
        """See `Loads.reserved`."""
        return self.loads.reserved(key)

    def reserve(self, key: str, load_id: str) -> str:
        """See `Loads.reserve`."""
        return self.loads.reserve(key, load_id)

    def open(self) -> Iterator[Stored]:
        """See `Loads.open`."""
        return self.loads.open()

    def page(
        self, lob: str | None, status: LoadState | None, limit: int, continuation: str | None
    ) -> tuple[Sequence[Load], str | None]:
        """See `Loads.page`."""
        return self.loads.page(lob, status, limit, continuation)

    def drop(self, before: datetime, limit: int) -> Sequence[str]:
        """See `Loads.drop`; what is remembered of them goes too."""
        dropped = self.loads.drop(before, limit)
        with self._lock:
            for load_id in dropped:
                self._seen.pop(load_id, None)
        return dropped

    def _remember(self, load: Load) -> Load:
        fresh_until = self.monotonic() + (FRESH_SECONDS if load.is_open else FINAL_SECONDS)
        with self._lock:
            self._seen[load.id] = (fresh_until, load)
            self._seen.move_to_end(load.id)
            if len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return load
