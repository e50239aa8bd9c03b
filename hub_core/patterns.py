"""Patterns of file names, as feeds and requests write them.

`*` and `?` stay within one folder, `**` crosses folders, `[0-9]` and `[!0-9]` are sets; all else is literal. A pattern
without `/` is matched on the base name, one with `/` on the path below the feed's `source_path`.
"""

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, sets: bool = True) -> re.Pattern[str]:
    """`pattern` as a regular expression for `fullmatch`; `sets=False` takes brackets literally."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        i += 1
        if char == "*":
            if pattern[i : i + 1] == "*":
                i += 1
                out.append(".*")
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif sets and char == "[" and (end := pattern.find("]", i + 1)) > 0:
            inside = pattern[i:end]
            i = end + 1
            negated = inside.startswith("!")
            members = inside[1:] if negated else inside
            escaped = re.sub(r"([\\^\[\]&~|])", r"\\\1", members)
            out.append(f"[^/{escaped}]" if negated else f"[{escaped}]")
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def matches(pattern: str, path_below: str, *, sets: bool = True) -> bool:
    """Whether the file at `path_below` (below the feed's folder, no leading slash) is meant by `pattern`."""
    subject = path_below if "/" in pattern else path_below.rsplit("/", 1)[-1]
    return compile_pattern(pattern, sets=sets).fullmatch(subject) is not None
