"""What `infra/` asks of Application Insights is what the hub tells it."""

import json
import re
from pathlib import Path

from hub_core.model import LoadState
from hub_core.telemetry import METRICS

ROOT = Path(__file__).parents[2]
ALERTS = (ROOT / "infra" / "alerts.bicep").read_text("utf-8")
WORKBOOK = (ROOT / "infra" / "workbook.json").read_text("utf-8")
QUERIES = [
    *re.findall(r"query: '([^']*)'", ALERTS),
    *(item["content"]["query"] for item in json.loads(WORKBOOK)["items"] if item["type"] == 3),
]


def test_each_query_is_of_a_metric_with_the_facts_that_it_has() -> None:
    assert len(QUERIES) == 16
    for query in QUERIES:
        if query.startswith("traces"):
            continue
        [name] = re.findall(r'name == "([^"]+)"', query)
        assert set(re.findall(r"customDimensions\.(\w+)", query)) <= set(METRICS[name].facts), query


def test_states_and_outcomes_in_the_rules_are_ones_that_there_are() -> None:
    states = re.findall(r"state\) in \(([^)]*)\)", ALERTS)
    named = {word for group in states for word in re.findall(r'"(\w+)"', group)}
    assert named
    assert named <= {state.value for state in LoadState}


def test_every_metric_but_one_is_in_the_workbook_or_a_rule() -> None:
    shown = {name for query in QUERIES for name in re.findall(r'name == "([^"]+)"', query)}
    assert set(METRICS) - shown == {"hub.events.loads"}


def test_every_rule_names_a_part_of_the_runbook() -> None:
    headings = " ".join(re.findall(r"^## (.*)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.MULTILINE))
    said = re.findall(r"Runbook: (.*)\.'", ALERTS)
    assert len(said) == 7
    for part in said:
        words = part.removeprefix("An alert, ").split()
        assert all(word in headings for word in words), part
