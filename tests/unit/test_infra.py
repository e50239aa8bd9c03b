"""What `infra/` asks of Application Insights is what the hub tells it."""

import json
import re
from itertools import pairwise
from pathlib import Path

from hub_core.messages import GIVE_UP_SECONDS, LoadMessage
from hub_core.model import LoadState
from hub_core.telemetry import METRICS

ROOT = Path(__file__).parents[2]
ALERTS = (ROOT / "infra" / "alerts.bicep").read_text("utf-8")
TOPIC = (ROOT / "infra" / "modules" / "event-topic.bicep").read_text("utf-8")
WORKBOOK = (ROOT / "infra" / "workbook.json").read_text("utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
QUERIES = [
    *re.findall(r"query: '([^']*)'", ALERTS),
    *(item["content"]["query"] for item in json.loads(WORKBOOK)["items"] if item["type"] == 3),
]


def test_each_query_is_of_a_metric_with_the_facts_that_it_has() -> None:
    assert len(QUERIES) == 17
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
    headings = " ".join(re.findall(r"^## (.*)$", RUNBOOK, re.MULTILINE))
    said = re.findall(r"Runbook: (.*)\.'", ALERTS + TOPIC)
    assert len(said) == 9
    for part in said:
        words = part.removeprefix("An alert, ").split()
        assert all(word in headings for word in words), part


def test_the_runbook_says_of_each_rule_by_its_name_which_part_to_read() -> None:
    rules = re.findall(r"^    name: '([\w-]+)'$", ALERTS, re.MULTILINE)
    rules += re.findall(r"name: '(hub-[a-z-]+)-\$\{environmentName\}", TOPIC)
    assert len(rules) == 9
    listed = re.findall(r"^\| `([\w-]+)` \|.*\]\(#", RUNBOOK, re.MULTILINE)
    assert sorted(listed) == sorted(rules)


def test_one_load_that_waits_is_enough_for_the_rule_on_faults() -> None:
    [enough] = map(int, re.findall(r"where faults >= (\d+)'", ALERTS))
    [minutes] = map(int, re.findall(r"windowSize: 'PT(\d+)M'", ALERTS))
    window, now, met = minutes * 60, 0, list[int]()
    message = LoadMessage(load_id="one")
    while again := message.after_fault(now):
        met.append(now)
        message, now = again, now + again.delay_seconds
    assert [after - before for before, after in pairwise(met)][:7] == [5, 10, 20, 40, 80, 160, 300]
    assert sum(at < window for at in met) == 8
    in_any = {sum(start <= at < start + window for at in met) for start in range(GIVE_UP_SECONDS - window)}
    assert min(in_any) == enough == 3
    assert met[enough - 1] == 15


def test_the_rule_on_silence_counts_what_there_is_and_has_a_row_where_there_is_none() -> None:
    [query] = [one for one in QUERIES if "hub.reconciles" in one]
    counted, rows = query.split(" | summarize ")
    assert counted == 'customMetrics | where name == "hub.reconciles"'
    # A `by` would have it that no rows are no row.
    assert rows == "rounds = count() | where rounds == 0"
