"""What the hub tells of itself: spans and metrics. Where nothing is set up to take them, nothing happens."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hub_core.model import LoadState

if TYPE_CHECKING:
    from hub_core.load import Load

OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""The variable that says where spans and metrics go, by its standard name."""

type Fact = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Metric:
    """What is measured, in the terms of OpenTelemetry."""

    kind: str
    """`counter`, `histogram` or `gauge`."""
    unit: str
    sentence: str
    facts: tuple[str, ...]
    """The attributes that its values bear."""


FEED_FACTS = ("lob", "category", "subcategory", "file_pattern")

METRICS: Mapping[str, Metric] = {
    "hub.loads": Metric("counter", "{load}", "Loads that ended.", ("lob", "state", "trigger")),
    "hub.load.duration": Metric("histogram", "s", "From the request to the final state.", ("lob", "state")),
    "hub.files": Metric("counter", "{file}", "Files of loads that ended, by what became of them.", ("lob", "outcome")),
    "hub.rows": Metric("counter", "{row}", "Rows in bronze, and records in quarantine.", ("lob", "outcome")),
    "hub.plan.duration": Metric("histogram", "s", "One message of the queue loads, with its faults.", ()),
    "hub.faults": Metric("counter", "{fault}", "Passing faults that put a message back.", ("code",)),
    "hub.events": Metric("counter", "{event}", "Blob events, by what became of them.", ("outcome",)),
    "hub.events.loads": Metric("counter", "{load}", "Loads that events were coalesced into.", ()),
    "hub.reconciles": Metric("counter", "{round}", "Rounds of `reconcile` that came to their end: one a minute.", ()),
    "hub.feed.due": Metric("gauge", "{file}", "Files due, as of the last sweep.", FEED_FACTS),
    "hub.feed.lag": Metric("gauge", "s", "Age of the oldest due file, then.", FEED_FACTS),
    "hub.feed.missed": Metric("gauge", "{file}", "Files that no event told of.", FEED_FACTS),
}
"""All metrics; docs/observability.md lists them."""


class Telemetry(Protocol):
    """Takes spans and metrics."""

    def span(self, name: str, parent: str | None = None, **facts: Fact) -> AbstractContextManager[None]:
        """A span round what is inside: below `parent` (a W3C traceparent), else below the one that is open here."""
        ...

    def trace(self) -> str | None:
        """The W3C traceparent of the span that is open here."""
        ...

    def measure(self, metric: str, value: float, **facts: Fact) -> None:
        """Add to a counter, or record a value; the metric is one of `METRICS`."""
        ...

    def close(self) -> None:
        """Send what waits; for a process that is about to end."""
        ...


class Silent:
    """`Telemetry` that nobody listens to."""

    def span(self, name: str, parent: str | None = None, **facts: Fact) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing."""
        return nullcontext()

    def trace(self) -> str | None:
        """None."""
        return None

    def measure(self, metric: str, value: float, **facts: Fact) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


SILENT = Silent()


def from_environment(service: str) -> Telemetry:
    """Where spans and metrics go: nowhere, unless `OTLP` is set."""
    endpoint = os.environ.get(OTLP)
    if not endpoint:
        return SILENT
    from hub_core.otel import otlp

    return otlp(service, endpoint)


def measure_end(telemetry: Telemetry, before: "Load", after: "Load") -> None:
    """Measure a load that has just become final; anything else is not measured."""
    if before.state.is_final or not after.state.is_final:
        return
    lob, state = after.lob, after.state.value
    telemetry.measure("hub.loads", 1, lob=lob, state=state, trigger=after.trigger.value)
    if after.finished_at is not None and after.state is not LoadState.CANCELED:
        took = (after.finished_at - after.created_at).total_seconds()
        telemetry.measure("hub.load.duration", took, lob=lob, state=state)
    for outcome in ("success", "failed", "quarantined"):
        if count := getattr(after.files, outcome):
            telemetry.measure("hub.files", count, lob=lob, outcome=outcome)
    for outcome in ("loaded", "rejected"):
        if count := getattr(after.rows, outcome):
            telemetry.measure("hub.rows", count, lob=lob, outcome=outcome)
