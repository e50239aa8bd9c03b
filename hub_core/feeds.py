"""A spoke's CSV, read row by row: the good rows work on, each bad cell is reported with line, value and remedy."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from hub_core import paths, quality
from hub_core.delimited import RESERVED, delimiter_of, has_strange_escape, is_encoding
from hub_core.errors import Rejected
from hub_core.identifiers import is_identifier
from hub_core.model import DateSource, Feed, FileFormat, OnRedelivery, SchemaDrift, digest
from hub_core.patterns import compile_pattern, matches
from hub_core.statements import SCHEMA

MAX_CSV_BYTES = 16 * 1024 * 1024
REQUIRED = (
    "lob",
    "category",
    "subcategory",
    "file_pattern",
    "source_path",
    "file_format",
    "delimiter",
    "has_header",
    "dest_catalog",
    "dest_schema",
    "dest_table",
    "is_active",
)
OPTIONAL = (
    "date_source",
    "on_redelivery",
    "schema_drift",
    "max_reject_percent",
    "quality_rules",
    "encoding",
    "quote",
    "escape",
    "multiline",
    "null_value",
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\- ]{0,127}")
_LOB = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One bad cell (or row, or file: then `column` is empty) of a spoke's CSV."""

    line: int
    """From 1, the header's; of a record with line breaks in it, its first."""
    column: str
    value: str
    message: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Where it is, what is wrong, and what would be right."""
        where = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{where}: {self.message}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class House:
    """Where a LOB is at home: folders its sources lie in, and patterns of its destination schemas."""

    sources: tuple[str, ...]
    schemas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedConfig:
    """What a CSV says; `readable` is False if it could not be read as a config at all, and then says nothing."""

    feeds: tuple[Feed, ...]
    errors: tuple[ConfigError, ...]
    content_hash: str
    readable: bool = True


def is_lob(name: str) -> bool:
    """Whether `name` may name a LOB: lower case, digits and `_`, as it stands in schema and file names."""
    return _LOB.fullmatch(name) is not None


def lob_named(text: str) -> str | None:
    """The LOB that the first row of a CSV is of; None where no row says."""
    return next(cells(text, "lob"), None)


def cells(text: str, column: str) -> Iterator[str]:
    """What stands in a column of a CSV, trimmed, without empty cells and malformed records."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    records = (record for record in _records(reader) if not isinstance(record, csv.Error))
    header = [name.strip() for name in next(records, [])]
    if column not in header:
        return
    place = header.index(column)
    yield from filter(None, (cell.strip() for record in records for cell in record[place : place + 1]))


def house_of(lob: str, allowed_roots: Sequence[str], spokes: Mapping[str, House] | None = None) -> House:
    """`lob`'s house: what `HUB_SPOKES` says of it, else `<allowed root>/<lob>/` and `<lob>_*`."""
    if spokes and lob in spokes:
        return spokes[lob]
    return House(tuple(f"{paths.folder(root)}{lob}/" for root in allowed_roots), (f"{lob}_*",))


def parse_config(
    text: str,
    *,
    lob: str,
    catalog: str,
    allowed_roots: Sequence[str] | None,
    spokes: Mapping[str, House] | None = None,
) -> ParsedConfig:
    """The feeds of `<lob>_config.csv`, with `${catalog}` filled in, and every error of it. Never raises for content.

    `allowed_roots` None: where sources may lie is not known here, and left to those who grant reading them.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        broken = _header_errors(header)
        if broken:
            return ParsedConfig((), tuple(broken), digest(text), readable=False)
        roots = None if allowed_roots is None else tuple(allowed_roots)
        rules = _Rules(lob, catalog, roots, house_of(lob, roots or (), spokes))
        feeds: dict[tuple[str, str, str, str], Feed] = {}
        lines: dict[tuple[str, str, str, str], int] = {}
        errors: list[ConfigError] = []
        end = reader.line_num
        for cells in _records(reader):
            line, end = end + 1, reader.line_num
            if isinstance(cells, csv.Error):
                if end > line:
                    raise cells  # a stray quote: how many rows it swallowed, nobody knows
                said = f"not CSV: {cells}"
                errors.append(ConfigError(line, "", "", said, "quote cells as RFC 4180 says"))
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if end > line and _holds_rows(header, cells):
                # Stray quotes again, two of them: the rows between would count as having left the CSV.
                raise csv.Error(f"a quote that is opened on line {line} is closed on line {end}")
            row = _Row(line, header, cells, errors)
            feed = rules.feed(row)
            if feed is None:
                continue
            if feed.key in feeds:
                row.fail(
                    "file_pattern",
                    f"lob, category, subcategory and file_pattern are those of line {lines[feed.key]}",
                    "give each feed a key of its own, or remove one of the two rows",
                )
                continue
            feeds[feed.key], lines[feed.key] = feed, line
    except csv.Error as error:
        problem = ConfigError(reader.line_num, "", "", f"not CSV: {error}", "quote cells as RFC 4180 says")
        return ParsedConfig((), (problem,), digest(text), readable=False)
    rows = json.dumps([asdict(feed) for feed in feeds.values()], sort_keys=True)
    return ParsedConfig(tuple(feeds.values()), tuple(errors), digest(text, rows))


def _records(reader: Iterator[list[str]]) -> Iterator[list[str] | csv.Error]:
    """The records, and errors in the place of malformed ones."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield error


def _holds_rows(header: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether a cell looks as if it had taken in rows: by a line break and a comma, which only rules mean to hold."""
    named = zip((*header, *[""] * len(cells)), cells, strict=False)
    return any("," in cell and ("\n" in cell or "\r" in cell) for name, cell in named if name != "quality_rules")


def unreadable(message: str, remedy: str) -> ParsedConfig:
    """A CSV that could not be read at all."""
    return ParsedConfig((), (ConfigError(1, "", "", message, remedy),), digest(message), readable=False)


def decode(content: bytes) -> str | None:
    """The CSV's text, or None if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _header_errors(header: Sequence[str]) -> list[ConfigError]:
    known = {*REQUIRED, *OPTIONAL}
    errors = [
        ConfigError(1, name, "", "the column is missing", f"the header needs {','.join(REQUIRED)}")
        for name in REQUIRED
        if name not in header
    ]
    errors += [
        ConfigError(1, name, name, "no such column", f"optional columns are {', '.join(OPTIONAL)}")
        for name in header
        if name not in known
    ]
    errors += [
        ConfigError(1, name, name, "the column stands twice in the header", "keep one of them")
        for name in sorted({name for name in header if header.count(name) > 1})
    ]
    return errors


@dataclass(slots=True)
class _Row:
    """One record, and the list that its errors go to."""

    line: int
    header: Sequence[str]
    cells: Sequence[str]
    errors: list[ConfigError]
    ok: bool = field(default=True)

    def get(self, column: str) -> str:
        """The cell, trimmed; empty where the column is absent."""
        return self.raw(column).strip()

    def raw(self, column: str) -> str:
        """The cell as it stands: a delimiter may be a space or a tab."""
        return self.cells[self.header.index(column)] if column in self.header else ""

    def fail(self, column: str, message: str, remedy: str) -> None:
        """Report `column`'s cell; the row is skipped."""
        self.ok = False
        self.errors.append(ConfigError(self.line, column, self.raw(column) if column else "", message, remedy))


@dataclass(frozen=True, slots=True)
class _Rules:
    lob: str
    catalog: str
    allowed_roots: tuple[str, ...] | None
    house: House

    def feed(self, row: _Row) -> Feed | None:
        """The row as a feed, or None with its errors reported: all of them, not just the first."""
        if len(row.cells) != len(row.header):
            row.fail(
                "",
                f"the row has {len(row.cells)} cells, the header {len(row.header)}",
                "quote cells that hold a comma",
            )
            return None
        file_format = _choice(row, "file_format", FileFormat, None)
        delimited = file_format is not FileFormat.PARQUET
        feed = Feed(
            lob=self._lob(row),
            category=_word(row, "category"),
            subcategory=_word(row, "subcategory"),
            file_pattern=_pattern(row),
            source_path=self._source(row),
            file_format=file_format or FileFormat.DELIMITED,
            delimiter=_delimiter(row) if delimited else None,
            has_header=_flag(row, "has_header", default=True),
            dest_catalog=_identifier(row, "dest_catalog", row.get("dest_catalog").replace("${catalog}", self.catalog)),
            dest_schema=self._schema(row),
            dest_table=_identifier(row, "dest_table", row.get("dest_table")),
            is_active=_flag(row, "is_active", default=True),
            date_source=_choice(row, "date_source", DateSource, DateSource.AUTO) or DateSource.AUTO,
            on_redelivery=_choice(row, "on_redelivery", OnRedelivery, OnRedelivery.REPLACE) or OnRedelivery.REPLACE,
            schema_drift=_choice(row, "schema_drift", SchemaDrift, SchemaDrift.ADD) or SchemaDrift.ADD,
            max_reject_percent=_percent(row),
            quality_rules=_quality_rules(row),
            encoding=_encoding(row),
            quote=_character(row, "quote", '"'),
            escape=_character(row, "escape", '"'),
            multiline=_flag(row, "multiline", default=False),
            null_value=row.raw("null_value") or None,
        )
        return feed if row.ok else None

    def _lob(self, row: _Row) -> str:
        lob = row.get("lob")
        if lob != self.lob:
            row.fail("lob", "the row is of another LOB", f"write {self.lob}, or move the row to that LOB's CSV")
        return lob

    def _source(self, row: _Row) -> str:
        try:
            source = paths.folder(row.get("source_path"))
        except Rejected as error:
            row.fail("source_path", error.message, "write abfss://container@account.dfs.core.windows.net/folder/")
            return ""
        if self.allowed_roots is None:
            return source
        if not paths.is_below(source, [paths.folder(root) for root in self.allowed_roots]):
            row.fail("source_path", "the path is outside the allowed roots", f"use {' or '.join(self.allowed_roots)}")
        elif not paths.is_below(source, self.house.sources):
            row.fail(
                "source_path",
                f"the path is not in {self.lob}'s own folder",
                f"use {' or '.join(self.house.sources)}, or ask the platform team for an entry in HUB_SPOKES",
            )
        return source

    def _schema(self, row: _Row) -> str:
        schema = _identifier(row, "dest_schema", row.get("dest_schema"))
        if schema.lower() == SCHEMA:
            row.fail("dest_schema", f"{SCHEMA} is the hub's own", f"use one like {' or '.join(self.house.schemas)}")
        elif schema and not any(matches(pattern.lower(), schema.lower()) for pattern in self.house.schemas):
            row.fail(
                "dest_schema",
                f"the schema is not one of {self.lob}'s",
                f"use one like {' or '.join(self.house.schemas)}, or ask the platform team for an entry in HUB_SPOKES",
            )
        return schema


def _choice[Choice: StrEnum](row: _Row, column: str, kind: type[Choice], default: Choice | None) -> Choice | None:
    text = row.get(column).lower()
    if not text and default is not None:
        return default
    try:
        return kind(text)
    except ValueError:
        row.fail(column, f"unknown {column}", f"use one of {', '.join(kind)}")
        return None


def _flag(row: _Row, column: str, *, default: bool) -> bool:
    text = row.get(column).lower()
    if text not in ("", "true", "false"):
        row.fail(column, "neither true nor false", f"write true or false; empty means {str(default).lower()}")
    return default if not text else text == "true"


def _word(row: _Row, column: str) -> str:
    text = row.get(column)
    if _WORD.fullmatch(text) is None:
        row.fail(column, f"not a name for a {column}", "use letters, digits, spaces, _, . and -, 128 at most")
    return text


def _identifier(row: _Row, column: str, name: str) -> str:
    if not is_identifier(name):
        row.fail(column, "not a SQL identifier", "use letters, digits, _ and -, beginning with a letter or _")
        return ""
    return name


def _pattern(row: _Row) -> str:
    pattern = row.get("file_pattern")
    parts = pattern.split("/")
    if not pattern or len(pattern) > 512 or any(part in ("", ".", "..") for part in parts):
        row.fail("file_pattern", "not a pattern of file names", "write e.g. sales_*.csv, or 2*/sales_*.csv")
        return pattern
    if any(ord(char) < 32 or char == "\\" for char in pattern):
        row.fail("file_pattern", "control characters and backslashes match nothing", "remove them")
        return pattern
    try:
        compile_pattern(pattern)
    except re.error as error:
        row.fail("file_pattern", f"a set in it is malformed: {error}", "write sets like [0-9] or [!a-z]")
    return pattern


def _delimiter(row: _Row) -> str:
    text = row.raw("delimiter") or ","
    meant = delimiter_of(text)
    if len(meant) > 8 or set(meant) & {"\n", "\r", "\0"} or has_strange_escape(text):
        row.fail("delimiter", "not a delimiter", r"write one to eight characters; \t, \xNN and \uNNNN are one each")
    elif set(meant) & RESERVED:
        row.fail("delimiter", "holds what no text of a file can hold", "use another character")
    elif (row.raw("quote") or '"') in meant:
        row.fail("delimiter", "the delimiter holds the quote", "set quote to a character that the delimiter lacks")
    elif row.raw("escape") not in ("", '"') and row.raw("escape") == meant:
        row.fail("escape", "the escape is the delimiter", "set escape to another character")
    return text


def _percent(row: _Row) -> float:
    text = row.get("max_reject_percent") or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        row.fail("max_reject_percent", "not a percentage", "write a number from 0 to 100")
    return value


def _encoding(row: _Row) -> str:
    name = row.get("encoding") or "UTF-8"
    if not is_encoding(name):
        row.fail("encoding", "unknown encoding", "use e.g. UTF-8, ISO-8859-1, windows-1252 or UTF-16")
    return name


def _character(row: _Row, column: str, default: str) -> str:
    text = row.raw(column) or default
    if len(text) != 1 or text in "\r\n " or text in RESERVED:
        row.fail(column, "not a single character", f"write one character, no space; empty means {default}")
    return text


def _quality_rules(row: _Row) -> str | None:
    text = row.get("quality_rules")
    if not text:
        return None
    try:
        quality.parse_rules(text)
    except Rejected as error:
        row.fail("quality_rules", error.message, "write name: SQL expression; name: SQL expression")
    return text
