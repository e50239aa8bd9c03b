"""`docs/bad-files.md`: per option of a feed, what happens to a bad file, as a run has it.

`WRITE_DOCS=1 python -m pytest tests/spark/test_bad_files_page.py` writes the page anew.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hub_core.model import Feed, FileFormat, OnRedelivery, SchemaDrift
from tests.lake import Lake

pytestmark = pytest.mark.stack

PAGE = Path(__file__).parents[2] / "docs" / "bad-files.md"
INTRO = """# What becomes of a bad file, option by option

Every line here is from a run: `tests/spark/test_bad_files_page.py` loads these files, and fails where this page says
anything else. The first line of a file is its header unless the option says otherwise; *before* is what was loaded
under the same name, or into the same table, before. What the codes mean is in [errors.md](errors.md), the options are
in [feeds.md](feeds.md).

Whatever happens to a bad file, its siblings are loaded, and so are all other feeds' files.
"""


@dataclass(frozen=True)
class Case:
    """One file under one value of one option."""

    option: str
    value: str
    what: str
    content: bytes
    before: bytes | None = None
    again: bool = False
    """Whether `before` came under the file's own name."""
    options: dict[str, Any] = field(default_factory=dict)


GOOD = b"id,name\n1,ann\n2,bob\n"
SHORT = b"id,name\n1,ann\n2\n3,cid\n"
RULE = {"quality_rules": "positive: CAST(id AS INT) > 0"}
CASES = (
    Case("max_reject_percent", "0, the default", "a record with a field too few", SHORT),
    Case("max_reject_percent", "50", "the same", SHORT, options={"max_reject_percent": 50}),
    Case("max_reject_percent", "10", "the same: 33 % of its records are bad", SHORT,
         options={"max_reject_percent": 10}),
    Case("quality_rules", "`positive: CAST(id AS INT) > 0`", "a record that breaks the rule",
         b"id,name\n-1,ann\n2,bob\n", options=RULE),
    Case("quality_rules", "the same, and `max_reject_percent` 50", "the same", b"id,name\n-1,ann\n2,bob\n",
         options={**RULE, "max_reject_percent": 50}),
    Case("quality_rules", "the same rule", "no column of that name", b"name\nann\n", options=RULE),
    Case("quality_rules", "the same rule", "an id that is no number", b"id,name\nx,ann\n2,bob\n", options=RULE),
    Case("quality_rules", "`enough: row_count >= 3`", "two records", GOOD,
         options={"quality_rules": "enough: row_count >= 3"}),
    Case("quality_rules", "`key: unique(id)`", "two records with one id", b"id,name\n1,ann\n1,bob\n2,cid\n",
         options={"quality_rules": "key: unique(id)"}),
    Case("schema_drift", "`add`, the default", "a column that the table lacks", b"id,name,zip\n3,cid,8001\n", GOOD),
    Case("schema_drift", "`fail`", "the same", b"id,name,zip\n3,cid,8001\n", GOOD,
         options={"schema_drift": SchemaDrift.FAIL}),
    Case("schema_drift", "`ignore`", "the same", b"id,name,zip\n3,cid,8001\n", GOOD,
         options={"schema_drift": SchemaDrift.IGNORE}),
    Case("schema_drift", "`ignore`", "none of the table's columns", b"id;name\n3;cid\n", GOOD,
         options={"schema_drift": SchemaDrift.IGNORE}),
    Case("on_redelivery", "`replace`, the default", "a newer version, which is bad", SHORT, GOOD, again=True),
    Case("on_redelivery", "`replace`, the default", "a newer version, which is good", b"id,name\n9,zoe\n", GOOD,
         again=True),
    Case("on_redelivery", "`skip`", "a newer version, which is good", b"id,name\n9,zoe\n", GOOD, again=True,
         options={"on_redelivery": OnRedelivery.SKIP}),
    Case("on_redelivery", "`append`", "a newer version, which is good", b"id,name\n9,zoe\n", GOOD, again=True,
         options={"on_redelivery": OnRedelivery.APPEND}),
    Case("encoding", "`UTF-8`, the default", "written in Latin-1", "id,name\n1,Zoë\n".encode("latin-1")),
    Case("encoding", "`ISO-8859-1`", "the same", "id,name\n1,Zoë\n".encode("latin-1"),
         options={"encoding": "ISO-8859-1"}),
    Case("multiline", "`false`, the default", "a line break within quotes", b'id,name\n1,"ann\nlee"\n2,bob\n'),
    Case("multiline", "`true`", "the same", b'id,name\n1,"ann\nlee"\n2,bob\n', options={"multiline": True}),
    Case("multiline", "`true`", "a quote that is closed nowhere", b'id,name\n1,"ann\n2,bob\n3,cid\n',
         options={"multiline": True}),
    Case("quote", '`"`, the default', "values in single quotes, one with a comma", b"id,name\n1,'lee, ann'\n"),
    Case("quote", "`'`", "the same", b"id,name\n1,'lee, ann'\n", options={"quote": "'"}),
    Case("escape", '`"`, the default', "a quote that a backslash escapes", b'id,name\n1,"5\\" pipe, new"\n'),
    Case("escape", "`\\`", "the same", b'id,name\n1,"5\\" pipe, new"\n', options={"escape": "\\"}),
    Case("null_value", "none, the default", "NA where nothing is known", b"id,name\n1,NA\n"),
    Case("null_value", "`NA`", "the same", b"id,name\n1,NA\n", options={"null_value": "NA"}),
    Case("delimiter", "`,`", "tabs between its fields", b"id\tname\n3\tcid\n", GOOD),
    Case("has_header", "`true`, the default", "no header, the table being there", b"3,cid\n4,dan\n", GOOD),
    Case("has_header", "`true`, the default", "a header with one name twice", b"id,ID\n1,2\n"),
    Case("file_format", "`parquet`", "text", GOOD, options={"file_format": FileFormat.PARQUET, "delimiter": None}),
    Case("file_format", "`delimited`", "gzip by its name only", GOOD, options={"file_pattern": "*.gz"}),
)  # fmt: skip


def _name(case: Case) -> str:
    return "file.csv.gz" if case.options.get("file_pattern") else "file.csv"


@pytest.fixture(scope="module")
def page(lake: Lake, next_second: Callable[[], None]) -> str:
    """The page, from one batch with what was there before and one with the files."""
    feeds = [lake.feed(f"bad_page_{index:02}", **case.options) for index, case in enumerate(CASES)]
    lake.sync(*feeds)
    earlier = [(feed, case) for feed, case in zip(feeds, CASES, strict=True) if case.before is not None]
    for feed, case in earlier:
        lake.put(feed, _name(case) if case.again else "earlier.csv", case.before or b"")
    lake.load(lake.claim(*[feed for feed, _ in earlier]))
    next_second()
    for feed, case in zip(feeds, CASES, strict=True):
        lake.put(feed, _name(case), case.content)
        if not case.again and case.before is not None:
            lake.delete(feed, "earlier.csv")
    batch = lake.claim(*feeds)
    lake.load(batch)
    told = [_told(lake, batch, feed, case) for feed, case in zip(feeds, CASES, strict=True)]
    sections: list[str] = [INTRO]
    for option in dict.fromkeys(case.option for case in CASES):
        sections.append(f"## `{option}`\n")
        sections += [text for text, case in zip(told, CASES, strict=True) if case.option == option]
    return "\n".join(sections)


def _told(lake: Lake, batch: str, feed: Feed, case: Case) -> str:
    [outcome] = lake.files(batch, feed).values()
    ends = outcome.status + (f" `{outcome.error_code}`" if outcome.error_code else "")
    ends += f", {outcome.row_count or 0} rows loaded"
    ends += f", {outcome.rejected_count} records refused" if outcome.rejected_count else ""
    lines = [f"**{case.value}**; {case.what}.", "", "```text"]
    if case.before is not None:
        lines += [f"before:  {_shown(case.before)}"]
    lines += [f"file:    {_shown(case.content)}", "```", "", f"- ends as: {ends}"]
    if outcome.error_message:
        lines.append(f"- the tracker says: {_without_places(outcome.error_message, feed)}")
    lines.append(f"- the table then: {_table(lake, feed)}")
    lines += [f"- in `quarantine`: `{raw}`, {rule}: {reason}" for raw, rule, reason in lake.quarantined(feed)]
    return "\n".join([*lines, ""])


def _shown(content: bytes) -> str:
    return repr(content.decode("utf-8", "backslashreplace"))[1:-1].replace("\\\\", "\\").removesuffix("\\n")


def _without_places(message: str, feed: Feed) -> str:
    """The message, with the names that differ from run to run as they would be in production."""
    folder = "abfss://landing@account.dfs.core.windows.net/falcon/feed/"
    return message.replace(feed.source_path, folder).replace(feed.table, "main.falcon_bronze.feed")


def _table(lake: Lake, feed: Feed) -> str:
    if not lake.spark.catalog.tableExists(feed.table):
        return "not made"
    frame = lake.spark.table(feed.table)
    names = [name for name in frame.columns if not name.startswith("_") or name.startswith("_c")]
    rows = lake.rows(feed, *names) if names else []
    shown = "; ".join(", ".join("NULL" if value is None else repr(value) for value in row) for row in rows)
    return f"`{', '.join(repr(name)[1:-1] for name in names)}`: {f'`{shown}`' if rows else 'no row'}"


def test_the_page_says_what_a_run_does(page: str) -> None:
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(page, "utf-8")
    assert PAGE.read_text("utf-8") == page
