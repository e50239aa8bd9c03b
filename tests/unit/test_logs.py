"""Structured lines: the sentence, then its facts as JSON."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hub_core.logs import bound, logger


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


def test_a_line_says_its_facts_as_json(lines: io.StringIO) -> None:
    logger("hub_core.x").warning("drained %d", 3, extra={"loads": ("a",), "lob": None})
    sentence, _, facts = lines.getvalue().strip().partition(" {")
    assert (sentence, json.loads("{" + facts)) == ("drained 3", {"loads": ["a"]})


def test_what_is_bound_is_said_by_every_line_inside_and_by_none_after(lines: io.StringIO) -> None:
    log = logger("function_app.x")
    with bound(load_id="l1", run_id=None), bound(lob="falcon"):
        log.warning("in 100 % of cases")
    log.warning("after")
    inside, after = lines.getvalue().splitlines()
    assert inside == 'in 100 % of cases {"load_id": "l1", "lob": "falcon"}'
    assert after == "after"


def test_a_lines_own_fact_counts_more_than_a_bound_one(lines: io.StringIO) -> None:
    with bound(load_id="l1"):
        logger("hub_core").warning("x", extra={"load_id": "l2"})
    assert '"l2"' in lines.getvalue()
    assert '"l1"' not in lines.getvalue()


def test_a_logger_asked_for_twice_says_it_once(lines: io.StringIO) -> None:
    for _ in range(2):
        log = logger("hub_core.twice")
    log.warning("x", extra={"lob": "falcon"})
    assert lines.getvalue() == 'x {"lob": "falcon"}\n'
