"""Requests: what a body may say, whom it means, and which dates."""

import json
import time
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Rejected
from hub_core.feeds import parse_config
from hub_core.model import Feed
from hub_core.request import (
    EVERYTHING,
    LoadRequest,
    Selection,
    Window,
    checked_lob,
    parse_request,
    require_feeds,
    select,
    window_of,
)
from tests.unit.doubles import HEADER, NOW, ROOT, config_row


def refused(body: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        parse_request(body)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"lob=falcon",
        b"\xff\xfe",
        b"[]",
        b'[{"lob": "falcon"}]',
        b'"falcon"',
        b"null",
        b"NaN",
        b"1e999",
        b"[" * 60_000,
        b'{"lob":' * 9_000,
        b'{"lob": 1' + b"0" * 5_000 + b"}",
        b'{"lob": "falcon"} {"lob": "x"}',
        b"{'lob': 'falcon'}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    error = refused(body)
    assert (error.status, error.code) == (400, "BAD_REQUEST")
    assert error.errors
    assert error.errors[0].remedy


def test_a_body_past_the_limit_is_refused_with_413() -> None:
    error = refused(b'{"lob": "' + b"a" * 70_000 + b'"}')
    assert (error.status, error.code) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lobb": "falcon"}, "lobb"),
        ({"lobb": ""}, "lobb"),  # empty means absent for fields that there are
        ({"lobb": None}, "lobb"),
        ({"model_config": "x"}, "model_config"),
        ({"lob": 1}, "lob"),
        ({"lob": ["falcon"]}, "lob"),
        ({"lob": {"a": 1}}, "lob"),
        ({"lob": True}, "lob"),
        ({"lob": "a" * 129}, "lob"),
        ({"lob": "a\x00b"}, "lob"),
        ({"category": "a\nb"}, "category"),
        ({"subcategory": 1.5}, "subcategory"),
        ({"force": "true"}, "force"),
        ({"force": 1}, "force"),
        ({"dry_run": float("nan")}, "dry_run"),
        ({"dry_run": 10**400}, "dry_run"),
        ({"begin_date": "2026-02-30"}, "begin_date"),
        ({"begin_date": "2026-2-3"}, "begin_date"),
        ({"begin_date": "20260203"}, "begin_date"),
        ({"begin_date": "2026-02-03T00:00:00"}, "begin_date"),
        ({"begin_date": " 2026-02-03"}, "begin_date"),
        ({"begin_date": "2026-02-03\n"}, "begin_date"),
        ({"begin_date": "٢٠٢٦-02-03"}, "begin_date"),
        ({"begin_date": "0000-01-01"}, "begin_date"),
        ({"end_date": "2026-13-01"}, "end_date"),
        ({"end_date": 20260101}, "end_date"),
        ({"begin_date": "2026-02-02", "end_date": "2026-02-01"}, "begin_date"),
        ({"file_name": "../x.csv"}, "file_name"),
        ({"file_name": "a/../x.csv"}, "file_name"),
        ({"file_name": ".."}, "file_name"),
        ({"file_name": "./x.csv"}, "file_name"),
        ({"file_name": "/x.csv"}, "file_name"),
        ({"file_name": "a//x.csv"}, "file_name"),
        ({"file_name": "a/"}, "file_name"),
        ({"file_name": "a\\x.csv"}, "file_name"),
        ({"file_name": "a\tx.csv"}, "file_name"),
        ({"file_name": "a\x00x.csv"}, "file_name"),
        ({"file_name": "a\x85x.csv"}, "file_name"),
        ({"file_name": "a\u2028x.csv"}, "file_name"),
        ({"file_name": "a\u2029x.csv"}, "file_name"),
        ({"file_name": "vsc.\u202egpj"}, "file_name"),
        ({"file_name": "a\u200bx.csv"}, "file_name"),
        ({"file_name": "\ufeffa.csv"}, "file_name"),
        ({"file_name": "a\ud800x.csv"}, "file_name"),
        ({"category": "a\u202eb"}, "category"),
        ({"file_name": "%2e%2e/x.csv"}, "file_name"),
        ({"file_name": "a%2Fx.csv"}, "file_name"),
        ({"file_name": "a" * 1025}, "file_name"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_with_a_remedy(body: dict[str, object], field: str) -> None:
    error = refused(json.dumps(body).encode())
    assert (error.status, error.code) == (400, "BAD_REQUEST")
    assert [one.field for one in error.errors] == [field]
    assert error.errors[0].message
    assert error.errors[0].remedy


def test_every_bad_field_is_named_not_just_the_first() -> None:
    error = refused(b'{"lob": 1, "force": "yes", "x": 1, "end_date": "soon"}')
    assert {one.field for one in error.errors} == {"lob", "force", "x", "end_date"}


def test_a_field_that_stands_twice_is_refused() -> None:
    error = refused(b'{"lob": "falcon", "force": false, "force": true}')
    assert [one.field for one in error.errors] == ["force"]


@pytest.mark.parametrize("body", [b'{"lob": "\\ud800"}', b'{"\\ud800": 1}', b'{"file_name": "a\\udfff.csv"}'])
def test_a_lone_surrogate_is_refused_in_words_that_can_be_sent(body: bytes) -> None:
    error = refused(body)
    json.dumps(error.message).encode()
    assert all(one.message for one in error.errors)


def test_an_empty_string_means_absent() -> None:
    body = dict.fromkeys(
        ("lob", "category", "subcategory", "begin_date", "end_date", "file_name", "force", "dry_run"), ""
    )
    assert parse_request(json.dumps(body).encode()) == LoadRequest()


@pytest.mark.parametrize(
    "name", ["a.csv", "2026/01/*.csv", "100%.csv", "a b?.csv", "..a.csv", "a..b", "ä.csv", "[1].csv"]
)
def test_a_base_name_or_a_path_below_the_folder_is_a_file_name(name: str) -> None:
    assert parse_request(json.dumps({"file_name": name}).encode()).file_name == name


LOBS = frozenset({"falcon", "heron"})


@pytest.mark.parametrize(
    ("body", "lobs", "selection"),
    [
        ({"lob": "falcon"}, LOBS, Selection("falcon")),
        ({"lob": "falcon", "category": "heron"}, LOBS, Selection("falcon", "heron")),
        ({"category": "falcon"}, LOBS, Selection("falcon", None, None, either=True)),
        (
            {"category": "falcon", "subcategory": "transactions"},
            LOBS,
            Selection("falcon", None, "transactions", either=True),
        ),
        ({"category": "transactions"}, {"falcon"}, Selection("falcon", "transactions")),
        ({}, {"falcon"}, Selection("falcon")),
    ],
)
def test_the_lob_is_the_one_named_else_a_category_that_is_one_else_the_only_one(
    body: dict[str, str], lobs: frozenset[str], selection: Selection
) -> None:
    assert select(LoadRequest(**body), lobs) == selection


@pytest.mark.parametrize(
    ("body", "lobs", "code"),
    [
        ({"lob": "kestrel"}, LOBS, "UNKNOWN_LOB"),
        ({"lob": "Falcon"}, LOBS, "UNKNOWN_LOB"),
        ({"lob": "falcon"}, frozenset(), "UNKNOWN_LOB"),
        ({}, LOBS, "LOB_NEEDED"),
        ({"category": "transactions"}, LOBS, "LOB_NEEDED"),
        ({"subcategory": "falcon"}, LOBS, "LOB_NEEDED"),
        ({}, frozenset(), "LOB_NEEDED"),
    ],
)
def test_without_a_lob_to_be_found_the_request_is_refused_with_those_that_there_are(
    body: dict[str, str], lobs: frozenset[str], code: str
) -> None:
    with pytest.raises(Rejected) as caught:
        select(LoadRequest(**body), lobs)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert all(lob in caught.value.errors[0].remedy for lob in lobs)


def feeds_of(*rows: str) -> tuple[Feed, ...]:
    text = "\n".join([HEADER, *rows])
    parsed = parse_config(text, lob="falcon", catalog="main", allowed_roots=(ROOT,))
    assert parsed.errors == ()
    return parsed.feeds


def test_category_falcon_subcategory_transactions_matches_either_column() -> None:
    by_category = config_row("credit")
    by_subcategory = config_row("transactions").replace("falcon,transactions,", "falcon,other,")
    neither = config_row("x").replace("falcon,transactions,", "falcon,other,")
    feeds = feeds_of(by_category, by_subcategory, neither)
    selection = select(LoadRequest(category="falcon", subcategory="transactions"), {"falcon"})
    assert [feed.subcategory for feed in require_feeds(feeds, selection)] == ["credit", "transactions"]


def test_an_inactive_feed_is_never_meant() -> None:
    feeds = feeds_of(config_row().removesuffix("true") + "false")
    with pytest.raises(Rejected) as caught:
        require_feeds(feeds, Selection("falcon"))
    assert caught.value.code == "NO_FEED"


@pytest.mark.parametrize(
    ("body", "window"),
    [
        ({}, Window(date(2026, 3, 3), date(2026, 3, 10), by_either=True)),
        ({"begin_date": "2026-01-01"}, Window(date(2026, 1, 1), None)),
        ({"end_date": "2026-01-31"}, Window(None, date(2026, 1, 31))),
        ({"begin_date": "2026-01-01", "end_date": "2026-01-01"}, Window(date(2026, 1, 1), date(2026, 1, 1))),
        ({"file_name": "a.csv"}, EVERYTHING),
        ({"file_name": "a.csv", "begin_date": "2026-01-01"}, Window(date(2026, 1, 1), None)),
    ],
)
def test_the_window_is_what_the_dates_say(body: dict[str, str], window: Window) -> None:
    assert window_of(LoadRequest(**body), NOW, 7) == window


OLD, TODAY = date(2020, 1, 1), NOW.date()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file_date", "modified", "is_in"),
    [
        (TODAY, NOW, True),
        (OLD, NOW, True),  # a late file with an old date in its name is still new
        (TODAY, LONG_AGO, True),
        (OLD, LONG_AGO, False),
        (None, NOW, True),
        (None, LONG_AGO, False),
        (date(2026, 3, 3), LONG_AGO, True),
        (date(2026, 3, 2), LONG_AGO, False),
        (date(2026, 3, 11), LONG_AGO, False),
    ],
)
def test_without_dates_a_file_is_in_by_either_of_its_dates(
    file_date: date | None, modified: datetime, is_in: bool
) -> None:
    assert window_of(LoadRequest(), NOW, 7).holds(file_date, modified) is is_in


@pytest.mark.parametrize(
    ("file_date", "is_in"),
    [
        (date(2025, 12, 31), False),
        (date(2026, 1, 1), True),
        (date(2026, 1, 31), True),
        (date(2026, 2, 1), False),
        (None, False),
    ],
)
def test_with_dates_a_file_is_in_by_its_own_date_alone(file_date: date | None, is_in: bool) -> None:
    window = window_of(LoadRequest(begin_date="2026-01-01", end_date="2026-01-31"), NOW, 7)
    assert window.holds(file_date, datetime(2026, 1, 15, tzinfo=UTC)) is is_in


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from([*LoadRequest.model_fields, "other"]), JSON, max_size=8)


@given(
    st.binary(max_size=200)
    | JSON.map(lambda data: json.dumps(data).encode())
    | BODIES.map(lambda d: json.dumps(d).encode())
)
def test_any_body_is_a_request_or_rejected(body: bytes) -> None:
    try:
        request = parse_request(body)
    except Rejected:
        return
    assert isinstance(request, LoadRequest)
    assert LoadRequest.model_validate_json(request.model_dump_json()) == request
    window_of(request, NOW, 7)


def test_fields_that_stand_twice_are_counted_in_one_pass() -> None:
    pairs = ",".join(f'"f{n % 5000}":1' for n in range(6000))
    began = time.perf_counter()
    error = refused(f"{{{pairs}}}".encode())
    assert len(error.errors) == 1000
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("value", ["x" * 129, "a\x00b", "(" * 7900])
def test_a_list_is_asked_for_by_what_could_be_a_lob(value: str) -> None:
    with pytest.raises(Rejected) as caught:
        checked_lob(value)
    assert (caught.value.status, [one.field for one in caught.value.errors]) == (400, ["lob"])
    assert (checked_lob("falcon"), checked_lob(""), checked_lob(None)) == ("falcon", None, None)
