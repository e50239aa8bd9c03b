"""Formats as data: the files that a feed is given, and what its table and the tracker hold after one load."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from hub_core.model import Feed, FileOutcome, FileStatus
from spark_jobs.headers import HUB_COLUMNS
from tests.lake import Lake

type Content = bytes | str | pa.Table

ODD_NAMES = (
    "a b.csv", "h#1.csv", "p%20q.csv", "p%.csv", "pl+us.csv", "e=1,2.csv", "ünï.csv", "日本.csv", "q?.csv", "st*r.csv",
    "br[1].csv", "cu{a,b}.csv", "o'k.csv", "am&p;x.csv", "t~i^d`e.csv", "nb\u00a0sp.csv", "pipe|x.csv", 'quo"te.csv',
    "col:on.csv", "(p)!.csv", "sub [x]/deep.csv",
)  # fmt: skip
"""Of files: with signs that mean something to a URL, to a shell, or to Spark's patterns."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What the tracker says of a file."""

    status: FileStatus
    rows: int = 0
    code: str | None = None
    part: str = ""
    """Stands in the message."""


def quarantined(code: str, part: str) -> Ends:
    """The file ends QUARANTINED."""
    return Ends(FileStatus.QUARANTINED, 0, code, part)


def failed(code: str, part: str) -> Ends:
    """The file ends FAILED."""
    return Ends(FileStatus.FAILED, 0, code, part)


def noted(rows: int, part: str) -> Ends:
    """The file ends SUCCESS, with something to say of it."""
    return Ends(FileStatus.SUCCESS, rows, None, part)


@dataclass(frozen=True, slots=True)
class Case:
    """One feed, loaded once."""

    files: Mapping[str, tuple[Content, int | Ends]]
    """By name: what it holds, and how it ends; a number means SUCCESS with so many rows."""
    columns: Sequence[str] | Mapping[str, str] | None
    """Of the table, without the hub's own; with their types where they are not all string. None: there is no table."""
    rows: Sequence[tuple[Any, ...]] = ()
    """Of the table."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the feed."""
    select: Sequence[str] = ()
    """Expressions that `rows` are the values of, where they are not the columns."""
    any_case: bool = False
    """Whether files spell the columns in upper and lower case, and any of them may be the one that makes the table."""
    before: Mapping[str, tuple[Content, int | Ends]] = field(default_factory=dict)
    """Files like `files`, of a load before."""


@dataclass(frozen=True, slots=True)
class LoadedCases:
    """Cases after their batch was loaded."""

    lake: Lake
    cases: Mapping[str, Case]
    feeds: Mapping[str, Feed]
    outcomes: Mapping[str, FileOutcome]

    def check(self, name: str) -> None:
        """Compare the case's outcomes and table with what it expects."""
        self.check_tracker(name)
        self.check_table(name)

    def check_tracker(self, name: str) -> None:
        """Compare what the tracker says of the case's files."""
        found = self._found(name)
        files = {**self.cases[name].before, **self.cases[name].files}
        wanted = {file: _ends(ends) for file, (_, ends) in files.items()}
        facts = {
            file: (one.status, one.row_count, one.error_code, bool(one.error_message)) for file, one in found.items()
        }
        messages = {file: one.error_message for file, one in found.items() if one.error_message}
        wanted_facts = {file: (ends.status, ends.rows, ends.code, bool(ends.part)) for file, ends in wanted.items()}
        _same(facts, wanted_facts, messages)
        for file, ends in wanted.items():
            assert ends.part in messages.get(file, ""), f"{file}: {ends.part!r} is not in {messages.get(file)!r}"

    def check_table(self, name: str) -> None:
        """Compare the case's table, and its rows by file with what the tracker counts."""
        case, feed = self.cases[name], self.feeds[name]
        if case.columns is None:
            assert not self.lake.spark.catalog.tableExists(feed.table)
            return
        table = self.lake.spark.table(feed.table)
        types = {one.name: one.dataType.simpleString() for one in table.schema if one.name not in HUB_COLUMNS}
        wanted = case.columns if isinstance(case.columns, Mapping) else dict.fromkeys(case.columns, "string")
        if case.any_case:
            types = {name.lower(): kind for name, kind in types.items()}
        _same(types, wanted)
        select = case.select or ["`" + column.replace("`", "``") + "`" for column in wanted]
        rows = [tuple(row) for row in table.selectExpr(*select, "_source_file").collect()]
        _same(_in_order(row[:-1] for row in rows), _in_order(case.rows))
        tracked = {feed.source_path + file: one.row_count for file, one in self._found(name).items() if one.row_count}
        _same(Counter(row[-1] for row in rows), tracked)

    def _found(self, name: str) -> dict[str, FileOutcome]:
        folder = self.feeds[name].source_path
        return {path[len(folder) :]: one for path, one in self.outcomes.items() if path.startswith(folder)}


def load(lake: Lake, cases: Mapping[str, Case], request: pytest.FixtureRequest) -> LoadedCases:
    """Load those of `cases` that this run's tests of the module name as `case`: in one batch, and one before."""
    named = (
        item.callspec.params.get("case")
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    )
    chosen = {name: cases[name] for name in named if name}
    prefix = request.module.__name__.rpartition("test_")[2]
    feeds = {name: lake.feed(f"{prefix}_{name}", **case.options) for name, case in chosen.items()}
    lake.sync(*feeds.values())
    outcomes: dict[str, FileOutcome] = {}
    for files in (
        {name: case.before for name, case in chosen.items()},
        {name: case.files for name, case in chosen.items()},
    ):
        if any(files.values()):
            outcomes |= _loaded(lake, feeds, files)
    return LoadedCases(lake, chosen, feeds, outcomes)


def _loaded(
    lake: Lake, feeds: Mapping[str, Feed], files: Mapping[str, Mapping[str, tuple[Content, int | Ends]]]
) -> dict[str, FileOutcome]:
    for name, contents in files.items():
        for file, (content, _) in contents.items():
            if isinstance(content, pa.Table):
                lake.parquet(feeds[name], file, content)
            else:
                lake.put(feeds[name], file, content)
    batch = lake.claim(*feeds.values())
    lake.load(batch)
    return lake.files(batch)


def _same(found: Any, wanted: Any, *more: Any) -> None:
    # Spelled out, since pytest explains only what test modules themselves assert.
    assert found == wanted, "\n".join(map(str, ("", found, "is not", wanted, *more)))


def _ends(ends: int | Ends) -> Ends:
    return Ends(FileStatus.SUCCESS, ends) if isinstance(ends, int) else ends


def _in_order(rows: Any) -> list[tuple[Any, ...]]:
    """None first; a row's order is known by its first columns, so that maps are not compared."""
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])
