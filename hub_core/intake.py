"""Events in: many messages become one load per LOB."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from hub_core.errors import Rejected, Transient
from hub_core.events import NotAnEvent, Place, assign, place_of, read_event
from hub_core.feeds import ParsedConfig, unreadable
from hub_core.gather import ConfigReader
from hub_core.logs import kept_apart, logger
from hub_core.model import Trigger
from hub_core.named_loads import start_named
from hub_core.paths import is_below, topmost
from hub_core.ports import Clock, Documents, Event, Events, Landing, Loads, Queue
from hub_core.telemetry import SILENT, Telemetry

log = logger(__name__)

MAX_EVENTS = 20_000
MAX_DEQUEUES = 5


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the messages that a drain found: `events` is the sum of the other numbers.

    In the place of a message that tells of a folder its files are counted.
    """

    events: int = 0
    files: int = 0
    """Named to loads, each once."""
    duplicate: int = 0
    """Further events of those files."""
    dropped: int = 0
    """Of other things than complete files, of places that are none of ours, and of files that no feed wants."""
    left: int = 0
    """Those that come again: of a LOB whose CSV cannot be read now, or whose load or poisoning could not be done."""
    poisoned: int = 0
    loads: tuple[str, ...] = ()
    """The loads made, one per LOB."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes blob events in, and drains them into loads."""

    configs: ConfigReader
    landing: Landing
    loads: Loads
    queue: Queue
    events: Events
    documents: Documents
    clock: Clock
    endpoints: Mapping[str, str]
    """See `hub_core.events.path_of`."""
    telemetry: Telemetry = SILENT

    def take(self, body: str) -> bool:
        """Keep an event that may be of ours; whether it was kept. Storage decides later what is there."""
        try:
            arrival = read_event(body)
        except NotAnEvent as error:
            self.telemetry.measure("hub.events", 1, outcome="refused")
            raise Rejected("NOT_AN_EVENT", str(error)) from error
        place = place_of(arrival, self.endpoints)
        if place is None or not self._concerns(place):
            self.telemetry.measure("hub.events", 1, outcome="dropped")
            return False
        self.events.put(body)
        return True

    def _concerns(self, place: Place) -> bool:
        roots = self.configs.allowed_roots
        holds = place.folder_since is not None and any(root.startswith(place.path) for root in roots)
        return holds or is_below(place.path, roots)

    def drain(self) -> Drained:
        """Make one load per LOB of all waiting events. A message is deleted only once its load is queued."""
        received: list[Event] = []
        while len(received) < MAX_EVENTS and (batch := self.events.receive(MAX_EVENTS - len(received))):
            received.extend(batch)
        if not received:
            return Drained()
        places, poisoned = self._places(received)
        somewhere = any(place is not None for _, place in places)
        configs = {lob: self._read(lob) for lob in sorted(self.configs.lobs())} if somewhere else {}
        # What a LOB wants whose CSV cannot be read, nobody knows yet: its events come again, until they are poison.
        closed = [
            source
            for lob, config in configs.items()
            if not config.readable
            for source in self.configs.house(lob).sources
        ]
        sources = [feed.source_path for config in configs.values() for feed in config.feeds if feed.is_active]
        good = self._files(places, (*sources, *closed))
        unknown = len(received) - len({event.message_id for event, _ in good})
        paths = [path for _, path in good if path is not None]
        by_lob = assign(paths, configs).by_lob
        made = {lob: load_id for lob, wanted in by_lob.items() if (load_id := self._start(lob, wanted)) is not None}
        unmade = {path for lob, wanted in by_lob.items() if lob not in made for path in wanted}
        left = unmade | {path for path in paths if is_below(path, closed)}
        named = {path for lob in made for path in by_lob[lob]} - left
        again = {event.message_id for event, path in good if path in left}
        done = {event.message_id: event for event, _ in good if event.message_id not in again}
        try:
            self.events.delete(done.values())
        except Transient as fault:
            # Their loads are queued: coming again, they find their files claimed or loaded.
            log.warning("messages could not be deleted: %s", fault.message, extra={"code": fault.code})
        of_named, of_left = (sum(path in some for path in paths) for some in (named, left))
        drained = Drained(
            events=len(good) + unknown,
            files=len(named),
            duplicate=of_named - len(named),
            dropped=len(good) - of_named - of_left,
            left=of_left + unknown - poisoned,
            poisoned=poisoned,
            loads=tuple(made.values()),
        )
        log.info("drained blob events", extra=asdict(drained))
        for outcome in ("files", "duplicate", "dropped", "left", "poisoned"):
            if count := getattr(drained, outcome):
                self.telemetry.measure("hub.events", count, outcome=outcome.removesuffix("s"))
        self.telemetry.measure("hub.events.loads", len(made))
        return drained

    def _places(self, received: Sequence[Event]) -> tuple[list[tuple[Event, Place | None]], int]:
        """Where each message points, and how many of those that are no event, or came too often, were poisoned."""
        places: list[tuple[Event, Place | None]] = []
        poisoned = 0
        for event in received:
            try:
                if event.dequeue_count > MAX_DEQUEUES:
                    raise NotAnEvent("tried too often")
                places.append((event, place_of(read_event(event.body), self.endpoints)))
            except NotAnEvent:
                with kept_apart(log, "drain"):  # what cannot be poisoned comes again, and keeps no other waiting
                    self.events.poison(event)
                    poisoned += 1
        return places, poisoned

    def _files(
        self, places: Sequence[tuple[Event, Place | None]], sources: Sequence[str]
    ) -> list[tuple[Event, str | None]]:
        """The file of each place, of a folder those that lie in `sources`; None for nothing of ours.

        Without those of folders that cannot be listed now: these come again.
        """
        files: list[tuple[Event, str | None]] = []
        found: dict[Place, list[str]] = {}
        for event, place in places:
            if place is None or place.folder_since is None:
                files.append((event, place.path if place else None))
                continue
            with kept_apart(log, "drain", folder=place.path):
                if place not in found:
                    found[place] = self._in_folder(place.path, place.folder_since, sources)
                files += [(event, path) for path in found[place]] or [(event, None)]
        return files

    def _in_folder(self, folder: str, then: datetime, sources: Sequence[str]) -> list[str]:
        """The files that were in the folder then: what was written later has an event of its own, once it is whole."""
        within = topmost(max(folder, one) for one in sources if folder.startswith(one) or one.startswith(folder))
        return [file.path for one in within for file in self.landing.list(one) if file.modified <= then]

    def _read(self, lob: str) -> ParsedConfig:
        """`lob`'s CSV; where that is not to be had, one that cannot be read: it keeps no other LOB's events waiting."""
        with kept_apart(log, "drain", lob=lob):
            return self.configs.read(lob)
        return unreadable("the CSV could not be read just now", "see the function's log")

    def _start(self, lob: str, paths: Sequence[str]) -> str | None:
        """The load of `lob`'s files; None where it could not be made, which keeps no other LOB's from being made."""
        with kept_apart(log, "drain", lob=lob):
            return start_named(
                self.loads,
                self.queue,
                self.documents,
                lob=lob,
                trigger=Trigger.EVENT,
                paths=paths,
                now=self.clock(),
                trace=self.telemetry.trace(),
            )
        return None
