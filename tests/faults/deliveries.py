"""Feeds with their files, and what must have become of them once they are loaded, however often that was begun."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pyarrow as pa

from hub_core.model import Feed, FileFormat, FileStatus
from tests.lake import Lake, next_second

type Rows = Sequence[tuple[Any, ...]]
type Content = str | pa.Table


@dataclass(frozen=True)
class Kind:
    """A feed, the files of a batch and of one before it, and what is right afterwards."""

    name: str
    files: Mapping[str, Content]
    rows: Mapping[str, Rows]
    """What the batch's files have in bronze."""
    columns: tuple[str, ...] = ("id", "name")
    bad: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The records of the batch's files that are in quarantine."""
    refused: frozenset[str] = frozenset()
    """Files that end QUARANTINED; the others are SUCCESS."""
    earlier: Mapping[str, Content] = field(default_factory=dict)
    """Versions that were loaded before."""
    kept: Mapping[str, Rows] = field(default_factory=dict)
    """What these still have in bronze."""
    options: Mapping[str, Any] = field(default_factory=dict)
    new_schema: bool = False
    """Whether the destination's schema is not there before."""


PLAIN = Kind(
    "plain",
    files={"a.csv": "id,name\n1,x\n1,x\n", "b.csv": "id,name\n1,x\n2,\n", "c.csv": "id,name\n3,z\n", "none.csv": ""},
    rows={"a.csv": [("1", "x"), ("1", "x")], "b.csv": [("1", "x"), ("2", None)], "c.csv": [("3", "z")]},
    new_schema=True,
)
MALFORMED = Kind(
    "malformed",
    files={"a.csv": "id,name\n1,x\n", "bad.csv": "id,name\n1,x\n2\n2\n", "c.csv": "id,name\n3,z\n"},
    rows={"a.csv": [("1", "x")], "c.csv": [("3", "z")]},
    bad={"bad.csv": ["2", "2"]},
    refused=frozenset({"bad.csv"}),
)
REJECTING = Kind(
    "rejecting",
    files={
        "few.csv": "id,name\n1,a\n2,b\n3,c\n4\n",
        "most.csv": "id,name\n1\n2\n3,c\n",
        "good.csv": "id,name\n5,e\n5,e\n",
    },
    rows={"few.csv": [("1", "a"), ("2", "b"), ("3", "c")], "good.csv": [("5", "e"), ("5", "e")]},
    bad={"few.csv": ["4"], "most.csv": ["1", "2"]},
    refused=frozenset({"most.csv"}),
    options={"max_reject_percent": 40.0},
)
REDELIVERED = Kind(
    "redelivered",
    earlier={"a.csv": "id,name\n1,old\n2,old\n", "b.csv": "id,name\n3,old\n", "c.csv": "id,name\n4,old\n"},
    files={"a.csv": "id,name\n2,new\n5,new\n6,new\n", "b.csv": "id,name\n3\n", "d.csv": "id,name\n7,new\n"},
    rows={"a.csv": [("2", "new"), ("5", "new"), ("6", "new")], "d.csv": [("7", "new")]},
    bad={"b.csv": ["3"]},
    refused=frozenset({"b.csv"}),
    kept={"b.csv": [("3", "old")], "c.csv": [("4", "old")]},
)
WIDENED = Kind(
    "widened",
    files={
        "a.parquet": pa.table({"id": pa.array([1, 1], pa.int32()), "name": ["x", "x"]}),
        "b.parquet": pa.table({"zip": ["0150"], "id": pa.array([2**40], pa.int64())}),
    },
    rows={"a.parquet": [(1, "x", None), (1, "x", None)], "b.parquet": [(2**40, None, "0150")]},
    columns=("id", "name", "zip"),
    options={"file_format": FileFormat.PARQUET},
)
KINDS = (PLAIN, MALFORMED, REJECTING, REDELIVERED, WIDENED)


@dataclass(frozen=True)
class Delivery:
    """Files of one kind that have landed, in a feed of their own."""

    kind: Kind
    feed: Feed


def land(lake: Lake, kinds: Sequence[Kind], lob: str = "falcon") -> list[Delivery]:
    """Land a delivery of each kind, its earlier versions loaded before."""
    landed = [Delivery(kind, _feed(lake, kind, lob)) for kind in kinds]
    lake.sync(*[one.feed for one in landed])
    for schema in {one.feed.dest_schema for one in landed if not one.kind.new_schema}:
        lake.sql.execute(f"CREATE SCHEMA IF NOT EXISTS {lake.catalog}.{schema}", {})
    before = [one for one in landed if one.kind.earlier]
    if before:
        for one in before:
            _put(lake, one.feed, one.kind.earlier)
        lake.load(lake.claim(*[one.feed for one in before]))
        next_second()
    for one in landed:
        for name in one.kind.earlier.keys() - one.kind.files.keys():
            lake.delete(one.feed, name)
        _put(lake, one.feed, one.kind.files)
    return landed


def _feed(lake: Lake, kind: Kind, lob: str) -> Feed:
    name = uuid4().hex[:6]
    schema = f"{lob}_{name}" if kind.new_schema else f"{lob}_bronze"
    return lake.feed(f"{kind.name}_{name}", lob=lob, dest_schema=schema, **kind.options)


def _put(lake: Lake, feed: Feed, contents: Mapping[str, Content]) -> None:
    for name, content in contents.items():
        if isinstance(content, str):
            lake.put(feed, name, content)
        else:
            lake.parquet(feed, name, content)


def assert_loaded_once(lake: Lake, batch: str, landed: Sequence[Delivery]) -> None:
    """Bronze, quarantine and tracker are what the files ask for: nothing is lost, nothing is there twice."""
    outcomes = lake.tracker.files(batch, None, "", 1_000_000)
    assert len(outcomes) == sum(len(one.kind.files) for one in landed)
    quarantine = _quarantined(lake, batch)
    for one in landed:
        folder, kind = len(one.feed.source_path), one.kind
        mine = {file.path[folder:]: file for file in outcomes if file.path.startswith(one.feed.source_path)}
        names = {file.tracker_id: name for name, file in mine.items()}
        assert {name: file.status for name, file in mine.items()} == {
            name: FileStatus.QUARANTINED if name in kind.refused else FileStatus.SUCCESS for name in kind.files
        }, {name: (file.error_code, file.error_message) for name, file in mine.items()}
        table = lake.rows(one.feed, "_source_file", "_tracker_id", "_batch_id", *kind.columns)
        new = [row for row in table if row[2] == batch]
        assert Counter((row[0][folder:], *row[3:]) for row in new) == _counted(kind.rows)
        assert Counter((row[0][folder:], *row[3:]) for row in table if row[2] != batch) == _counted(kind.kept)
        rows = Counter(names[row[1]] for row in new)
        assert rows == Counter(row[0][folder:] for row in new)
        assert {name: file.row_count for name, file in mine.items()} == {name: rows[name] for name in mine}
        bad = [row for row in quarantine if row[0].startswith(one.feed.source_path)]
        assert Counter((row[0][folder:], row[2]) for row in bad) == _counted(
            {name: [(record,) for record in records] for name, records in kind.bad.items()}
        )
        rejected = Counter(names[row[1]] for row in bad)
        assert {name: file.rejected_count or 0 for name, file in mine.items()} == {
            name: rejected[name] for name in mine
        }


def _quarantined(lake: Lake, batch: str) -> list[tuple[str, str, str]]:
    frame = lake.spark.table(f"{lake.catalog}.bronze_metadata.quarantine")
    found = frame.where(frame.batch_id == batch).select("source_file", "tracker_id", "raw_record").collect()
    return [(row[0], row[1], row[2]) for row in found]


def _counted(rows: Mapping[str, Rows]) -> Counter[tuple[Any, ...]]:
    return Counter((name, *row) for name, some in rows.items() for row in some)
