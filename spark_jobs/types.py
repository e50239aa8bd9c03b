"""Which column types widen to which without loss, by Spark's own names (`simpleString`). Pure."""

import re

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# As a type of its own or within another; `struct<interval:int>` only has a field of that name.
_UNSUPPORTED = re.compile(r"(?:^|[:<,])(?:void|interval[^:,<>]*|time\(\d\))(?=[,>]|$)")


def wider(one: str, other: str) -> str | None:
    """The narrower type that holds both without loss and that Delta can widen to; None where there is none."""
    if one == other:
        return one
    return _holds(one, other) or _holds(other, one) or _common_decimal(one, other)


def unsupported(kind: str) -> bool:
    """Whether Delta has no column of this type."""
    return _UNSUPPORTED.search(kind) is not None


def _holds(wide: str, narrow: str) -> str | None:
    """`wide` if every value of `narrow` is one of it."""
    if wide in _INTEGERS and narrow in _INTEGERS:
        return wide if _INTEGERS.index(narrow) <= _INTEGERS.index(wide) else None
    if wide == "double" and narrow in {"tinyint", "smallint", "int", "float"}:
        return wide
    if wide == "timestamp_ntz" and narrow == "date":
        return wide
    decimal = _DECIMAL.fullmatch(wide)
    if decimal is None:
        return None
    whole = int(decimal[1]) - int(decimal[2])
    if narrow in _DIGITS:
        return wide if whole >= _DIGITS[narrow] else None
    other = _DECIMAL.fullmatch(narrow)
    if other is None:
        return None
    return wide if int(decimal[2]) >= int(other[2]) and whole >= int(other[1]) - int(other[2]) else None


def _common_decimal(one: str, other: str) -> str | None:
    first, second = _DECIMAL.fullmatch(one), _DECIMAL.fullmatch(other)
    if first is None or second is None:
        return None
    scale = max(int(first[2]), int(second[2]))
    whole = max(int(first[1]) - int(first[2]), int(second[1]) - int(second[2]))
    return f"decimal({whole + scale},{scale})" if whole + scale <= 38 else None
