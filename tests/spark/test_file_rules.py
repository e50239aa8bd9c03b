"""Quality rules over a file as a whole: `row_count` and `unique`."""

from typing import Any

import pyarrow as pa
import pytest

from hub_core.model import FileFormat
from tests.spark.conftest import Lake

pytestmark = pytest.mark.stack

HEADER = "id,day,name\n"
FILES = {
    "good.csv": HEADER + "1,mon,a\n1,tue,b\n2,mon,c\n",
    "nulls.csv": HEADER + ",mon,a\n,mon,b\n,,c\n",
    "few.csv": HEADER + "1,mon,a\n",
    "bad_left_few.csv": HEADER + "1,mon,a\n2,mon\n",
    "twins.csv": HEADER + "1,mon,a\n1,mon,b\n2,mon,c\n3,tue,d\n3,tue,e\n3,tue,f\n",
    "header.csv": HEADER,
    "zero.csv": "",
    "keyless.csv": "id,name\n1,a\n2,b\n",
}


@pytest.fixture(scope="module")
def loaded(lake: Lake) -> dict[str, Any]:
    """One batch of three feeds: strict keys and counts, the same for parquet, and bad records allowed beside a rule."""
    rules = "enough: row_count >= 2; key: unique(id, day)"
    feeds = {
        "plain": lake.feed("file_rules", quality_rules=rules),
        "parquet": lake.feed("file_rules_pq", quality_rules="key: unique(id)", file_format=FileFormat.PARQUET),
        "lenient": lake.feed("file_rules_lenient", quality_rules="enough: row_count >= 2", max_reject_percent=60),
    }
    lake.sync(*feeds.values())
    for name, content in FILES.items():
        lake.put(feeds["plain"], name, content)
    lake.parquet(feeds["parquet"], "good.parquet", pa.table({"id": [1, 2]}))
    lake.parquet(feeds["parquet"], "twins.parquet", pa.table({"id": [1, 1]}))
    lake.put(feeds["lenient"], "two_left.csv", HEADER + "1,mon,a\n2,tue,b\n3,mon\n")
    lake.put(feeds["lenient"], "one_left.csv", HEADER + "1,mon,a\n2,tue\n")
    batch = lake.claim(*feeds.values())
    lake.load(batch)
    return {"feeds": feeds, "batch": batch}


def _told(lake: Lake, loaded: dict[str, Any], feed: str) -> dict[str, tuple[object, ...]]:
    files = lake.files(loaded["batch"], loaded["feeds"][feed])
    return {name: (one.status, one.error_code, one.row_count, one.rejected_count) for name, one in files.items()}


def test_a_file_that_breaks_a_rule_is_quarantined_as_a_whole(lake: Lake, loaded: dict[str, Any]) -> None:
    assert _told(lake, loaded, "plain") == {
        "good.csv": ("SUCCESS", None, 3, 0),
        "nulls.csv": ("SUCCESS", None, 3, 0),
        "few.csv": ("QUARANTINED", "FILE_RULE", 0, 0),
        "bad_left_few.csv": ("QUARANTINED", "TOO_MANY_REJECTS", 0, 1),
        "twins.csv": ("QUARANTINED", "FILE_RULE", 0, 5),
        "header.csv": ("QUARANTINED", "FILE_RULE", 0, 0),
        "zero.csv": ("QUARANTINED", "FILE_RULE", 0, 0),
        "keyless.csv": ("FAILED", "RULE_ERROR", 0, None),
    }
    assert len(lake.rows(loaded["feeds"]["plain"], "id")) == 6


def test_the_message_says_what_the_file_has(lake: Lake, loaded: dict[str, Any]) -> None:
    files = lake.files(loaded["batch"], loaded["feeds"]["plain"])
    assert files["few.csv"].error_message == "enough: row_count >= 2, and the file has 1 good records"
    twins = files["twins.csv"].error_message or ""
    assert twins.startswith("key: unique(id, day), and 5 records share keys. First: ")
    assert '"id":"1"' in twins


def test_records_that_share_a_key_are_in_quarantine(lake: Lake, loaded: dict[str, Any]) -> None:
    found = lake.quarantined(loaded["feeds"]["plain"])
    twins = [(raw, reason) for raw, rule, reason in found if rule == "key"]
    assert [raw for raw, _ in twins] == ["1,mon,a", "1,mon,b", "3,tue,d", "3,tue,e", "3,tue,f"]
    assert twins[0][1] == "key: unique(id, day), and 2 records have this key"
    assert twins[-1][1] == "key: unique(id, day), and 3 records have this key"
    assert [(raw, rule) for raw, rule, _ in found if rule != "key"] == [("2,mon", "malformed")]


def test_parquet_files_have_keys_too(lake: Lake, loaded: dict[str, Any]) -> None:
    assert _told(lake, loaded, "parquet") == {
        "good.parquet": ("SUCCESS", None, 2, 0),
        "twins.parquet": ("QUARANTINED", "FILE_RULE", 0, 2),
    }


def test_good_records_are_what_counts(lake: Lake, loaded: dict[str, Any]) -> None:
    assert _told(lake, loaded, "lenient") == {
        "two_left.csv": ("SUCCESS", None, 2, 1),
        "one_left.csv": ("QUARANTINED", "FILE_RULE", 0, 1),
    }
