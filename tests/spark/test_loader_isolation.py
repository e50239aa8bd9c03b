"""Two hundred files over five feeds, twenty of them bad in more than ten ways: each bad one alone pays for it."""

import gzip
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from hub_core.model import Feed, FileFormat, FileStatus, SchemaDrift
from tests.lake import Lake

pytestmark = pytest.mark.stack

FILES_OF_A_FEED = 40
MOST_COMMITS = 8
"""Of a table: dividing a group makes some more, but far fewer than there are good files."""
GOOD = "id,name\n1,ann\n2,bob\n"
PARQUET = pa.table({"id": pa.array([1, 2], pa.int32()), "name": ["ann", "bob"]})
PACKED = gzip.compress(GOOD.encode())

# What each bad file holds, its error code, and what its reason says. None: something happens to it after its claim.
BAD: dict[str, dict[str, tuple[Any, str, str]]] = {
    "plain": {
        "short.csv": ("id,name\n1,ann\n2\n", "TOO_MANY_REJECTS", "1 of 2 records"),
        "bytes.csv": (b"id,name\n1,\xff\n", "TOO_MANY_REJECTS", "UTF-8"),
        "nameless.csv": ("id,,name\n1,2,3\n", "BAD_HEADER", "no name in column 2"),
        "twice.csv": ("id,ID\n1,2\n", "BAD_HEADER", "'id' and 'ID'"),
        "own.csv": ("id,_batch_id\n1,2\n", "BAD_HEADER", "_batch_id"),
    },
    "packed": {
        "text.csv.gz": (b"id,name\n1,ann\n", "UNREADABLE_FILE", ""),
        "cut.csv.gz": (PACKED[: len(PACKED) - 12], "UNREADABLE_FILE", ""),
        "gone.csv.gz": (PACKED, "FILE_GONE", ""),
    },
    "ruled": {
        "negative.csv": ("id,name\n-1,ann\n", "TOO_MANY_REJECTS", "positive"),
        "lacks.csv": ("name\nann\n", "RULE_ERROR", "id"),
        "torn.csv": ('id,name\n1,"ann\n', "TOO_MANY_REJECTS", "multiline"),
        "changed.csv": (GOOD, "FILE_CHANGED", ""),
    },
    "parquet": {
        "text.parquet": (b"id,name\n1,ann\n", "UNREADABLE_FILE", ""),
        "zero.parquet": (b"", "UNREADABLE_FILE", ""),
        "other.parquet": (pa.table({"id": ["x"], "name": ["y"]}), "SCHEMA_CONFLICT", "'id' is string"),
        "time.parquet": (pa.table({"id": pa.array([1], pa.time64("us"))}), "UNSUPPORTED_TYPE", ""),
    },
    "strict": {
        "more.csv": ("id,name,extra\n1,ann,x\n", "SCHEMA_DRIFT", "extra"),
        "other.csv": ("id,name,zip,city\n1,ann,x,y\n", "SCHEMA_DRIFT", "zip, city"),
        "long.csv": ("id,name\n1,ann,x,y\n", "TOO_MANY_REJECTS", "1 of 1 records"),
        "renamed.csv": ("id,nom\n1,ann\n", "SCHEMA_DRIFT", "nom"),
    },
}


def _feeds(lake: Lake) -> dict[str, Feed]:
    return {
        "plain": lake.feed("iso_plain"),
        "packed": lake.feed("iso_packed"),
        "ruled": lake.feed("iso_ruled", quality_rules="positive: CAST(id AS INT) > 0"),
        "parquet": lake.feed("iso_parquet", file_format=FileFormat.PARQUET),
        "strict": lake.feed("iso_strict", schema_drift=SchemaDrift.FAIL),
    }


def _good(kind: str) -> tuple[str, Any]:
    return {"packed": (".csv.gz", PACKED), "parquet": (".parquet", PARQUET)}.get(kind, (".csv", GOOD))


def _land(lake: Lake, feed: Feed, name: str, content: Any) -> None:
    if isinstance(content, pa.Table):
        lake.parquet(feed, name, content)
    else:
        lake.put(feed, name, content)


def test_a_bad_file_stops_neither_its_siblings_nor_another_feed(lake: Lake, next_second: Callable[[], None]) -> None:
    feeds = _feeds(lake)
    lake.sync(*feeds.values())
    for kind, feed in feeds.items():
        suffix, content = _good(kind)
        for number in range(FILES_OF_A_FEED - len(BAD[kind])):
            _land(lake, feed, f"good{number:02}{suffix}", content)
        for name, (bad, _, _) in BAD[kind].items():
            _land(lake, feed, name, bad)
    batch = lake.claim(*feeds.values())
    next_second()
    lake.delete(feeds["packed"], "gone.csv.gz")
    lake.put(feeds["ruled"], "changed.csv", "id,name\n7,zoe\n8,zoe\n9,zoe\n")
    result = lake.load(batch)
    bad_files = sum(map(len, BAD.values()))
    assert sum(result.files.values()) == FILES_OF_A_FEED * len(feeds)
    assert (result.files["SUCCESS"], result.files["FAILED"] + result.files["QUARANTINED"]) == (180, bad_files)
    for kind, feed in feeds.items():
        found = lake.files(batch, feed)
        wrong = {name: file for name, file in found.items() if file.status is not FileStatus.SUCCESS}
        assert {name: file.error_code for name, file in wrong.items()} == {
            name: code for name, (_, code, _) in BAD[kind].items()
        }
        for name, (_, _, part) in BAD[kind].items():
            message = wrong[name].error_message or ""
            assert part in message, (name, message)
            assert len(message) > 20, (name, message)
        good = FILES_OF_A_FEED - len(BAD[kind])
        assert len(lake.rows(feed, "id", "name")) == 2 * good, kind
        assert len(lake.commits(feed)) <= MOST_COMMITS, kind
