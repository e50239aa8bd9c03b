"""Blob events: which say that a file is complete, where it lies, and who wants it."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Rejected
from hub_core.events import (
    COMPLETING,
    CREATED,
    FOLDER_RENAMED,
    RENAMED,
    Arrival,
    NotAnEvent,
    Place,
    assign,
    path_of,
    place_of,
    read_event,
)
from hub_core.feeds import parse_config
from hub_core.paths import parse_abfss
from tests.unit.doubles import HEADER, HOST, ROOT, config_row

URL = "https://acct.blob.core.windows.net/raw/falcon/txn/credit/a.csv"
ENDPOINTS = {"acct.blob.core.windows.net/": HOST, f"{HOST}/": HOST, "127.0.0.1:10000/devstore/": "devstore.dfs.x:10000"}


def event(kind: str = CREATED, api: str | None = "PutBlob", url: str = URL, **data: object) -> dict[str, object]:
    """As Event Grid's own schema has it."""
    return {"id": "1", "eventType": kind, "subject": "/…", "data": {"api": api, "url": url, "eTag": "0x1", **data}}


def cloud(of: dict[str, object]) -> dict[str, object]:
    """The same event in the CloudEvents schema."""
    named = {"id": of["id"], "type": of["eventType"], "time": of.get("eventTime"), "data": of["data"]}
    return {"specversion": "1.0", "source": "/…", **named}


@pytest.mark.parametrize("schema", [dict, cloud])
@pytest.mark.parametrize("api", sorted(COMPLETING))
def test_a_completing_call_is_an_arrival_in_both_schemas(api: str, schema: type) -> None:
    assert read_event(json.dumps(schema(event(api=api)))) == Arrival(URL, "0x1")


@pytest.mark.parametrize("schema", [dict, cloud])
def test_a_rename_arrives_where_it_went(schema: type) -> None:
    renamed = event(RENAMED, "RenameFile", sourceUrl="https://x/old", destinationUrl=URL)
    assert read_event(json.dumps(schema(renamed))) == Arrival(URL, "0x1")


@pytest.mark.parametrize("schema", [dict, cloud])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_renamed_folder_arrives_as_one(schema: type, slash: str) -> None:
    folder = URL.rpartition("/")[0] + slash
    renamed = event(FOLDER_RENAMED, "RenameDirectory", sourceUrl="https://x/old", destinationUrl=folder)
    renamed["eventTime"] = "2026-03-10T12:00:00.1234567Z"
    then = datetime(2026, 3, 10, 12, 0, 0, 123456, UTC)
    arrival = read_event(json.dumps(schema(renamed)))
    assert arrival == Arrival(folder, "0x1", then)
    path = "abfss://raw@acct.dfs.core.windows.net/falcon/txn/credit/"
    assert place_of(arrival, ENDPOINTS) == Place(path, then)


@pytest.mark.parametrize("time", [{}, {"eventTime": "soon"}, {"eventTime": 7}])
def test_a_renamed_folder_without_a_time_is_no_event(time: dict[str, object]) -> None:
    with pytest.raises(NotAnEvent):
        read_event(json.dumps({**event(FOLDER_RENAMED, "RenameDirectory", destinationUrl=URL), **time}))


def test_a_blob_that_stands_for_a_folder_is_no_file() -> None:
    assert place_of(Arrival(f"{URL}/", "0x1"), ENDPOINTS) is None
    assert place_of(None, ENDPOINTS) is None


@pytest.mark.parametrize(
    "other",
    [
        event(api="CreateFile"),  # an empty file, before the data
        event(api="SftpCreate"),
        event(api=None),
        event("Microsoft.Storage.BlobDeleted", "DeleteBlob"),
        event("Microsoft.Storage.DirectoryCreated", "CreateDirectory"),
        event("Microsoft.EventGrid.SubscriptionValidationEvent", None),
        {},
        {"eventType": CREATED},
        {"eventType": CREATED, "data": None},
    ],
)
def test_events_of_other_things_are_no_arrivals(other: dict[str, object]) -> None:
    assert read_event(json.dumps(other)) is None


def test_data_may_be_a_string_of_json() -> None:
    body = {**event(), "data": json.dumps(event()["data"])}
    assert read_event(json.dumps(body)) == Arrival(URL, "0x1")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "1",
        "null",
        "[" * 60_000,
        json.dumps([event()]),
        json.dumps({"eventType": CREATED, "data": "no json"}),
        json.dumps({"eventType": CREATED, "data": "[" * 30_000}),
        json.dumps({"eventType": CREATED, "data": [1]}),
        json.dumps({"eventType": CREATED, "data": {"api": "PutBlob"}}),
        json.dumps({"eventType": CREATED, "data": {"api": ["PutBlob"], "url": URL}}),
        json.dumps({"eventType": RENAMED, "data": {"url": URL}}),
    ],
)
def test_what_is_no_event_says_so_and_nothing_else_is_raised(body: str) -> None:
    with pytest.raises(NotAnEvent):
        read_event(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from([CREATED, RENAMED, "PutBlob", URL]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["eventType", "type", "data", "api", "url", "destinationUrl", "eTag"]), inner)
    ),
    max_leaves=8,
)


@given(JSON.map(json.dumps) | st.text(max_size=50))
def test_any_message_is_an_arrival_another_event_or_none(body: str) -> None:
    try:
        arrival = read_event(body)
    except NotAnEvent:
        return
    if arrival is not None:
        path_of(arrival.url, ENDPOINTS)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (URL, f"{ROOT}falcon/txn/credit/a.csv"),
        # Data Lake calls (FlushWithClose, renames) are told of with the dfs endpoint
        (URL.replace(".blob.", ".dfs."), f"{ROOT}falcon/txn/credit/a.csv"),
        ("http://127.0.0.1:10000/devstore/raw/a.csv", "abfss://raw@devstore.dfs.x:10000/a.csv"),
        (URL.replace("a.csv", "a%20b%25%C3%A4+%5B1%5D.csv"), f"{ROOT}falcon/txn/credit/a b%ä+[1].csv"),
        (URL.replace("acct", "other"), None),
        (URL.replace(".net/", ".net.evil.com/"), None),
        (URL.replace("https://", "https://x@"), None),
        ("https://evil.com/acct.blob.core.windows.net/raw/a.csv", None),
        ("https://acct.blob.core.windows.net/raw", None),
        ("https://acct.blob.core.windows.net/raw/", None),
        ("https://acct.blob.core.windows.net/", None),
        (URL.replace("a.csv", "../a.csv"), None),
        (URL.replace("a.csv", "%2e%2e/a.csv"), None),
        (URL.replace("a.csv", "x//a.csv"), None),
        (URL.replace("a.csv", "x%2F%2Fa.csv"), None),
        (URL.replace("a.csv", "x%5Ca.csv"), None),
        (URL.replace("a.csv", "x%0Aa.csv"), None),
        (URL.replace("a.csv", "\ud800.csv"), None),
        (URL.replace("falcon/txn/credit/a.csv", "ä" * 1_024), f"{ROOT}{'ä' * 1_024}"),
        (URL.replace("falcon/txn/credit/a.csv", "%C3%A4" * 1_025), None),
        ("", None),
    ],
)
def test_a_url_is_the_path_of_a_known_account_or_none(url: str, path: str | None) -> None:
    assert path_of(url, ENDPOINTS) == path


@given(st.text(min_size=1, max_size=30))
def test_a_name_comes_back_as_it_was_or_not_at_all(name: str) -> None:
    path = path_of(f"https://acct.blob.core.windows.net/raw/{quote(name)}", ENDPOINTS)
    if path is not None:
        assert parse_abfss(path).name == name
        return
    with pytest.raises(Rejected):
        parse_abfss(f"{ROOT}{name}")


def config(lob: str, *rows: str) -> object:
    text = "\n".join([HEADER, *rows])
    return parse_config(text, lob=lob, catalog="main", allowed_roots=(ROOT,))


def test_each_path_goes_once_to_every_lob_with_an_active_feed_that_wants_it() -> None:
    configs = {
        "falcon": config("falcon", config_row(), config_row("off", "*").removesuffix("true") + "false"),
        "heron": config("heron", config_row(lob="heron")),
    }
    mine = f"{ROOT}falcon/txn/credit/transactions_1.csv"
    paths = [
        mine,
        mine,
        f"{ROOT}falcon/txn/credit/2026/transactions_2.csv",
        f"{ROOT}heron/txn/credit/transactions_1.csv",
        f"{ROOT}falcon/txn/credit/other.csv",
        f"{ROOT}falcon/txn/credit/_tmp/transactions_3.csv",
        f"{ROOT}falcon/txn/credit/.transactions_3.csv",
        f"{ROOT}falcon/txn/off/transactions_1.csv",
        f"{ROOT}kestrel/txn/credit/transactions_1.csv",
    ]
    arrivals = assign(paths, configs)
    assert arrivals.by_lob == {"falcon": [paths[0], paths[2]], "heron": [paths[3]]}
    assert arrivals.unwanted == 5
