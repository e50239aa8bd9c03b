"""A spoke's own job on the real stack: it plans as the service does, beside it, and tells what became of each file."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deltalake_hub.bronze.base_loader import FilesNotLoaded
from deltalake_hub.quality import RulesBroken, check
from hub_core.errors import Broken, Rejected, Transient
from hub_core.model import Claim, FileStatus, LoadState, SourceFile
from spark_jobs.landing import SparkLanding
from spark_jobs.loader import Loader
from spark_jobs.notebook_params import read_config
from tests.lake import Lake
from tests.spoke import Spoke

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def writes_are_atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SETTLE_SECONDS", "0")


@pytest.fixture
def spoke(lake: Lake, tmp_path: Path) -> Iterator[Spoke]:
    made = Spoke(lake, tmp_path)
    yield made
    lake.spark.sql(f"DROP SCHEMA IF EXISTS {made.lob}_bronze CASCADE")


def test_what_is_due_is_loaded_once_and_said_as_a_table(spoke: Spoke) -> None:
    one, two = spoke.feed("one"), spoke.feed("two")
    spoke.configure(one, two)
    for feed in (one, two):
        for n in range(3):
            spoke.lake.put(feed, f"sub/{n}.csv", f"id,name\n{n},a\n")
    result = spoke.loader({"category": spoke.lob}).run()
    assert (result.state, result.count(FileStatus.SUCCESS), result.rows) == (LoadState.SUCCESS, 6, 6)
    assert f"{one.table}  SUCCESS  3      3" in str(result)
    assert spoke.lake.rows(one, "id", "name") == [("0", "a"), ("1", "a"), ("2", "a")]
    assert len(spoke.lake.commits(one)) == 1
    again = spoke.loader({"category": spoke.lob}).run()
    assert (again.state, again.files, again.skipped) == (LoadState.EMPTY, (), {"loaded": 6})
    assert spoke.lake.rows(one, "id")[3:] == []
    # The service knows eTags, which the notebook's claims lack; each sees the other's.
    by_service = [Claim(one, file, 1) for file in spoke.lake.listed(one)]
    assert all(claim.file.etag for claim in by_service)
    assert spoke.lake.tracker.claim(spoke.lob, "service", by_service) == set()


def test_a_csv_that_is_not_there_is_said_by_its_address(spoke: Spoke) -> None:
    url = spoke.feed("one").source_path + "falcon_config.csv"
    with pytest.raises(Broken, match=f"{url}: ") as raised:
        read_config(spoke.lake.spark, url)
    assert raised.value.code == "CONFIG_UNREADABLE"


def test_params_select_feeds_and_files_and_force_replaces(spoke: Spoke) -> None:
    one, two = spoke.feed("one"), spoke.feed("two", subcategory="other")
    spoke.configure(one, two)
    for feed in (one, two):
        spoke.lake.put(feed, "sales_20200101.csv", "id\n1\n")
        spoke.lake.put(feed, "sales_20200202.csv", "id\n2\n")
    by_date = {"subcategory": "other", "begin_date": "2020-02-01", "end_date": "2020-02-28"}
    first = spoke.loader(by_date).run()
    assert [(file.file_name, file.dest_table) for file in first.files] == [("sales_20200202.csv", two.table)]
    forced = spoke.loader({"category": two.category, "file_name": "sales_20200202.csv", "force": "true"}).run()
    assert [(file.attempt, file.row_count) for file in forced.files] == [(2, 1)]
    assert spoke.lake.rows(two, "id") == [("2",)]
    with pytest.raises(Rejected, match="no active feed matches"):
        spoke.loader({"subcategory": "unknown"}).run()


def test_a_failed_file_fails_the_task_with_the_table_unless_told_otherwise(spoke: Spoke) -> None:
    good, torn = spoke.feed("good"), spoke.feed("torn")
    spoke.configure(good, torn)
    spoke.lake.put(good, "a.csv", "id\n1\n")
    spoke.lake.put(good, "b.csv.gz", b"not gzip at all")
    spoke.lake.put(torn, "c.csv", "id,name\n1\n")
    with pytest.raises(FilesNotLoaded, match=r"b\.csv\.gz +FAILED +UNREADABLE_FILE") as raised:
        spoke.loader().run()
    result = raised.value.result
    assert [result.count(status) for status in (FileStatus.SUCCESS, FileStatus.FAILED, FileStatus.QUARANTINED)] == [
        1
    ] * 3
    assert "TOO_MANY_REJECTS" in str(result)
    assert spoke.loader(fail_on_failed=False).run().state is LoadState.FAILED


def test_a_task_that_is_tried_again_goes_on_with_its_own_claims(spoke: Spoke, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = spoke.feed("one")
    spoke.configure(feed)
    spoke.lake.put(feed, "a.csv", "id\n1\n")

    def killed(_: Loader) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Loader, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            spoke.loader({"run_id": "4711"}).run()
    spoke.lake.put(feed, "b.csv", "id\n2\n")
    result = spoke.loader({"run_id": "4711"}).run()
    assert (result.state, result.count(FileStatus.SUCCESS)) == (LoadState.SUCCESS, 2)
    assert any("going on with it" in line for line in spoke.said)
    assert spoke.lake.rows(feed, "id") == [("1",), ("2",)]
    # The claims of another request of the same run are not this one's.
    later = spoke.loader({"run_id": "4711", "category": feed.category}).run()
    assert (later.batch_id == result.batch_id, later.state) == (False, LoadState.EMPTY)


def test_a_batch_that_is_planned_already_is_loaded_without_the_csv(spoke: Spoke) -> None:
    feed = spoke.feed("one")
    spoke.lake.put(feed, "a.csv", "id\n1\n")
    spoke.lake.sync(feed)
    batch = spoke.lake.claim(feed)
    result = spoke.loader({"batch_id": batch}).run()
    assert (result.batch_id, result.state, result.rows) == (batch, LoadState.SUCCESS, 1)


def test_it_waits_for_what_another_load_has_claimed_and_tells_of_it(
    spoke: Spoke, monkeypatch: pytest.MonkeyPatch, new_session: Callable[[], Any]
) -> None:
    monkeypatch.setattr("spark_jobs.notebook.LOOK_SECONDS", 0.5)
    feed = spoke.feed("one")
    spoke.configure(feed)
    spoke.lake.put(feed, "theirs.csv", "id\n1\n")
    spoke.lake.sync(feed)
    theirs = spoke.lake.claim(feed)
    spoke.lake.put(feed, "ours.csv", "id\n2\n")
    with pytest.raises(Transient, match=f"1 due files are still claimed by {theirs}"):
        spoke.loader(wait_minutes=0).run()
    assert spoke.lake.rows(feed, "id") == [("2",)]
    service = threading.Timer(3, Loader(new_session(), spoke.lake.catalog, theirs).run)
    service.start()
    result = spoke.loader(wait_minutes=2).run()
    service.join()
    assert (result.state, result.files) == (LoadState.EMPTY, ())
    assert [(file.file_name, file.status) for file in result.waited] == [("theirs.csv", FileStatus.SUCCESS)]
    assert any(f"waiting for 1 files that are claimed by {theirs}" in line for line in spoke.said)


def test_a_bad_row_of_the_csv_is_said_and_the_others_load(spoke: Spoke) -> None:
    good, bad = spoke.feed("good"), spoke.feed("bad", dest_schema="eagle_bronze")
    spoke.configure(good, bad)
    spoke.lake.put(good, "a.csv", "id\n1\n")
    result = spoke.loader().run()
    assert (result.state, [error.column for error in result.config_errors]) == (LoadState.SUCCESS, ["dest_schema"])
    assert any("line 3, dest_schema: the schema is not one of" in line for line in spoke.said)


def test_a_catalog_without_the_hubs_tables_names_the_remedy(spoke: Spoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_core.statements.SCHEMA", "not_migrated")
    spoke.configure(spoke.feed("one"))
    with pytest.raises(Broken, match="hubctl migrate"):
        spoke.loader().run()


NAMES = ["plain.csv", "with space.csv", "a#b.csv", "a%20b.csv", "a+b=c,d.csv", "ü€.csv", "[x]{y}.csv", "sub/dir/x.csv"]


def test_spark_lists_what_storage_lists(lake: Lake) -> None:
    feed = lake.feed("listed [1]")
    for name in (*NAMES, "_temporary/x.csv", ".hidden.csv"):
        lake.put(feed, name, "id\n" + name)
    shown = {file.path: file for file in SparkLanding(lake.spark).list(feed.source_path)}
    expected = {
        file.path: file for file in lake.listed(feed) if not file.name.startswith(".") and "/_t" not in file.path
    }
    assert set(shown) == set(expected)
    assert len(shown) == len(NAMES)
    assert all(shown[path].same_version(file) for path, file in expected.items())
    assert all(file.etag is None for file in shown.values())


def test_a_folder_that_is_not_there_is_empty_and_days_may_be_left_out(lake: Lake) -> None:
    feed, landing = lake.feed("days"), SparkLanding(lake.spark)
    assert list(landing.list(feed.source_path)) == []
    assert landing.head(f"{feed.source_path}x.csv") is None
    for day in ("01", "02"):
        lake.put(feed, f"2026/03/{day}/x.csv", "id\n")
    kept = landing.list(feed.source_path, lambda folder: folder.endswith("2026/03/01/"))
    assert [file.path for file in kept] == [f"{feed.source_path}2026/03/02/x.csv"]
    assert isinstance(landing.head(f"{feed.source_path}2026/03/02/x.csv"), SourceFile)


class TestQuality:
    RULES = "positive: amount > 0; known: kind IN ('a', 'b'); one_each: unique(id); enough: row_count >= 4"

    def test_good_and_bad_records_are_told_apart(self, lake: Lake) -> None:
        rows = [(1, 5, "a"), (2, -1, "a"), (3, 5, "x"), (4, 5, "a"), (4, 6, "b"), (None, 1, "a"), (None, None, "a")]
        checked = check(lake.spark.createDataFrame(rows, "id int, amount int, kind string"), self.RULES)
        assert sorted(row["amount"] or 0 for row in checked.good.collect()) == [0, 1, 5]
        assert sorted((row["id"], row["_rule"]) for row in checked.bad.collect()) == [
            (2, "positive"), (3, "known"), (4, "one_each"), (4, "one_each"),
        ]  # fmt: skip
        assert checked.failed == {"positive": 1, "known": 1, "one_each": 2, "enough": 3}
        assert not checked.passed
        with pytest.raises(RulesBroken, match=r"enough \(row_count >= 4\): 3 records"):
            checked.require()

    def test_what_keeps_all_rules_is_handed_on(self, lake: Lake) -> None:
        frame = lake.spark.createDataFrame([(1, 5, "a")], "id int, amount int, kind string")
        checked = check(frame, "positive: amount > 0; one_each: unique(id); some: row_count >= 1")
        assert checked.passed
        assert checked.require().collect() == frame.collect()

    def test_a_rule_that_may_not_run_is_refused(self, lake: Lake) -> None:
        with pytest.raises(Rejected, match="reflect"):
            check(lake.spark.range(1), "x: reflect('java.lang.System', 'exit', 1) IS NULL")
