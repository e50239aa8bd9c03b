"""How a feed's cells say that its delimited files are written: the delimiter, and the encoding. Pure."""

import codecs
import re

# A backslash before these is an escape wherever it stands; before any other letter or digit it is a mistake.
_ESCAPE = re.compile(r"\\(?:t|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))")
_NO_ESCAPE = re.compile(r"\\[^\W_]")

RESERVED = frozenset("\ufffd\ufdd0\ufdd1\ufdd2") | {chr(half) for half in range(0xD800, 0xE000)}
"""What undecodable bytes show as, noncharacters that the loader works with, and halves of surrogate pairs."""

# By the names of Python's codecs: those that the loader names to Java by Java's own names.
_NAMED = frozenset(
    {"ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-32-le"}
    | {f"cp{number}" for number in range(1250, 1259)}
    | {f"iso8859-{part}" for part in (*range(1, 10), 11, 13, 15, 16)}
)
# As they are written, in lower case: here Python and Java know one encoding by one name.
_SPELLED = frozenset({
    "big5", "big5-hkscs", "cp437", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp862", "cp866",
    "euc-jp", "euc-kr", "gb18030", "gb2312", "gbk", "ibm437", "ibm775", "ibm850", "ibm852", "ibm855", "ibm857",
    "ibm862", "ibm866", "koi8-r", "koi8-u", "ms932", "shift_jis", "sjis", "tis-620", "windows-31j",
})  # fmt: skip


def delimiter_of(text: str) -> str:
    r"""The characters that a `delimiter` cell means: `\t`, `\xNN` and `\uNNNN` are one each."""
    return _ESCAPE.sub(lambda found: chr(int(found[1] or found[2] or "9", 16)), text)


def has_strange_escape(text: str) -> bool:
    """Whether a backslash in a `delimiter` cell begins what looks like an escape and is none."""
    return _NO_ESCAPE.search(_ESCAPE.sub(" ", text)) is not None


def is_encoding(name: str) -> bool:
    """Whether both Python, which reads headers, and Java, which reads records, know the encoding by that name."""
    try:
        return name.lower() in _SPELLED or codecs.lookup(name).name in _NAMED
    except (LookupError, ValueError):
        return False
