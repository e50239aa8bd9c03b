"""What a decision needs, fetched: configs, candidates, and the tracker's view of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from hub_core import feeds as feed_rules
from hub_core.errors import Broken, FieldError, Rejected
from hub_core.feeds import House, ParsedConfig
from hub_core.load import config_problems
from hub_core.model import Feed, SourceFile
from hub_core.paths import parents, topmost
from hub_core.ports import Configs, Landing
from hub_core.request import LoadRequest, Selection, require_feeds, select
from hub_core.resolve import Candidates, Scope, candidates, folders_ruled_out

MAX_HEADS = 100
"""Named files up to this many are asked for one by one; above, their folders are listed."""
_CACHE_SECONDS = 30.0


@dataclass(slots=True)
class ConfigReader:
    """The spokes' CSVs, parsed."""

    configs: Configs
    catalog: str
    allowed_roots: tuple[str, ...]
    spokes: Mapping[str, House]
    monotonic: Callable[[], float] = time.monotonic
    _lobs: tuple[float, frozenset[str]] = (0.0, frozenset())
    _parsed: dict[str, tuple[float, bytes, ParsedConfig]] = field(default_factory=dict)
    """Until when a LOB's CSV counts as it is, the digest of its content, and what that says."""

    def lobs(self) -> frozenset[str]:
        """The configured LOBs as they are now."""
        found = self.configs.lobs()
        self._lobs = (self.monotonic() + _CACHE_SECONDS, found)
        return found

    def read(self, lob: str) -> ParsedConfig:
        """`lob`'s CSV as it is now; Rejected `UNKNOWN_LOB` if there is none."""
        content = self.configs.read(lob)
        if content is None:
            raise Rejected("UNKNOWN_LOB", f"{lob}_config.csv is not under HUB_CONFIG_ROOT (any more)")
        version = sha256(content).digest()
        _, known, parsed = self._parsed.get(lob, (0.0, b"", None))
        if parsed is None or known != version:
            parsed = self._parse(lob, content)
        self._parsed[lob] = (self.monotonic() + _CACHE_SECONDS, version, parsed)
        return parsed

    def _parse(self, lob: str, content: bytes) -> ParsedConfig:
        if len(content) > feed_rules.MAX_CSV_BYTES:
            # Cut off, the rows that are missing would count as having left the CSV.
            most = feed_rules.MAX_CSV_BYTES // 2**20
            return feed_rules.unreadable(f"the CSV is larger than {most} MiB", "let a row's pattern take in more files")
        text = feed_rules.decode(content)
        if text is None:
            return feed_rules.unreadable("the CSV is not UTF-8", "save it as UTF-8")
        return feed_rules.parse_config(
            text, lob=lob, catalog=self.catalog, allowed_roots=self.allowed_roots, spokes=self.spokes
        )

    def house(self, lob: str) -> House:
        """Where `lob` is at home."""
        return feed_rules.house_of(lob, self.allowed_roots, self.spokes)

    def check(self, request: LoadRequest) -> Selection:
        """The feeds that `request` means, or Rejected if there are none.

        A request that names its LOB, and fits what was read in the last seconds, costs no look at storage. One that
        does not fit is held against storage as it is now, since a spoke may have released its CSV just before it asks
        for a load; so is one that names none, as which LOB it means depends on which others there are.
        """
        now = self.monotonic()
        fresh, lobs = self._lobs
        if now >= fresh or (request.lob or request.category) not in lobs:
            lobs = self.lobs()
        selection = select(request, lobs)
        fresh, _, parsed = self._parsed.get(selection.lob, (0.0, b"", None))
        if parsed is not None and now < fresh:
            try:
                require_feeds(parsed.feeds, selection)
            except Rejected:
                pass  # not fitting what was read earlier is no answer: ask storage, below
            else:
                return selection
        parsed = self.read(selection.lob)
        if parsed.readable:
            require_feeds(parsed.feeds, selection)
        return selection


def usable(config: ParsedConfig) -> ParsedConfig:
    """`config`, or Broken `CONFIG_UNREADABLE` if it could not be read as one."""
    if not config.readable:
        raise Broken("CONFIG_UNREADABLE", config.errors[0].sentence)
    return config


def unreadable_csv(lob: str, config: ParsedConfig) -> Rejected:
    """What is said of a CSV that could not be read as one: it is the LOB's move."""
    name = f"{lob}_config.csv"
    errors = [
        FieldError(f"{name}: {problem.column}" if problem.column else name, problem.message, problem.remedy)
        for problem in config_problems(config)
    ]
    said = f"{name}: {config.errors[0].sentence}"[:2000]
    return Rejected("CONFIG_UNREADABLE", said, status=422, errors=errors)


def find_files(landing: Landing, feeds: Sequence[Feed], scope: Scope) -> Candidates:
    """What the feeds' folders hold for them; each is listed once, without the days that the window rules out."""
    skip = folders_ruled_out(feeds, scope.window)
    return candidates(_listed(landing, topmost(feed.source_path for feed in feeds), skip), feeds, scope)


def look_at(landing: Landing, paths: Sequence[str], feeds: Sequence[Feed], scope: Scope) -> Candidates:
    """What the feeds want of the files named `paths`, as storage has them now."""
    wanted = [path for path in paths if any(path.startswith(feed.source_path) for feed in feeds)]
    if len(wanted) <= MAX_HEADS:
        found = [file for path in wanted if (file := landing.head(path)) is not None]
        return candidates(found, feeds, scope)
    named = set(wanted)
    listed = _listed(landing, parents(wanted))
    return candidates((file for file in listed if file.path in named), feeds, scope)


def _listed(
    landing: Landing, folders: Sequence[str], skip: Callable[[str], bool] | None = None
) -> Iterator[SourceFile]:
    for folder in folders:
        yield from landing.list(folder, skip)
