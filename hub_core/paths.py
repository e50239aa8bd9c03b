"""abfss URLs: taken apart strictly, and held to the allowed roots.

A path here is literal: nothing in it is percent-encoded, and what cannot be taken apart is refused, not repaired,
so that no reader of the same string (Hadoop, the storage SDK, the hub) can see another place in it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hub_core.errors import Rejected

# container@host[:port]/path. Container and host take no character that could begin a user name, a password or a query.
_ABFSS = re.compile(r"abfss://([a-z0-9$][a-z0-9-]{1,62})@([a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?)(?:/(.*))?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a storage account."""

    container: str
    host: str
    """`account.dfs.core.windows.net`, with a port where the URL has one."""
    name: str
    """The blob's or folder's name in the container, without a leading slash."""

    def __str__(self) -> str:
        return f"abfss://{self.container}@{self.host}/{self.name}"


def parse_abfss(url: str) -> Location:
    """`url` taken apart; Rejected `BAD_PATH` if it is no abfss URL or walks about (`..`, `//`, control characters)."""
    match = _ABFSS.fullmatch(url)
    if match is None:
        raise Rejected("BAD_PATH", f"{url!r} is not abfss://container@account.dfs.core.windows.net/path")
    container, host, name = match[1], match[2], match[3] or ""
    if _CONTROL.search(name) or "\\" in name:
        raise Rejected("BAD_PATH", f"{url!r} holds a control character or a backslash")
    if any(part in ("", ".", "..") for part in name.rstrip("/").split("/") if name) or name.endswith("//"):
        raise Rejected("BAD_PATH", f"{url!r} holds an empty, '.' or '..' segment")
    return Location(container, host, name)


def folder(url: str) -> str:
    """`url` as a folder: checked, ending in `/`; Rejected `BAD_PATH` also where it holds `?`, `#`, `%` or `*`."""
    location = parse_abfss(url)
    if re.search(r"[?#%*]", location.name):
        raise Rejected("BAD_PATH", f"{url!r} holds one of ? # % *, which no folder of a feed may")
    return url if url.endswith("/") else url + "/"


def is_below(path: str, roots: Iterable[str]) -> bool:
    """Whether `path` lies in one of the folders `roots` (each ending in `/`), or is one."""
    return any(path.startswith(root) or path + "/" == root for root in roots)


def topmost(folders: Iterable[str]) -> list[str]:
    """`folders` without those that lie in another of them: each file is listed once."""
    kept: list[str] = []
    for one in sorted(set(folders)):
        if not kept or not one.startswith(kept[-1]):
            kept.append(one)
    return kept


def parents(paths: Sequence[str]) -> list[str]:
    """The topmost folders that hold `paths` directly."""
    return topmost(path.rsplit("/", 1)[0] + "/" for path in paths)


def is_plain(path_below: str) -> bool:
    """Whether every reader sees the same file in a path: storage also knows names like `a//b` or `a\\b`, Hadoop not."""
    return "" not in path_below.split("/") and "\\" not in path_below and _CONTROL.search(path_below) is None


def is_hidden(path_below: str) -> bool:
    """Whether a file is a writer's temporary one: its name or a folder on the way to it begins with `_` or `.`."""
    return any(part.startswith(("_", ".")) for part in path_below.split("/"))
