"""Names of SQL objects: checked and quoted here, and nowhere else."""

import re

from hub_core.errors import Broken

# Unity Catalog folds names to lower case and refuses dots, spaces, slashes and control characters; the hub is
# stricter for what it creates, since these names also travel through job parameters and logs.
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,254}")


def is_identifier(name: str) -> bool:
    """Whether `name` may be a catalog, schema or table here."""
    return _IDENTIFIER.fullmatch(name) is not None


def quote(*parts: str) -> str:
    """`` `a`.`b`.`c` `` of parts that are each an identifier; Broken `BAD_IDENTIFIER` otherwise."""
    for part in parts:
        if not is_identifier(part):
            raise Broken("BAD_IDENTIFIER", f"{part!r} is not a SQL identifier: use letters, digits, _ and -")
    return ".".join(f"`{part}`" for part in parts)


def quote_table(dotted: str) -> str:
    """`catalog.schema.table` quoted; Broken `BAD_IDENTIFIER` unless it has exactly three parts."""
    parts = dotted.split(".")
    if len(parts) != 3:
        raise Broken("BAD_IDENTIFIER", f"{dotted!r} is not catalog.schema.table")
    return quote(*parts)


def quote_column(name: str) -> str:
    """A column's name quoted as it is: any character may stand in it, a backtick is doubled."""
    return "`" + name.replace("`", "``") + "`"
