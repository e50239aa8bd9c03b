"""A delimited file's first record: cut out of the file's first bytes, and judged. Pure."""

import codecs
from collections.abc import Sequence

from hub_core.delimited import delimiter_of
from hub_core.model import Feed

HUB_COLUMNS = ("_source_file", "_file_modified", "_tracker_id", "_batch_id", "_ingested_at")
"""What the hub adds to every bronze table."""

HUB_PREFIX = "_hub_"
"""Of columns that the loader works with, and none of which is written."""

FILE_COLUMN = "_metadata"
"""Where Spark has path, size and time of the file that a row is read from."""

CORRUPT_COLUMN = f"{HUB_PREFIX}malformed_record"
"""Where Spark puts a malformed record while reading; never written."""

_CHARSETS = {
    "ascii": "US-ASCII",
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-be": "UTF-16BE",
    "utf-16-le": "UTF-16LE",
    "utf-32": "UTF-32",
    "utf-32-be": "UTF-32BE",
    "utf-32-le": "UTF-32LE",
}


def delimiter(feed: Feed) -> str:
    """The feed's delimiter as characters."""
    return delimiter_of(feed.delimiter or ",")


def escape(feed: Feed) -> str:
    """What makes a quote within quotes part of the value; a doubled quote does unless the feed names another sign."""
    return feed.quote if feed.escape == '"' else feed.escape


def charset(encoding: str) -> str:
    """The encoding as Java names it; configs spell encodings as Python knows them, which takes more spellings."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return encoding
    known = _CHARSETS.get(name)
    if known is None and name.startswith(("iso8859-", "cp125")):
        return name.replace("iso8859-", "ISO-8859-").replace("cp125", "windows-125")
    return known or encoding


def is_wide(encoding: str) -> bool:
    """Whether a line feed takes more than one byte, so that Spark can't cut the file into lines by bytes."""
    return charset(encoding).startswith(("UTF-16", "UTF-32"))


def first_record(start: bytes, feed: Feed, *, complete: bool) -> tuple[str, ...] | None:  # noqa: PLR0912 — one state machine
    """The fields of the first record in `start`; None if the file has none.

    `complete` tells that `start` is the whole file; otherwise ValueError is raised where the record runs past it.
    """
    text = _decode(start, feed.encoding)
    sep, quote, escaping = delimiter(feed), feed.quote, escape(feed)
    position = _skip_blank_lines(text)
    if position == len(text):
        return None
    fields: list[str] = []
    field, opened, at_start = "", False, True
    while position < len(text):
        char = text[position]
        if opened:
            if char == escaping and text[position + 1 : position + 2] == quote:
                field += quote
                position += 2
                continue
            if char == quote:
                opened = False
                position = _after_padding(text, position + 1, sep) - 1
            elif char in "\r\n" and not feed.multiline and not is_wide(feed.encoding):
                break
            else:
                field += char
        elif char in "\r\n":
            break
        elif text.startswith(sep, position):
            fields.append(field)
            field, at_start = "", True
            position += len(sep)
            continue
        elif quote and char == quote and at_start:
            opened = True
        else:
            field += char
        at_start = False
        position += 1
    else:
        if not complete:
            raise ValueError("the first record is longer than what was read")
    return (*fields, field)


def header_problem(names: Sequence[str]) -> str | None:
    """Why a table can't have these columns, in a sentence; None where it can."""
    problems: list[str] = []
    empty = [str(index + 1) for index, name in enumerate(names) if not name.strip()]
    if empty:
        problems.append(f"the header has no name in column {', '.join(empty)}")
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen and name.strip():
            problems.append(f"the header has {seen[name.lower()]!r} and {name!r}, which name one column")
        seen.setdefault(name.lower(), name)
    garbled = [name for name in names if "\ufffd" in name or "\0" in name]
    if garbled:
        shown = ", ".join(repr(name[:20]) for name in garbled[:5])
        problems.append(f"the header is no text in the feed's encoding (see its option of that name): {shown}")
    own = [name for name in names if name.lower() in HUB_COLUMNS]
    if own:
        problems.append(f"the hub itself adds {', '.join(own)} to the table")
    kept = [name for name in names if name.lower() == FILE_COLUMN or name.lower().startswith(HUB_PREFIX)]
    if kept:
        problems.append(f"{', '.join(kept)}: columns of such names are the loader's while it reads")
    return "; ".join(problems) or None


def positional(count: int) -> tuple[str, ...]:
    """The columns of a file without a header."""
    return tuple(f"_c{index}" for index in range(count))


def _skip_blank_lines(text: str) -> int:
    position = 0
    while position < len(text):
        end = min((at for at in (text.find("\n", position), text.find("\r", position)) if at >= 0), default=len(text))
        if text[position:end].strip(" \t"):
            return position
        position = min(end + 1, len(text))
    return position


def _after_padding(text: str, position: int, sep: str) -> int:
    """Where the white space at `position` ends, if the field does too: what pads a quoted field is no part of it."""
    end = position
    while text[end : end + 1] in {" ", "\t"} and not text.startswith(sep, end):
        end += 1
    return end if text.startswith(sep, end) or text[end : end + 1] in {"", "\r", "\n"} else position


def _decode(start: bytes, encoding: str) -> str:
    """The text as Java has it, without its byte order mark.

    Spark takes that of UTF-8 away whatever the encoding is, and Java reads UTF-16 without one as big-endian.
    """
    name = charset(encoding)
    if not is_wide(encoding):
        start = start.removeprefix(codecs.BOM_UTF8)
    elif name == "UTF-16" and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16-be"
    elif name == "UTF-32" and not start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32-be"
    return start.decode(encoding, "replace").removeprefix("\ufeff")
