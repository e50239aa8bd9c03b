"""Patterns of file names, as feeds and requests write them.

`*` and `?` stay within one folder, `**` crosses folders, `[0-9]` and `[!0-9]` are sets (of anything but `/`); all else
is literal. A pattern without `/` is matched on the base name, one with `/` on the path below the feed's `source_path`.
"""

import re
from functools import lru_cache

_ACROSS, _WITHIN = "**", "*"


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, sets: bool = True) -> re.Pattern[str]:
    """`pattern` as a regular expression for `fullmatch`; `sets=False` takes brackets literally.

    What stands between two stars is taken where it is first found, and not sought again (an atomic group): no later
    place could do better, and seeking all of them would take a pattern like `*a*a*a*a*b` years on a long name.
    """
    chunks: list[list[str]] = [[""]]  # split at `**`, and each of them at `*`
    for token in _tokens(pattern, sets=sets):
        if token == _ACROSS:
            chunks.append([""])
        elif token == _WITHIN:
            chunks[-1].append("")
        else:
            chunks[-1][-1] += token
    first, *middle, last = [[""], *chunks] if len(chunks) == 1 else chunks
    head = "" if len(chunks) == 1 else _sought(first) + "".join(f"(?>.*?{_sought(chunk)})" for chunk in middle) + ".*"
    return re.compile(head + _sought(last[:-1]) + ("[^/]*" if len(last) > 1 else "") + last[-1], re.DOTALL)


def matches(pattern: str, path_below: str, *, sets: bool = True) -> bool:
    """Whether the file at `path_below` (below the feed's folder, no leading slash) is meant by `pattern`."""
    subject = path_below if "/" in pattern else path_below.rsplit("/", 1)[-1]
    return compile_pattern(pattern, sets=sets).fullmatch(subject) is not None


def _sought(pieces: list[str]) -> str:
    """`pieces` with a star between any two, each taken where it is first found."""
    return "".join(pieces[:1]) + "".join(f"(?>[^/]*?{piece})" for piece in pieces[1:])


def _tokens(pattern: str, *, sets: bool) -> list[str]:
    """The stars as they are, and regular expressions that take one character each."""
    tokens: list[str] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            stars = re.compile(r"\**").match(pattern, i)
            i += len(stars[0]) if stars else 0
            tokens.append(_ACROSS if stars and stars[0] else _WITHIN)
        elif char == "?":
            tokens.append("[^/]")
        elif sets and char == "[" and (end := _end_of_set(pattern, i)) > 0:
            tokens.append(_set(pattern[i:end]))
            i = end + 1
        else:
            tokens.append(re.escape(char))
    return tokens


def _end_of_set(pattern: str, start: int) -> int:
    """Where the `]` is that ends the set beginning at `start`, or -1; one in the first place is a member."""
    return pattern.find("]", start + (2 if pattern.startswith("!", start) else 1))


def _set(inside: str) -> str:
    negated = inside.startswith("!")
    members = inside[1:] if negated else inside
    out, i = "", 0
    while i < len(members):
        out += re.escape(members[i])
        if members[i + 1 : i + 2] == "-" and i + 2 < len(members):
            out += "-" + re.escape(members[i + 2])
            i += 2
        i += 1
    return f"[^/{out}]" if negated else f"(?!/)[{out}]"
