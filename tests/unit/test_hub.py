"""The hub as its callers see it: accept, idempotency, dry runs, lists, files, feeds, readiness, the sweep."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub_core.errors import Broken, Rejected, Transient
from hub_core.feeds import MAX_CSV_BYTES, ParsedConfig, parse_config
from hub_core.hub import MAX_DRY_RUN_FILES, MAX_PAGE, file_json
from hub_core.load import Load
from hub_core.model import FileOutcome, FileStatus, LoadState, Trigger
from hub_core.ports import Stored
from tests.unit.doubles import HEADER, NOW, MemoryConfigs, MemoryLoads, MemoryTracker, World, config_row


def two_lobs() -> World:
    world = World()
    world.configs.files["heron"] = f"{HEADER}\n{config_row(lob='heron')}\n".encode()
    return world


def rejected(call: object, *args: object, **kwargs: object) -> Rejected:
    assert callable(call)
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value


# accept


def test_an_accepted_load_is_a_record_and_a_message() -> None:
    world = World()
    load = world.ask(b'{"lob": "falcon", "force": true}')
    assert (load.state, load.lob, load.trigger, load.request.force) == (
        LoadState.ACCEPTED,
        "falcon",
        Trigger.REQUEST,
        True,
    )
    assert world.load(load) == load
    assert [json.loads(message) for message, _ in world.queue.messages] == [{"load_id": load.id}]


def test_accepting_needs_no_warehouse_and_lists_no_files() -> None:
    world = World()
    world.ask()
    assert world.tracker.calls == {}
    assert world.landing.lists == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"nonsense", "BAD_REQUEST"),
        (b'{"lob": "kestrel"}', "UNKNOWN_LOB"),
        (b"{}", "LOB_NEEDED"),
        (b'{"lob": "falcon", "category": "x"}', "NO_FEED"),
        (b'{"category": "falcon", "subcategory": "x"}', "NO_FEED"),
    ],
)
def test_a_refused_request_leaves_nothing_behind(body: bytes, code: str) -> None:
    world = two_lobs()
    error = rejected(world.hub.accept, body)
    assert (error.status, error.code) == (400, code)
    assert error.errors[0].remedy
    assert (world.loads.records, world.queue.messages) == ({}, [])


def test_a_spokes_own_call_names_its_lob_as_category() -> None:
    load = two_lobs().ask(b'{"category": "falcon", "subcategory": "transactions"}')
    assert load.lob == "falcon"


def test_a_spoke_may_ask_at_once_for_what_its_release_has_just_brought() -> None:
    world = World()
    world.ask()
    world.configs.files["heron"] = f"{HEADER}\n{config_row(lob='heron')}\n".encode()
    assert world.ask(b'{"lob": "heron"}').lob == "heron"
    world.configs.files["falcon"] = f"{HEADER}\n{config_row('debit')}\n".encode()
    assert world.ask(b'{"lob": "falcon", "subcategory": "debit"}').lob == "falcon"


def test_which_lob_a_request_means_that_names_none_is_judged_by_the_lobs_there_are_now() -> None:
    world = World()
    assert world.ask(b"{}").lob == "falcon"
    falcon = world.configs.files.pop("falcon")
    assert rejected(world.hub.accept, b"{}").code == "LOB_NEEDED"
    world.configs.files |= {"falcon": falcon, "heron": f"{HEADER}\n{config_row(lob='heron')}\n".encode()}
    assert rejected(world.hub.accept, b"{}").code == "LOB_NEEDED"
    assert rejected(world.hub.accept, b'{"category": "transactions"}').code == "LOB_NEEDED"


def test_a_request_that_names_its_lob_costs_no_look_at_storage_for_half_a_minute() -> None:
    world = World()
    calls: list[str] = []

    class Counted:
        def __getattr__(self, name: str) -> object:
            calls.append(name)
            return getattr(world.configs, name)

    hub = world.build()
    hub.configs.configs = Counted()
    for body in (FALCON, FALCON, b'{"category": "falcon"}'):
        hub.accept(body)
    assert calls == ["lobs", "read"]
    world.clock.pass_(seconds=30)
    hub.accept(FALCON)
    assert calls == ["lobs", "read"] * 2


def test_a_load_is_of_the_lob_it_was_accepted_for_whatever_is_configured_later() -> None:
    world = World()
    world.land()
    whole, named = world.ask(b"{}"), world.ask(b'{"category": "transactions"}')
    for lob in ("heron", "transactions"):
        world.configs.files[lob] = f"{HEADER}\n{config_row(lob=lob)}\n".encode()
    world.work()
    assert (world.load(whole).state, world.load(whole).files.total) == (LoadState.RUNNING, 1)
    assert world.load(named).waits_on == (whole.id,)


def test_today_is_the_day_on_which_the_load_was_accepted() -> None:
    world = World()
    world.land("transactions_20260303.csv", modified=NOW - timedelta(days=7))
    load = world.ask()
    world.clock.pass_(hours=13)
    world.work()
    assert world.load(load).files.total == 1


def test_a_load_is_accepted_even_if_the_queue_is_away_and_reconcile_brings_it_on() -> None:
    world = World()
    world.land()

    class Away:
        def put_soon(self, message: str) -> None:
            """As the adapter: what could not be sent is only logged."""

    load = world.build(queue=Away()).accept(b'{"lob": "falcon"}')
    assert isinstance(load, Load)
    world.clock.pass_(minutes=4)
    world.hub.reconcile()
    world.work()
    assert world.load(load).state is LoadState.RUNNING


def test_a_load_that_cannot_be_recorded_is_not_accepted() -> None:
    world = World()

    class Full:
        def __getattr__(self, name: str) -> object:
            if name == "insert":
                raise Transient("STORAGE_UNAVAILABLE", "503")
            return getattr(world.loads, name)

    with pytest.raises(Transient):
        world.build(loads=Full()).accept(b'{"lob": "falcon"}')


@pytest.mark.parametrize("key", [None, "k"])
def test_a_record_whose_writing_was_answered_only_at_the_second_try_is_an_accepted_load(key: str | None) -> None:
    world = World()

    class Twice(MemoryLoads):
        def insert(self, load: Load) -> bool:
            return super().insert(load) and super().insert(load)

    world.loads = Twice()
    load = world.build().accept(FALCON, idempotency_key=key)
    assert isinstance(load, Load)
    assert list(world.loads.records) == [load.id]
    assert len(world.queue.messages) == 1


def test_a_message_without_a_record_is_dropped() -> None:
    world = World()
    load = world.ask()
    world.loads.records.clear()
    world.work()
    assert world.queue.messages == []
    assert world.loads.get(load.id) is None


# idempotency

FALCON = b'{"lob": "falcon"}'


def test_the_same_key_and_body_is_the_same_load() -> None:
    world = World()
    first = world.hub.accept(FALCON, idempotency_key="k")
    again = world.hub.accept(b'{ "lob":"falcon", "category": "" }', idempotency_key="k")
    assert isinstance(first, Load)
    assert isinstance(again, Load)
    assert first.id == again.id
    assert len(world.loads.records) == len(world.queue.messages) == 1


def test_the_same_key_shows_the_load_as_it_is_now_even_when_its_lob_is_gone() -> None:
    world = World()
    first = world.hub.accept(FALCON, idempotency_key="k")
    assert isinstance(first, Load)
    world.work()
    world.configs.files.clear()
    again = world.hub.accept(FALCON, idempotency_key="k")
    assert isinstance(again, Load)
    assert (again.id, again.state) == (first.id, LoadState.EMPTY)


def test_the_same_key_with_another_body_is_refused_with_422() -> None:
    world = World()
    world.hub.accept(FALCON, idempotency_key="k")
    error = rejected(world.hub.accept, b'{"lob": "falcon", "force": true}', idempotency_key="k")
    assert (error.status, error.code) == (422, "KEY_REUSED")
    assert len(world.loads.records) == 1


def test_a_key_is_its_callers_own() -> None:
    world = World()
    ids = {world.hub.accept(FALCON, idempotency_key="k", caller=caller).id for caller in ("", "a", "b")}
    assert len(ids) == 3


def test_without_a_key_each_request_is_a_load() -> None:
    world = World()
    assert world.ask().id != world.ask().id


@pytest.mark.parametrize("key", ["", "a" * 256, "ä", "a\n", "\x00"])
@pytest.mark.parametrize("body", [FALCON, b'{"lob": "falcon", "dry_run": true}'])
def test_a_key_is_1_to_255_printable_ascii_characters(key: str, body: bytes) -> None:
    world = World()
    error = rejected(world.hub.accept, body, idempotency_key=key)
    assert (error.status, error.errors[0].field) == (400, "Idempotency-Key")
    assert world.loads.records == {}


def test_two_requests_with_one_key_at_once_are_one_load() -> None:
    world = World()

    class Late:
        """Somebody else inserts the record between this request's look and its insert."""

        def __getattr__(self, name: str) -> object:
            if name == "insert":
                world.hub.accept(FALCON, idempotency_key="k")
            return getattr(world.loads, name)

    load = world.build(loads=Late()).accept(FALCON, idempotency_key="k")
    assert isinstance(load, Load)
    assert list(world.loads.records) == [load.id]
    world.land()
    world.work()
    assert len(world.jobs.runs) == 1


# dry run


def test_a_dry_run_says_what_would_be_loaded_and_why_the_rest_would_not_and_writes_nothing() -> None:
    world = World()
    world.land("transactions_20260308.csv")
    loaded = world.ask()
    world.work()
    world.finish(loaded)
    world.hub.reconcile()
    world.land("transactions_20260307.csv")
    holding = world.ask(b'{"lob": "falcon", "file_name": "transactions_20260307.csv"}')
    world.work()
    for name in ("transactions_20260309.csv", "_hidden.csv", "other.csv"):
        world.land(name)
    world.land("transactions_20200101.csv", modified=datetime(2020, 1, 1, tzinfo=UTC))
    world.land("transactions_20260310.csv", modified=NOW)
    before = (dict(world.loads.records), list(world.tracker.rows), list(world.queue.messages))
    written = world.tracker.calls["sync"], world.tracker.calls["claim"]
    answer = world.hub.accept(b'{"lob": "falcon", "dry_run": true}')
    assert isinstance(answer, dict)
    assert answer["counts"] == {
        "due": 1,
        "claimed": 1,
        "hidden": 1,
        "loaded": 1,
        "other_pattern": 1,
        "outside_window": 1,
        "settling": 1,
    }
    [due] = answer["files"]
    assert (due["path"].rsplit("/")[-1], due["attempt"], due["dest_table"]) == (
        "transactions_20260309.csv",
        1,
        "main.falcon_bronze.credit_raw",
    )
    assert answer["waits_on"] == [holding.id]
    json.dumps(answer)
    assert (world.loads.records, world.tracker.rows, world.queue.messages) == before
    assert (world.tracker.calls["sync"], world.tracker.calls["claim"]) == written


def test_a_dry_run_shows_at_most_a_thousand_files_and_counts_them_all() -> None:
    world = World()
    for number in range(MAX_DRY_RUN_FILES + 5):
        world.land(f"transactions_20260309_{number}.csv")
    answer = world.hub.accept(b'{"dry_run": true}')
    assert isinstance(answer, dict)
    assert (len(answer["files"]), answer["counts"]["due"]) == (1_000, MAX_DRY_RUN_FILES + 5)


def test_a_dry_run_reports_the_csvs_errors() -> None:
    world = World()
    world.configs.files["falcon"] += config_row("x").replace("delimited", "xls").encode()
    answer = world.hub.accept(b'{"dry_run": true}')
    assert isinstance(answer, dict)
    assert [(error["line"], error["column"]) for error in answer["config_errors"]] == [(3, "file_format")]


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"lob": "x", "dry_run": true}', "UNKNOWN_LOB"), (b'{"category": "x", "dry_run": true}', "NO_FEED")],
)
def test_a_dry_run_is_refused_as_the_load_would_be(body: bytes, code: str) -> None:
    assert rejected(World().hub.accept, body).code == code


def test_a_dry_run_of_an_unreadable_csv_is_422_and_names_each_missing_column() -> None:
    world = World()
    world.configs.files["falcon"] = f"{HEADER.replace('category,', '', 1).replace(',is_active', '')}\n".encode()
    error = rejected(world.hub.accept, b'{"lob": "falcon", "dry_run": true}')
    assert (error.code, error.status) == ("CONFIG_UNREADABLE", 422)
    assert error.message.startswith("falcon_config.csv: line 1, category: the column is missing; the header needs lob,")
    assert [one.field for one in error.errors] == ["falcon_config.csv: category", "falcon_config.csv: is_active"]
    world.configs.files["falcon"] = b"\xff"
    error = rejected(world.hub.accept, b'{"lob": "falcon", "dry_run": true}')
    assert [(one.field, one.remedy) for one in error.errors] == [("falcon_config.csv", "save it as UTF-8")]


# status


def test_a_load_that_does_not_exist_is_404() -> None:
    for load_id in ("nope", "", "a/b", "'", "x" * 65, "ä"):
        error = rejected(World().hub.get, load_id)
        assert (error.status, error.code) == (404, "NO_SUCH_LOAD")


def test_a_status_never_asks_the_tracker() -> None:
    world = World()
    load = world.ask()
    asked = dict(world.tracker.calls)
    assert world.hub.get(load.id) == load
    world.hub.page()
    world.hub.feeds()
    assert world.tracker.calls == asked


def test_what_this_process_has_done_to_a_load_shows_at_once() -> None:
    world = World()
    world.land()
    load = world.ask()
    assert world.hub.get(load.id).state is LoadState.ACCEPTED
    world.work()  # no time has passed
    assert world.hub.get(load.id) == world.load(load)
    assert world.hub.get(load.id).state is LoadState.RUNNING


def test_what_another_process_has_done_to_a_load_shows_within_a_second() -> None:
    world = World()
    world.land()
    load, other = world.ask(), world.build()
    world.work(other)
    assert world.hub.get(load.id).state is LoadState.ACCEPTED
    world.clock.pass_(seconds=1)
    assert world.hub.get(load.id).state is LoadState.RUNNING


def test_loads_are_listed_newest_first_in_pages() -> None:
    world = two_lobs()
    made = []
    for lob in ("falcon", "heron", "falcon"):
        made.append(world.ask(json.dumps({"lob": lob}).encode()).id)
        world.clock.pass_(seconds=1)
    first, after = world.hub.page(limit="2")
    assert [load.id for load in first] == [made[2], made[1]]
    rest, end = world.hub.page(limit="2", after=after)
    assert ([load.id for load in rest], end) == ([made[0]], None)
    assert [load.id for load in world.hub.page(lob="heron")[0]] == [made[1]]
    assert world.hub.page(status="success") == ([], None)
    assert len(world.hub.page(lob="", status="", limit="", after="")[0]) == 3


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": str(MAX_PAGE + 1)}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": "1" * 5000}, "limit"),
        ({"status": "DONE"}, "status"),
    ],
)
def test_a_bad_page_is_refused_by_field(asked: dict[str, str], field: str) -> None:
    error = rejected(World().hub.page, **asked)
    assert (error.status, error.errors[0].field) == (400, field)


def outcome(tracker_id: str) -> FileOutcome:
    return FileOutcome(tracker_id, "c", "s", "a.csv", "p", "t", FileStatus.SUCCESS, 1, NOW, 1, 7, 0, None, None, NOW)


class FileTracker(MemoryTracker):
    """A tracker that holds ten files of every batch."""

    def files(self, batch_id: str, status: FileStatus | None, after: str, limit: int) -> list[FileOutcome]:
        self.calls[f"files {status}"] += 1
        return [one for one in map(outcome, "abcdefghij") if one.tracker_id > after][:limit]


def test_a_loads_files_come_in_pages_and_by_status() -> None:
    world = World(tracker=FileTracker())
    load = world.ask()
    seen, after = [], None
    while True:
        page, after = world.hub.files(load.id, limit="4", after=after)
        seen.append("".join(file.tracker_id for file in page))
        if after is None:
            break
    assert seen == ["abcd", "efgh", "ij"]
    assert world.hub.files(load.id, limit="10")[1] is None
    world.hub.files(load.id, status="failed")
    assert world.tracker.calls["files FAILED"] == 1
    assert file_json(outcome("a"))["modified"] == "2026-03-10T12:00:00Z"


@pytest.mark.parametrize("asked", [{"status": "RUNNING"}, {"limit": "5001"}, {"after": "a' OR 1=1"}])
def test_a_bad_page_of_files_is_refused(asked: dict[str, str]) -> None:
    world = World(tracker=FileTracker())
    assert rejected(world.hub.files, world.ask().id, **asked).status == 400


def test_files_of_no_load_are_404() -> None:
    assert rejected(World().hub.files, "nope").status == 404


# feeds


def test_feeds_are_those_of_the_csvs_with_what_the_last_sweep_found() -> None:
    world = two_lobs()
    world.land("transactions_20260309.csv", modified=NOW - timedelta(hours=3))
    world.land("transactions_20260310.csv", modified=NOW - timedelta(hours=1))
    before = world.hub.feeds()
    assert (before["as_of"], [feed["due"] for feed in before["value"]]) == (None, [None, None])
    world.hub.reconcile()
    world.configs.files["heron"] += config_row("new", lob="heron").encode()
    after = world.hub.feeds()
    assert after["as_of"] == "2026-03-10T12:00:00Z"
    falcon, heron, new = after["value"]
    assert (falcon["files"], falcon["due"], falcon["lag_seconds"]) == (2, 2, 3 * 3600)
    assert (falcon["oldest_due_at"], falcon["newest_file"]) == ("2026-03-10T09:00:00Z", "transactions_20260310.csv")
    assert (heron["files"], heron["due"], heron["lag_seconds"]) == (0, 0, 0)
    assert new["due"] is None
    assert (falcon["last_load"], new["last_load"]) == (None, None)
    json.dumps(after)


def test_a_feed_names_the_load_that_claimed_for_it_last() -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    world.hub.reconcile()
    [feed] = world.hub.feeds()["value"]
    assert (feed["last_load"], feed["last_load_at"]) == (load.id, "2026-03-10T12:00:00Z")


def test_a_feed_is_shown_as_its_csv_has_it_now_and_what_was_swept_in_another_folder_is_not_its() -> None:
    world = World()
    world.land()
    world.hub.reconcile()
    world.configs.files["falcon"] = f"{HEADER}\n{config_row(table='renamed')}\n".encode()
    [feed] = world.hub.feeds()["value"]
    assert (feed["dest_table"], feed["due"]) == ("main.falcon_bronze.renamed", 1)
    world.configs.files["falcon"] = f"{HEADER}\n{config_row().replace('/txn/', '/moved/')}\n".encode()
    [feed] = world.hub.feeds()["value"]
    assert feed["source_path"].endswith("/falcon/moved/credit/")
    assert (feed["due"], feed["files"], feed["lag_seconds"], feed["last_load"]) == (None, None, None, None)


def test_feeds_show_the_csvs_errors() -> None:
    world = World()
    world.configs.files["falcon"] += config_row("x").replace("delimited", "xls").encode()
    world.configs.files["heron"] = b"\xff\xfe"
    feeds = world.hub.feeds()
    assert [(error["lob"], error["line"], error["column"]) for error in feeds["config_errors"]] == [
        ("falcon", 3, "file_format"),
        ("heron", 1, ""),
    ]


# ready


def test_a_csv_that_storage_does_not_give_out_is_shown_beside_the_feeds_of_the_others() -> None:
    class Kept(MemoryConfigs):
        def read(self, lob: str) -> bytes | None:
            if lob == "eagle":
                raise Broken("STORAGE_DENIED", "reading eagle_config.csv: 403")
            return super().read(lob)

    world = World(configs=Kept({"eagle": b""}))
    shown = world.hub.feeds()
    assert [feed["lob"] for feed in shown["value"]] == ["falcon"]
    assert [(error["lob"], error["message"]) for error in shown["config_errors"]] == [
        ("eagle", "reading eagle_config.csv: 403")
    ]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "the column is missing"), (b"x" * (MAX_CSV_BYTES + 1), "larger than 16 MiB")]
)
def test_a_csv_without_a_byte_or_with_too_many_is_unreadable(content: bytes, said: str) -> None:
    """Cut off, its last rows would count as having left it."""
    world = World()
    world.configs.files["falcon"] = content
    assert said in world.hub.feeds()["config_errors"][0]["message"]
    load = world.ask()
    world.work()
    ended = world.load(load)
    assert (ended.state, ended.error and ended.error.code) == (LoadState.FAILED, "CONFIG_UNREADABLE")


def test_a_csv_is_parsed_once_for_each_content(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counting(text: str, **options: object) -> ParsedConfig:
        parsed.append(text)
        return parse_config(text, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("hub_core.feeds.parse_config", counting)
    world = World()
    for content in (b"", b" ", b"", b""):
        world.configs.files["falcon"] = content
        world.hub.configs.read("falcon")
    assert parsed == ["", " ", ""]


def test_every_dependency_is_tried_and_the_failing_one_named() -> None:
    from dataclasses import replace

    def down() -> None:
        raise Transient("WAREHOUSE_UNAVAILABLE", "503")

    hub = replace(World().hub, dependencies={"jobs": lambda: None, "warehouse": down, "configs": lambda: None})
    tried = hub.ready()
    assert [(one.name, one.ok) for one in tried] == [("jobs", True), ("warehouse", False), ("configs", True)]
    assert tried[1].error == "WAREHOUSE_UNAVAILABLE: 503"
    assert all(one.milliseconds >= 0 for one in tried)


def test_a_poisoned_message_of_a_load_that_moved_on_changes_nothing() -> None:
    world = World()
    world.land()
    load = world.ask()
    message = world.queue.messages[0][0]
    world.work()
    world.hub.poisoned(message)
    assert world.load(load).state is LoadState.RUNNING
    world.hub.poisoned('{"load_id": "gone"}')


@pytest.mark.parametrize("message", ["", "{}", "[]", '{"load_id": 1}', "x"])
def test_a_message_that_is_not_the_hubs_is_an_operators_business(message: str) -> None:
    with pytest.raises(Broken) as caught:
        World().hub.plan(message)
    assert caught.value.code == "BAD_MESSAGE"


def test_a_records_private_fields_are_not_shown() -> None:
    load = World().hub.accept(FALCON, idempotency_key="k")
    assert isinstance(load, Load)
    shown = json.loads(load.model_dump_json())
    assert not {"body_hash", "claims_open", "settled", "alert_due"} & set(shown)
    assert {
        "id", "state", "request", "trigger", "run_id", "run_page_url", "run_state", "files", "rows", "waits_on",
        "config_errors", "error", "created_at", "updated_at",
    } <= set(shown)  # fmt: skip
    assert Stored(load, "1").load is load
