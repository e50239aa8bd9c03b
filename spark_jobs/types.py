"""Which column types widen to which without loss, by Spark's own names (`simpleString`). Pure."""

import re
from typing import Any

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
# As a type of its own or within another; `struct<interval:int>` only has a field of that name.
_UNSUPPORTED = re.compile(r"(?:^|[:<,])(?:void|interval[^:,<>]*|time\(\d\))(?=[,>]|$)")
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def ddl(kind: Any) -> str:
    """A Spark type as DDL spells it: its `simpleString`, but with those names of fields quoted that have to be."""
    match kind.typeName():
        case "struct":
            return f"struct<{','.join(f'{_quoted(one.name)}:{ddl(one.dataType)}' for one in kind.fields)}>"
        case "array":
            return f"array<{ddl(kind.elementType)}>"
        case "map":
            return f"map<{ddl(kind.keyType)},{ddl(kind.valueType)}>"
    return str(kind.simpleString())


def within(kind: str) -> dict[str, str]:
    """The types that a nested one is made of: a struct's by name, else by place; none for any other type."""
    outer, nested, rest = kind.partition("<")
    parts = _cut(rest[:-1], ",") if nested else []
    if outer != "struct":
        return {str(place): part for place, part in enumerate(parts)}
    named = [_cut(part, ":") for part in parts]
    return {name.removeprefix("`").removesuffix("`").replace("``", "`"): ":".join(of) for name, *of in named}


def lacking(kind: str, existing: str, at: str) -> list[str]:
    """Dotted names of the fields within `kind` that `existing` lacks; `at` is the name of the column."""
    if kind.partition("<")[0] != existing.partition("<")[0]:
        return []
    known = {name.lower(): one for name, one in within(existing).items()}
    found: list[str] = []
    for name, one in within(kind).items():
        path = f"{at}.{name}" if kind.startswith("struct<") else at
        found += lacking(one, known[name.lower()], path) if name.lower() in known else [path]
    return found


def kept(kind: str, existing: str) -> str | None:
    """The type `kind` without the fields that `existing` lacks; None where that leaves none of them."""
    if "<" not in kind:
        return kind
    known = {name.lower(): one for name, one in within(existing).items()}
    shared = {name: kept(one, known[name.lower()]) for name, one in within(kind).items() if name.lower() in known}
    left = {name: one for name, one in shared.items() if one is not None}
    if not left or (not kind.startswith("struct<") and len(left) < len(shared)):
        return None
    named = kind.startswith("struct<")
    parts = [f"{_quoted(name)}:{one}" if named else one for name, one in left.items()]
    return f"{kind.partition('<')[0]}<{','.join(parts)}>"


def wider(one: str, other: str) -> str | None:
    """The narrower type that holds both without loss and that Delta can widen to; None where there is none."""
    if one == other:
        return one
    return _holds(one, other) or _holds(other, one) or _common_decimal(one, other)


def unsupported(kind: str) -> bool:
    """Whether Delta has no column of this type."""
    return _UNSUPPORTED.search(kind) is not None


def merges(kind: str, existing: str) -> bool:
    """Whether Delta itself merges a file's nested type into the table's without loss: field by field, by name."""
    if "<" not in kind and "<" not in existing:
        both = wider(kind, existing)
        # Of its own accord Delta makes no integer a decimal or a double, but would cast the file's value to integer.
        return both == existing or (both == kind and (kind in _INTEGERS or existing not in _INTEGERS))
    if kind.partition("<")[0] != existing.partition("<")[0]:
        return False
    known = {name.lower(): one for name, one in within(existing).items()}
    return all(merges(one, known[name.lower()]) for name, one in within(kind).items() if name.lower() in known)


def _quoted(name: str) -> str:
    return name if _SIMPLE.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def _cut(text: str, at: str) -> list[str]:
    """`text` cut at `at` where it stands in no brackets and no quoted name."""
    parts, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= char == "`"
        depth += 0 if quoted else (char in "<(") - (char in ">)")
        if char == at and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts


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
