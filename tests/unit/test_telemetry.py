"""Spans and metrics: one trace from the request to the run, and every metric as it is listed."""

import gzip
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hub_core.model import FileStatus
from hub_core.otel import OpenTelemetry
from hub_core.telemetry import METRICS, OTLP, SILENT, from_environment, measure_end
from tests.unit.doubles import HEADER, NOW, World, config_row
from tests.unit.test_intake import created

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Listening:
    """OpenTelemetry, and what it sent."""

    def __init__(self) -> None:
        self.spans, self.metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self.telemetry = OpenTelemetry("test", self.spans, self.metrics)

    def traces(self) -> dict[str, tuple[str, str | None]]:
        """Trace and parent of each span, by name."""
        self.telemetry._traces.force_flush()
        return {
            span.name: (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else None)
            for span in self.spans.get_finished_spans()
        }

    def values(self) -> dict[tuple[str, ...], float]:
        """Each metric's value (a histogram's sum), by its name and its facts' values."""
        data = self.metrics.get_metrics_data()
        found = {}
        for one in data.resource_metrics[0].scope_metrics[0].metrics:
            for point in one.data.data_points:
                assert set(point.attributes) == set(METRICS[one.name].facts)
                key = (one.name, *(str(point.attributes[fact]) for fact in METRICS[one.name].facts))
                found[key] = getattr(point, "value", getattr(point, "sum", None))
        return found


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.telemetry.close()


def test_a_trace_goes_from_the_caller_by_the_queue_to_the_run(listening: Listening) -> None:
    world = World()
    world.land()
    hub = world.build(telemetry=listening.telemetry)
    hub.accept(b'{"lob": "falcon"}', trace=CALLER)
    [message] = [body for body, _ in world.queue.messages]
    world.work(hub)
    spans = listening.traces()
    assert {name: trace for name, (trace, _) in spans.items()} == dict.fromkeys(
        ("accept load", "plan load", "submit run"), "0af7651916cd43dd8448eb211c80319c"
    )
    assert spans["accept load"][1] == "b7ad6b7169203331"
    assert '"trace":"00-0af7651916cd43dd8448eb211c80319c-' in message
    [run] = world.jobs.traces
    assert run is not None
    assert re.fullmatch("00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01", run)


def test_a_message_that_reconcile_puts_back_stays_in_the_trace(listening: Listening) -> None:
    world = World()
    world.land()
    hub = world.build(telemetry=listening.telemetry)
    hub.accept(b'{"lob": "falcon"}', trace=CALLER)
    world.queue.messages.clear()
    world.clock.pass_(minutes=4)
    hub.reconcile()
    world.work(hub)
    assert listening.traces()["plan load"][0] == CALLER[3:35]


@pytest.mark.parametrize("header", [CALLER, None])
def test_a_retry_is_one_trace_too(listening: Listening, header: str | None) -> None:
    world = World()
    world.land()
    bad = world.ask()
    world.work()
    world.finish(bad, FileStatus.FAILED)
    world.work()
    hub = world.build(telemetry=listening.telemetry)
    hub.retry(bad.id, trace=header)
    world.work(hub)
    spans = {name: trace for name, (trace, _) in listening.traces().items()}
    assert set(spans) == {"retry load", "plan load", "submit run"}
    assert len(set(spans.values())) == 1
    assert header is None or spans["retry load"] == header[3:35]


def test_what_a_sweep_loads_is_in_its_trace(listening: Listening) -> None:
    world = World()
    world.land(modified=NOW - timedelta(hours=2))
    hub = world.build(telemetry=listening.telemetry)
    hub.reconcile()
    world.work(hub)
    spans = {name: trace for name, (trace, _) in listening.traces().items()}
    assert spans["sweep feeds"] == spans["plan load"] == spans["submit run"]


def test_a_round_of_reconcile_is_counted_once_it_ends(listening: Listening) -> None:
    world = World()
    hub = world.build(telemetry=listening.telemetry)
    hub.reconcile()
    hub.reconcile()
    assert listening.values()[("hub.reconciles",)] == 2


def test_what_is_no_trace_context_begins_a_trace_of_its_own(listening: Listening) -> None:
    world = World()
    world.build(telemetry=listening.telemetry).accept(b'{"lob": "falcon"}', trace="nonsense")
    trace, parent = listening.traces()["accept load"]
    assert (len(trace), parent) == (32, None)


def test_nothing_listens_by_default_and_no_trace_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OTLP, raising=False)
    assert from_environment("x") is SILENT
    world = World()
    world.land()
    load = world.ask()
    world.work()
    assert (load.trace, world.jobs.traces) == (None, [None])


def test_an_ended_load_is_measured_once(listening: Listening) -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    running = world.load(load)
    world.clock.pass_(seconds=90)
    world.finish(load)
    world.work()
    ended = world.load(load)
    for before, after in ((load, running), (running, ended), (ended, ended)):
        measure_end(listening.telemetry, before, after)
    assert listening.values() == {
        ("hub.loads", "falcon", "SUCCESS", "request"): 1,
        ("hub.load.duration", "falcon", "SUCCESS"): 90,
        ("hub.files", "falcon", "success"): 1,
        ("hub.rows", "falcon", "loaded"): 100,
    }


def test_events_are_counted_by_what_became_of_them(listening: Listening) -> None:
    world = World()
    hub = world.build(telemetry=listening.telemetry)
    for name in ("transactions_1.csv", "transactions_1.csv", "transactions_2.csv", "other.csv"):
        hub.take_event(created(name))
    hub.take_event(created("a.csv").replace("//acct.", "//other."))
    hub.drain()
    values = listening.values()
    assert {key[1]: value for key, value in values.items() if key[0] == "hub.events"} == {
        "file": 2, "duplicate": 1, "dropped": 2
    }  # fmt: skip
    assert values[("hub.events.loads",)] == 1


def test_a_sweep_measures_lag(listening: Listening) -> None:
    world = World()
    world.land(modified=NOW - timedelta(hours=2))
    world.build(telemetry=listening.telemetry).reconcile()
    values = listening.values()
    feed = ("falcon", "transactions", "credit", "transactions_*.csv")
    assert [values[(f"hub.feed.{name}", *feed)] for name in ("due", "lag", "missed")] == [1, 7200, 1]


def test_a_feed_that_has_left_is_late_no_more(listening: Listening) -> None:
    world = World()
    world.land(modified=NOW - timedelta(hours=2))
    world.hub = world.build(telemetry=listening.telemetry)
    world.hub.sweep.run()
    world.configs.files["falcon"] = f"{HEADER}\n{config_row(pattern='other_*.csv')}\n".encode()
    world.hub = world.build(telemetry=listening.telemetry)
    world.hub.sweep.run()
    values = listening.values()
    for pattern in ("transactions_*.csv", "other_*.csv"):
        feed = ("falcon", "transactions", "credit", pattern)
        assert [values[(f"hub.feed.{name}", *feed)] for name in ("due", "lag", "missed")] == [0, 0, 0]


def test_a_passing_fault_is_counted(listening: Listening) -> None:
    from hub_core.errors import Transient

    class Away:
        def __getattr__(self, name: str) -> object:
            raise Transient("WAREHOUSE_UNAVAILABLE", "503")

    world = World()
    world.land()
    world.ask()
    world.work(world.build(telemetry=listening.telemetry, tracker=Away()))
    assert listening.values()[("hub.faults", "WAREHOUSE_UNAVAILABLE")] == 1


def test_the_files_of_a_canceled_load_are_counted_and_its_duration_is_not(listening: Listening) -> None:
    world = World()
    world.land()
    load = world.ask()
    world.work()
    before = world.load(load)
    world.hub.cancel(load.id)
    world.work()
    world.tracker.end(load.id, FileStatus.FAILED, "CANCELED")
    world.clock.pass_(minutes=1)
    world.hub.reconcile()
    measure_end(listening.telemetry, before, world.load(load))
    assert {key[0] for key in listening.values()} == {"hub.loads", "hub.files"}


def test_otlp_goes_to_the_endpoint_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — http.server's name
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv(OTLP, f"http://127.0.0.1:{server.server_port}/")
        told = from_environment("hub-under-test")
        with told.span("accept load", CALLER):
            told.measure("hub.events.loads", 2)
        told.close()
    finally:
        server.shutdown()
        server.server_close()
    assert {path for path, _ in taken} == {"/v1/traces", "/v1/metrics"}
    sent = b"".join(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for _, body in taken)
    assert all(word in sent for word in (b"hub-under-test", b"accept load", b"hub.events.loads"))


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
    for name, metric in METRICS.items():
        facts = ", ".join(f"`{fact}`" for fact in metric.facts)
        assert f"| `{name}` | {metric.kind} | {metric.unit} | {facts} | {metric.sentence} |" in page
