"""The loader's decisions that need no Spark."""

import pytest

from hub_core.codes import FileError
from hub_core.model import Feed, FileFormat, FileStatus, OnRedelivery, SchemaDrift
from spark_jobs.checks import _casts_tried
from spark_jobs.claims import OpenClaim, Rejects, commit_id, named_groups, new_groups, redelivery
from spark_jobs.destination import HUB_TYPES, Refused, decide
from spark_jobs.failures import is_conflict, is_passing
from spark_jobs.headers import charset, delimiter, first_record, header_problem
from spark_jobs.judging import too_many
from spark_jobs.reading import _of_second
from spark_jobs.spark_paths import few_and_large, literal, sources, spelled, total_partitions
from spark_jobs.spark_sql import immediate, is_query
from spark_jobs.types import kept, lacking, merges, unsupported, wider, within


def a_feed(**options: object) -> Feed:
    given: dict[str, object] = {
        "lob": "falcon",
        "category": "txn",
        "subcategory": "credit",
        "file_pattern": "*",
        "source_path": "abfss://raw@acct.dfs.core.windows.net/falcon/",
        "file_format": FileFormat.DELIMITED,
        "delimiter": ",",
        "has_header": True,
        "dest_catalog": "main",
        "dest_schema": "falcon_bronze",
        "dest_table": "txn",
    }
    return Feed(**(given | options))  # type: ignore[arg-type]


def a_claim(number: int, **options: object) -> OpenClaim:
    given: dict[str, object] = {
        "tracker_id": f"t{number}",
        "path": f"abfss://raw@acct.dfs.core.windows.net/falcon/{number}.csv",
        "size": 10,
        "modified": 1,
        "dest_table": "main.falcon_bronze.txn",
        "feed": a_feed(),
    }
    return OpenClaim(**(given | options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "options", "record"),
    [
        (b"id,name\n1,2\n", {}, ("id", "name")),
        (b"\xef\xbb\xbfid,name\r\n", {}, ("id", "name")),
        (b"\n  \nid,name", {}, ("id", "name")),
        (b'"a,b","c""d", e \n', {}, ("a,b", 'c"d', " e ")),
        (b'"a\nb",c\n', {"multiline": True}, ("a\nb", "c")),
        (b'"a\nb",c\n', {}, ("a",)),
        (b"a||b\n", {"delimiter": "||"}, ("a", "b")),
        (b"a\tb\n", {"delimiter": "\\t"}, ("a", "b")),
        ("é;b\n".encode("utf-16"), {"delimiter": ";", "encoding": "UTF-16"}, ("é", "b")),
        (b"id,,x\n", {}, ("id", "", "x")),
        (b'"a\\"b",c\n', {"escape": "\\"}, ('a"b', "c")),
        (b"'a''b',c\n", {"quote": "'"}, ("a'b", "c")),
        # White space after a closed quote is no part of the field, unless it delimits.
        (b'"id" ,"na me"  \r\n1,ann\n', {}, ("id", "na me")),
        (b'"id"\t"name" \t"x"', {"delimiter": "\\t"}, ("id", "name", "x")),
        (b'"a" b,c\n', {}, ("a b", "c")),
        (b"\xef\xbb\xbfid;n\xe4me\n", {"delimiter": ";", "encoding": "ISO-8859-1"}, ("id", "näme")),
        ("id,é\n".encode("utf-16-be"), {"encoding": "UTF-16"}, ("id", "é")),
        ("id,é\n".encode("utf-32-be"), {"encoding": "UTF-32"}, ("id", "é")),
        (b"", {}, None),
        (b"\n \n", {}, None),
    ],
)
def test_the_first_record_is_cut_as_spark_cuts_it(start: bytes, options: dict[str, object], record: object) -> None:
    assert first_record(start, a_feed(**options), complete=True) == record


def test_a_first_record_that_runs_past_what_was_read_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="longer"):
        first_record(b"id,na", a_feed(), complete=False)


@pytest.mark.parametrize(
    ("written", "meant"), [("\\t", "\t"), ("\\u0001", "\u0001"), ("||", "||"), ("\\u001f", "\x1f")]
)
def test_a_delimiter_may_be_written_out(written: str, meant: str) -> None:
    assert delimiter(a_feed(delimiter=written)) == meant


@pytest.mark.parametrize(
    ("written", "java"),
    [
        ("latin-1", "ISO-8859-1"), ("iso8859_15", "ISO-8859-15"), ("cp1252", "windows-1252"), ("u16", "UTF-16"),
        ("utf_8_sig", "UTF-8"), ("UTF-16LE", "UTF-16LE"), ("Shift_JIS", "Shift_JIS"), ("IBM-Thai", "IBM-Thai"),
    ],
)  # fmt: skip
def test_an_encoding_is_named_as_java_names_it(written: str, java: str) -> None:
    assert charset(written) == java


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (("id", " "), "column 2"),
        (("id", "Id"), "'id' and 'Id'"),
        (("a", "_Tracker_Id"), "_Tracker_Id"),
        (("_metadata", "a"), "_metadata: columns of such names"),
        (("a", "_HUB_path"), "_HUB_path: columns of such names"),
        (("_metadata2", "hub_a", "_a"), None),
        (("id", "na\ufffdme"), "encoding"),
        (("PK\0",), "encoding"),
        (("a b",), None),
    ],
)
def test_a_header_is_refused_by_what_a_table_cannot_have(names: tuple[str, ...], part: str | None) -> None:
    problem = header_problem(names)
    assert problem is None if part is None else part in (problem or "")


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("a b.csv", "a%20b.csv"),
        ("p%20.csv", "p%2520.csv"),
        ("h#?.csv", "h%23%3F.csv"),
        ("[1]{2}.csv", "%5B1%5D%7B2%7D.csv"),
        ("é日+=,&;:@!'()*~$.csv", "é日+=,&;:@!'()*~$.csv"),
        ("nb\u00a0.csv", "nb%C2%A0.csv"),
    ],
)
def test_paths_are_spelled_as_spark_spells_them(name: str, spelling: str) -> None:
    assert spelled(f"abfss://c@acct.dfs.core.windows.net:10000/x/{name}") == (
        f"abfss://c@acct.dfs.core.windows.net:10000/x/{spelling}"
    )


def test_few_files_are_named_and_many_are_found_in_their_folders() -> None:
    few = sources(["abfss://c@h/a/[1].csv"])
    assert (few.paths, few.prune) == (("abfss://c@h/a/\\[1\\].csv",), False)
    many = sources([f"abfss://c@h/a/{index}/x.csv" for index in range(40)] + ["abfss://c@h/a/x.csv"])
    assert (many.paths, many.prune) == (("abfss://c@h/a/",), True)
    assert literal("a*?{}\\") == "a\\*\\?\\{\\}\\\\"


@pytest.mark.parametrize(
    ("files", "each", "one_by_one"),
    [(8, 125_000_000, True), (8, 10_000_000, False), (33, 125_000_000, False), (0, 0, False)],
)
def test_a_few_large_files_are_read_one_by_one(files: int, each: int, one_by_one: bool) -> None:
    assert few_and_large([each] * files) is one_by_one


def test_small_files_become_few_and_large_ones_are_left_to_spark() -> None:
    assert total_partitions([30_000] * 1_000) == 8
    assert total_partitions([128 * 1024 * 1024] * 8) is None


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("int", "bigint", "bigint"),
        ("bigint", "int", "bigint"),
        ("float", "double", "double"),
        ("int", "double", "double"),
        ("bigint", "double", None),
        ("int", "string", None),
        ("date", "timestamp_ntz", "timestamp_ntz"),
        ("decimal(10,2)", "decimal(12,4)", "decimal(12,4)"),
        ("decimal(10,2)", "decimal(9,4)", "decimal(12,4)"),
        ("int", "decimal(12,2)", "decimal(12,2)"),
        ("int", "decimal(9,2)", None),
    ],
)
def test_types_widen_only_without_loss(one: str, other: str, both: str | None) -> None:
    assert wider(one, other) == both


def test_types_that_delta_lacks_are_known() -> None:
    kinds = ("time(6)", "interval day to second", "void", "struct<interval:int>")
    assert [kind for kind in kinds if unsupported(kind)] == [
        "time(6)", "interval day to second", "void"
    ]  # fmt: skip


def test_a_nested_type_is_taken_apart_whatever_its_fields_are_called() -> None:
    assert within("struct<a:decimal(10,2),`b:c,``<`:map<string,struct<x:int>>>") == {
        "a": "decimal(10,2)", "b:c,`<": "map<string,struct<x:int>>"
    }  # fmt: skip
    assert within("map<string,array<int>>") == {"0": "string", "1": "array<int>"}
    assert within("int") == {}


@pytest.mark.parametrize(
    ("kind", "existing", "together"),
    [
        ("struct<a:int>", "struct<A:bigint,b:string>", True),
        ("struct<a:bigint,c:int>", "struct<a:int>", True),
        ("array<float>", "array<double>", True),
        ("map<string,int>", "map<string,bigint>", True),
        ("struct<a:string>", "struct<a:int>", False),
        # Delta would cast the file's values to the table's type, and lose what is behind the point.
        ("array<double>", "array<int>", False),
        ("array<decimal(9,4)>", "array<decimal(10,2)>", False),
        ("array<int>", "int", False),
        ("array<int>", "map<int,int>", False),
    ],
)
def test_nested_types_merge_only_without_loss(kind: str, existing: str, together: bool) -> None:
    assert merges(kind, existing) is together


def test_fields_that_the_table_lacks_are_named_and_can_be_left_out() -> None:
    kind, existing = "struct<a:int,`b c`:int,l:array<struct<x:int,y:int>>>", "struct<A:int,l:array<struct<x:int>>>"
    assert lacking(kind, existing, "s") == ["s.b c", "s.l.y"]
    assert kept(kind, existing) == "struct<a:int,l:array<struct<x:int>>>"
    table = {"s": existing}
    ignoring = decide({"s": kind}, table, SchemaDrift.IGNORE)
    assert (ignoring.targets, ignoring.ignored) == ({"s": ("s", kept(kind, existing))}, ("s.b c", "s.l.y"))
    with pytest.raises(Refused, match=r"s\.b c, s\.l\.y"):
        decide({"s": kind}, table, SchemaDrift.FAIL)
    assert decide({"s": kind}, table, SchemaDrift.ADD).targets == {"s": ("s", kind)}


def test_a_column_of_which_the_table_has_no_field_is_left_out_and_a_file_of_none_of_its_columns_is_refused() -> None:
    table = {"id": "int", "s": "struct<a:int>", "l": "array<struct<a:int>>", "m": "map<struct<a:int>,int>"}
    file = {"id": "int", "s": "struct<b:string>", "l": "array<struct<b:int>>", "m": "map<struct<b:int>,int>"}
    fit = decide(file, table, SchemaDrift.IGNORE)
    assert (fit.targets, fit.ignored) == ({"id": ("id", "int")}, ("s.b", "l.b", "m.b"))
    for columns in ({"id\tname": "string"}, {"s": "struct<b:string>"}):
        with pytest.raises(Refused, match="the table has none of the file's columns") as none:
            decide(columns, table, SchemaDrift.IGNORE)
        assert none.value.problem.code is FileError.SCHEMA_DRIFT


def test_a_files_columns_meet_the_tables_by_name_up_to_case() -> None:
    existing = {"ID": "int", "name": "string", **HUB_TYPES}
    fit = decide({"id": "bigint", "new": "string"}, existing, SchemaDrift.ADD)
    assert (fit.targets, fit.widened) == ({"id": ("ID", "bigint"), "new": ("new", "string")}, (("ID", "bigint"),))
    assert decide({"id": "int", "new": "string"}, existing, SchemaDrift.IGNORE).ignored == ("new",)
    with pytest.raises(Refused, match="new") as drift:
        decide({"new": "string"}, existing, SchemaDrift.FAIL)
    assert drift.value.problem.code is FileError.SCHEMA_DRIFT
    with pytest.raises(Refused, match="'name' is int in the file and string in the table"):
        decide({"name": "int"}, existing, SchemaDrift.ADD)


def test_the_share_of_bad_records_is_told_so_that_a_person_understands() -> None:
    assert too_many(Rejects(842, 3), a_feed(max_reject_percent=1.0)) is None
    problem = too_many(Rejects(842, 3, "no 5 fields: 1,2"), a_feed())
    assert problem is not None
    assert (problem.code, problem.status, problem.rejected) == (
        FileError.TOO_MANY_REJECTS, FileStatus.QUARANTINED, 3
    )  # fmt: skip
    assert problem.message == (
        "3 of 842 records (0.36 %) were refused; the feed allows 0 %. First: no 5 fields: 1,2"
    )  # fmt: skip


def version(number: int, etag: str | None = None) -> dict[str, object]:
    return {"file_size": number, "modified_epoch": number, "file_etag": etag}


def test_a_newer_version_is_replaced_skipped_or_appended_and_the_same_one_always_replaced() -> None:
    old = [{"tracker_id": "o", "row_count": 5, **version(1)}]
    assert redelivery(OnRedelivery.REPLACE, version(2), old) == (("o",), False)
    assert redelivery(OnRedelivery.SKIP, version(2), old) == ((), True)
    assert redelivery(OnRedelivery.APPEND, version(2), old) == ((), False)
    assert [redelivery(mode, version(1), old) for mode in OnRedelivery] == [(("o",), False)] * 3
    # What was skipped, and is then asked for again with force, is wanted.
    skipped = [*old, {"tracker_id": "s", "row_count": 0, **version(2)}]
    assert redelivery(OnRedelivery.SKIP, version(2), skipped) == (("o",), False)
    assert redelivery(OnRedelivery.SKIP, version(3), skipped) == ((), True)
    assert redelivery(OnRedelivery.SKIP, version(1), []) == ((), False)


def test_a_version_of_the_same_size_and_second_is_another_one_where_both_etags_are_known_to_differ() -> None:
    old = [{"tracker_id": "o", "row_count": 5, **version(1, "a")}]
    assert redelivery(OnRedelivery.APPEND, version(1, "b"), old) == ((), False)
    assert redelivery(OnRedelivery.SKIP, version(1, "b"), old) == ((), True)
    assert redelivery(OnRedelivery.APPEND, version(1, "a"), old) == (("o",), False)
    assert redelivery(OnRedelivery.APPEND, version(1), old) == (("o",), False)


@pytest.mark.parametrize(
    ("rule", "tried"),
    [
        ("CAST(a AS INT) > 0", "TRY_CAST(a AS INT) > 0"),
        ("bigint(a) > 0", "TRY_CAST(a AS BIGINT) > 0"),
        ("CAST(a AS INT) > 0 AND get_json_object(b, '$.x') = '1'",
         "TRY_CAST(a AS INT) > 0 AND GET_JSON_OBJECT(b, '$.x') = '1'"),
    ],
)  # fmt: skip
def test_a_rules_casts_are_tried_in_words_that_spark_itself_reads(rule: str, tried: str) -> None:
    assert _casts_tried(rule)[0] == tried


def test_a_cast_that_the_rule_only_tries_itself_is_no_failure_of_the_record() -> None:
    failing = "((a) IS NOT NULL AND TRY_CAST(a AS INT) IS NULL)"
    assert _casts_tried("CAST(a AS INT) > 0 AND TRY_CAST(b AS INT) < 5")[1] == failing
    assert _casts_tried("TRY_CAST(b AS INT) < 5") == ("TRY_CAST(b AS INT) < 5", None)


def test_bounds_of_a_second_are_in_utc_whatever_the_sessions_zone_is() -> None:
    assert _of_second(0) == {
        "modifiedAfter": "1969-12-31T23:59:59.999+00:00", "modifiedBefore": "1970-01-01T00:00:01.000+00:00",
        "timeZone": "UTC",
    }  # fmt: skip


def test_groups_are_by_table_feed_and_replacing_and_a_commit_is_named_by_its_files() -> None:
    claims = [a_claim(1), a_claim(2), a_claim(3, replaced=("old",)), a_claim(4, dest_table="main.falcon_bronze.x")]
    groups = new_groups(claims)
    assert sorted(group.tracker_ids for group in groups) == [("t1", "t2"), ("t3",), ("t4",)]
    assert {group.commit_id for group in new_groups(reversed(claims))} == {group.commit_id for group in groups}
    assert commit_id(claims) != commit_id(claims, after="x")
    taken = [claim for group in groups for claim in group.claims]
    assert sorted(group.commit_id for group in named_groups(taken)) == sorted(group.commit_id for group in groups)


class EngineError(Exception):
    def __init__(self, condition: str, state: str) -> None:
        super().__init__(condition)
        self.getCondition = lambda: condition
        self.getSqlState = lambda: state


def test_engine_errors_are_told_apart_by_condition_and_state() -> None:
    conflict, broken = EngineError("DELTA_CONCURRENT_APPEND", "2D521"), EngineError("DIVIDE_BY_ZERO", "22012")
    assert (is_conflict(conflict), is_passing(conflict)) == (True, True)
    assert (is_conflict(broken), is_passing(broken)) == (False, False)
    assert is_passing(ConnectionError())


def test_a_query_is_bound_by_execute_immediate_and_its_values_are_spelled_safely() -> None:
    assert is_query("\nSELECT 1")
    assert not is_query("MERGE INTO x")
    assert immediate("SELECT :a, :b", {"a": "it's \\", "b": None}) == (
        "EXECUTE IMMEDIATE 'SELECT :a, :b' USING 'it\\'s \\\\' AS `a`, CAST(NULL AS STRING) AS `b`"
    )
