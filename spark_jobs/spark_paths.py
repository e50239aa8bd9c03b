"""How Spark spells a file's path, and how few reads list a set of files. No Spark is needed to know it."""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hub_core.paths import parents

# java.net.URI leaves these in a path as they are, and every non-ASCII character that is no space or control.
_LEGAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-!.~'()*:@&=+$,;/")
_GLOB = frozenset("*?[]{}\\")

EXPLICIT_FILES = 32
"""Up to so many files are named one by one, at a HEAD each; Spark checks 1,000 names in 10 s, a folder's in 1 s."""


LARGE_FILE = 16 * 1024 * 1024
"""Files of so many bytes on average are worth a read each, up to `EXPLICIT_FILES` of them."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What to hand to `spark.read`: paths with patterns escaped, and whether they hold more than the files wanted."""

    paths: tuple[str, ...]
    prune: bool


def spelled(path: str) -> str:
    """`path` as `_metadata.file_path` shows it: percent-encoded as java.net.URI does it."""
    scheme, slashes, rest = path.partition("://")
    authority, slash, name = rest.partition("/")
    return scheme + slashes + authority + slash + "".join(_encode(char) for char in name)


def literal(path: str) -> str:
    """`path` with Hadoop's glob characters escaped, so that it names one file or folder."""
    return "".join(f"\\{char}" if char in _GLOB else char for char in path)


def sources(paths: Sequence[str], *, always_explicit: bool = False) -> Sources:
    """Where to read `paths`: themselves where they are few, else the folders that hold them."""
    if always_explicit or len(paths) <= EXPLICIT_FILES:
        return Sources(tuple(literal(path) for path in paths), prune=False)
    return Sources(tuple(literal(folder) for folder in parents(paths)), prune=True)


def few_and_large(sizes: Collection[int]) -> bool:
    """Whether files of these sizes (bytes) should be read one by one."""
    return 0 < len(sizes) <= EXPLICIT_FILES and sum(sizes) / len(sizes) >= LARGE_FILE


def total_partitions(sizes: Collection[int]) -> int | None:
    """How many tasks should write small files' rows, so that a thousand of them don't become a thousand again.

    None where the files are large: Spark's own splitting is right then.
    """
    total, small = sum(sizes), 8 * 1024 * 1024
    if not sizes or total / len(sizes) > small:
        return None
    return max(8, -(-total // (128 * 1024 * 1024)))


def _encode(char: str) -> str:
    if char in _LEGAL:
        return char
    if ord(char) >= 128 and unicodedata.category(char) not in {"Zs", "Zl", "Zp", "Cc"}:
        return char
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
