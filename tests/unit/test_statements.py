"""The SQL of the hub's own tables: every placeholder is filled, every parameter is given, every column exists."""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import pytest

from hub_core import statements
from hub_core.codes import FileError
from hub_core.errors import TABLE_NOT_FOUND, Broken, Transient
from hub_core.feeds import parse_config
from hub_core.model import Claim, FileStatus, SourceFile
from hub_core.resolve import Candidate
from hub_core.sql import Row, Value
from hub_core.tracker import ROWS_PER_STATEMENT, SqlTracker
from tests.unit.doubles import HEADER, NOW, ROOT, config_row

ALL = {
    name: text
    for name, text in vars(statements).items()
    if name.isupper() and isinstance(text, str) and "\n" in text and not name.startswith("_")
}
CONFIG = parse_config(f"{HEADER}\n{config_row()}\n", lob="falcon", catalog="main", allowed_roots=(ROOT,))
FEED = CONFIG.feeds[0]
FILE = SourceFile(f"{FEED.source_path}a.csv", 10, datetime(2026, 3, 9, 1, 2, 3, 999, tzinfo=UTC), "1")


def columns(table: str) -> dict[str, str]:
    """A table's columns and types, as its .sql file has them."""
    ddl = files("ddl").joinpath(f"{table}.sql").read_text("utf-8")
    return dict(re.findall(r"^    (\w+) ([A-Z]+)", ddl, re.MULTILINE))


class RecordingSql:
    """An engine that answers what it was told to, and keeps what it was asked."""

    def __init__(self, *answers: Sequence[Row] | Exception) -> None:
        self.asked: list[tuple[str, Mapping[str, Value]]] = []
        self.answers = list(answers)
        self.changed = 0

    def query(self, statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        self._keep(statement, parameters)
        return self.answers.pop(0)

    def execute(self, statement: str, parameters: Mapping[str, Value]) -> int:
        self._keep(statement, parameters)
        if self.answers and isinstance(self.answers[0], Exception):
            raise self.answers.pop(0)
        return self.changed

    def _keep(self, statement: str, parameters: Mapping[str, Value]) -> None:
        assert "{" not in statement.replace("{{", "")
        wanted = set(re.findall(r":([a-z_]+)", statement))
        assert wanted == set(parameters)
        self.asked.append((statement, parameters))


def test_there_are_statements() -> None:
    assert len(ALL) >= 9


@pytest.mark.parametrize("name", ALL)
def test_a_statements_braces_are_table_names(name: str) -> None:
    filled = ALL[name].replace("{dest}", "`main`.`s`.`t`").format_map(statements.table_names("main"))
    assert "{" not in filled
    assert "`main`.`bronze_metadata`." in filled


@pytest.mark.parametrize("catalog", ["", "a.b", "a`b", "a b"])
def test_a_catalog_that_is_no_identifier_reaches_no_statement(catalog: str) -> None:
    with pytest.raises(Broken):
        statements.table_names(catalog)


def test_file_config_has_the_feeds_columns_with_their_types() -> None:
    ddl = columns("file_config")
    assert {name: ddl[name] for name in statements.FEED_COLUMNS} == statements.FEED_COLUMNS
    assert set(ddl) - set(statements.FEED_COLUMNS) == {"content_hash", "updated_ts"}
    assert set(statements.feed_row(FEED)) == set(statements.FEED_COLUMNS)


def test_the_trackers_columns_are_those_of_the_design() -> None:
    assert list(columns("load_tracker")) == [
        "tracker_id", "lob", "category", "subcategory", "file_name", "source_path", "dest_table", "load_status",
        "load_timestamp", "batch_id", "row_count", "config_id", "file_etag", "file_size", "file_modified", "attempt",
        "commit_id", "run_id", "rejected_count", "error_code", "error_message", "updated_ts",
    ]  # fmt: skip
    assert list(columns("quarantine")) == [
        "tracker_id", "batch_id", "dest_table", "source_file", "raw_record", "rule", "reason", "quarantined_ts",
    ]  # fmt: skip


def test_the_tracker_is_serializable_or_two_loads_could_claim_one_file() -> None:
    ddl = files("ddl").joinpath("load_tracker.sql").read_text("utf-8")
    assert "'delta.isolationLevel' = 'Serializable'" in ddl


def test_whatever_changes_the_tracker_names_the_partition_or_loads_of_all_lobs_would_conflict() -> None:
    from spark_jobs.statements import CHANGE_CLAIMS

    assert "PARTITIONED BY (lob)" in files("ddl").joinpath("load_tracker.sql").read_text("utf-8")
    changing = [
        text for text in (*ALL.values(), CHANGE_CLAIMS) if re.search(r"(MERGE INTO|UPDATE) {load_tracker}", text)
    ]
    assert len(changing) == 4
    assert all(re.search(r"(ON t\.|WHERE )lob = :lob AND", text) for text in changing)


@pytest.mark.parametrize(
    ("known", "deactivate", "writes"),
    [
        ((None, 0, 0), True, True),
        ((CONFIG.content_hash, 1, 1), True, False),
        ((CONFIG.content_hash, 2, 1), True, True),  # rows of two CSVs
        ((CONFIG.content_hash, 1, 2), True, True),  # a row that left the CSV
        (("other", 1, 1), True, True),
        ((CONFIG.content_hash, 1, 1), False, True),
    ],
)
def test_the_sync_is_skipped_only_when_the_stored_hash_is_the_csvs(
    known: tuple[object, ...], deactivate: bool, writes: bool
) -> None:
    sql = RecordingSql([dict(zip(("content_hash", "hashes", "feeds"), known, strict=True))])
    assert SqlTracker(sql, "main").sync("falcon", CONFIG, deactivate=deactivate) is writes
    assert len(sql.asked) == 1 + writes
    if writes:
        statement, parameters = sql.asked[1]
        assert "WHEN NOT MATCHED BY SOURCE AND :deactivate AND t.lob = :lob" in statement
        assert (parameters["deactivate"], parameters["hash"]) == (deactivate, CONFIG.content_hash)
        assert json.loads(str(parameters["rows"])) == [statements.feed_row(FEED)]


def test_what_could_not_all_be_taken_is_read_back() -> None:
    sql = RecordingSql([{"config_id": "c", "source_path": "p"}])
    sql.changed = 1
    assert SqlTracker(sql, "main").claim("falcon", "batch", [Claim(FEED, FILE, 1)] * 2) == {("c", "p")}
    assert [statement.split()[0] for statement, _ in sql.asked] == ["MERGE", "SELECT"]


def test_without_claims_the_batchs_earlier_ones_are_read_back() -> None:
    sql = RecordingSql([{"config_id": "c", "source_path": "p"}])
    assert SqlTracker(sql, "main").claim("falcon", "batch", []) == {("c", "p")}
    assert [statement.split()[0] for statement, _ in sql.asked] == ["SELECT"]


def test_claims_that_could_all_be_taken_are_not_read_back() -> None:
    sql = RecordingSql()
    sql.changed = 1
    taken = SqlTracker(sql, "main").claim("falcon", "batch", [Claim(FEED, FILE, 1)])
    assert taken == {(FEED.config_id, FILE.path)}
    assert [statement.split()[0] for statement, _ in sql.asked] == ["MERGE"]


def test_claims_go_in_merges_of_twenty_thousand() -> None:
    sql = RecordingSql([])
    claims = [Claim(FEED, FILE, 1)] * (2 * ROWS_PER_STATEMENT + 1)
    SqlTracker(sql, "main").claim("falcon", "batch", claims, run_id="7")
    merges = [parameters for statement, parameters in sql.asked if statement.split()[0] == "MERGE"]
    assert [len(json.loads(str(parameters["rows"]))) for parameters in merges] == [20_000, 20_000, 1]
    assert {(parameters["batch_id"], parameters["run_id"]) for parameters in merges} == {("batch", "7")}


def test_a_claims_row_has_every_column_of_the_merge_and_whole_seconds() -> None:
    sql = RecordingSql([])
    SqlTracker(sql, "main").claim("falcon", "batch", [Claim(FEED, FILE, 2)])
    statement, parameters = sql.asked[0]
    [row] = json.loads(str(parameters["rows"]))
    struct = re.search(r"array<struct<([^>]*)>>", statement)
    assert struct is not None
    assert set(row) == set(re.findall(r"(\w+): ", struct[1]))
    assert (row["m"], row["a"], row["p"]) == (int(FILE.modified.timestamp()), 2, "a.csv")
    assert f"{parameters['prefix']}{row['p']}" == FILE.path


def test_what_is_tracked_is_asked_for_in_one_statement_for_each_twenty_thousand_files() -> None:
    row = {
        "config_id": FEED.config_id,
        "source_path": FILE.path,
        "file_size": 10,
        "file_modified": NOW,
        "file_etag": None,
        "load_status": "FAILED",
        "attempt": 2,
        "batch_id": "b",
        "run_id": None,
        "error_code": "RUN_LOST",
    }
    sql = RecordingSql([row], [])
    [found] = SqlTracker(sql, "main").tracked("falcon", [Candidate(FEED, FILE)] * (ROWS_PER_STATEMENT + 1))
    assert (found.status, found.attempt, found.file.etag, found.error_code) == (FileStatus.FAILED, 2, None, "RUN_LOST")
    assert len(sql.asked) == 2


def test_the_tracker_is_asked_for_the_first_files_while_the_others_are_listed() -> None:
    sql = RecordingSql([], [])
    asked = threading.Event()
    query = sql.query

    def told(statement: str, parameters: Mapping[str, Value]) -> Sequence[Row]:
        asked.set()
        return query(statement, parameters)

    def listed() -> Iterator[Candidate]:
        yield from [Candidate(FEED, FILE)] * (ROWS_PER_STATEMENT + 1)
        assert asked.wait(10)

    sql.query = told  # type: ignore[method-assign] — it tells when
    assert SqlTracker(sql, "main").tracked("falcon", listed()) == []
    assert len(sql.asked) == 2


def test_a_listing_that_breaks_off_is_the_error() -> None:
    sql = RecordingSql([], [])

    def listed() -> Iterator[Candidate]:
        yield from [Candidate(FEED, FILE)] * ROWS_PER_STATEMENT
        raise Transient("STORAGE", "gone")

    with pytest.raises(Transient, match="gone"):
        SqlTracker(sql, "main").tracked("falcon", listed())


def test_a_batch_is_counted_by_status() -> None:
    rows = [
        {"load_status": "SUCCESS", "files": 2, "row_count": 30, "rejected": 1, "canceled": 0},
        {"load_status": "QUARANTINED", "files": 1, "row_count": 0, "rejected": 9, "canceled": 0},
        {"load_status": "FAILED", "files": 5, "row_count": 0, "rejected": 0, "canceled": 3},
    ]
    outcome = SqlTracker(RecordingSql(rows), "main").outcome("b")
    assert (outcome.total, outcome.count(FileStatus.SUCCESS), outcome.rows, outcome.rejected) == (8, 2, 30, 10)
    assert (outcome.canceled, outcome.bad) == (3, 3)


def test_settling_finishes_what_has_a_commit_and_fails_the_rest() -> None:
    sql = RecordingSql([{"dest_table": "main.falcon_bronze.credit_raw"}])
    SqlTracker(sql, "main").settle("falcon", "b", FileError.RUN_LOST, "gone")
    assert [statement.split()[0] for statement, _ in sql.asked] == ["SELECT", "MERGE", "UPDATE"]
    assert "`main`.`falcon_bronze`.`credit_raw`" in sql.asked[1][0]


def test_a_destination_that_does_not_exist_took_no_rows() -> None:
    sql = RecordingSql([{"dest_table": "main.falcon_bronze.t"}], Broken(TABLE_NOT_FOUND, "t"))
    SqlTracker(sql, "main").settle("falcon", "b", FileError.RUN_LOST, "gone")
    assert sql.asked[-1][0].split()[0] == "UPDATE"


def test_any_other_fault_of_a_destination_leaves_the_claims_open() -> None:
    sql = RecordingSql([{"dest_table": "main.falcon_bronze.t"}], Broken("DENIED", "t"))
    with pytest.raises(Broken):
        SqlTracker(sql, "main").settle("falcon", "b", FileError.RUN_LOST, "gone")
    assert sql.asked[-1][0].split()[0] == "MERGE"


def test_files_and_claimed_paths_are_asked_for_by_batch() -> None:
    sql = RecordingSql([], [{"config_id": "c", "source_path": "p"}])
    tracker = SqlTracker(sql, "main")
    assert tracker.files("b", FileStatus.FAILED, "", 10) == []
    assert tracker.claimed("b") == {("c", "p")}
    assert sql.asked[0][1] == {"batch_id": "b", "status": "FAILED", "after": "", "limit": 10}
