"""Structured lines: the sentence, then its facts as JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hub_core.logs import Structured, bound


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Structured())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def test_a_line_says_its_facts_as_json(lines: io.StringIO) -> None:
    logging.getLogger("hub_core.x").warning("drained %d", 3, extra={"loads": ("a",), "lob": None})
    sentence, _, facts = lines.getvalue().strip().partition(" {")
    assert (sentence, json.loads("{" + facts)) == ("drained 3", {"loads": ["a"]})


def test_what_is_bound_is_said_by_every_line_inside_and_by_none_after(lines: io.StringIO) -> None:
    log = logging.getLogger("function_app.x")
    with bound(load_id="l1", run_id=None), bound(lob="falcon"):
        log.warning("in 100 % of cases")
    log.warning("after")
    inside, after = lines.getvalue().splitlines()
    assert inside == 'in 100 % of cases {"load_id": "l1", "lob": "falcon"}'
    assert after == "after"


def test_a_lines_own_fact_counts_more_than_a_bound_one(lines: io.StringIO) -> None:
    with bound(load_id="l1"):
        logging.getLogger("hub_core").warning("x", extra={"load_id": "l2"})
    assert '"l2"' in lines.getvalue()
    assert '"l1"' not in lines.getvalue()


def test_other_libraries_lines_stay_as_they_are(lines: io.StringIO) -> None:
    with bound(load_id="l1"):
        logging.getLogger("urllib3.x").warning("plain %s", "text", extra={"lob": "falcon"})
    assert lines.getvalue() == "plain text\n"


def test_two_handlers_do_not_say_it_twice(lines: io.StringIO) -> None:
    record = logging.makeLogRecord({"name": "hub_core", "msg": "x", "lob": "falcon"})
    for _ in range(2):
        assert Structured().filter(record)
    assert record.getMessage() == 'x {"lob": "falcon"}'
