"""`Telemetry` by OpenTelemetry."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace as traces
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hub_core.telemetry import METRICS, Fact

_HEADER = "traceparent"
_w3c = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Spans and metrics to the exporters given. Providers of its own: what a host sets up globally stays as it is."""

    def __init__(self, service: str, spans: SpanExporter, metrics: MetricReader) -> None:
        resource = Resource.create({"service.name": service})
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._metrics = MeterProvider([metrics], resource=resource)
        self._tracer = self._traces.get_tracer("deltalake-hub")
        meter = self._metrics.get_meter("deltalake-hub")
        make: Mapping[str, Callable[..., Callable[..., None]]] = {
            "counter": lambda *args, **named: meter.create_counter(*args, **named).add,
            "histogram": lambda *args, **named: meter.create_histogram(*args, **named).record,
            "gauge": lambda *args, **named: meter.create_gauge(*args, **named).set,
        }
        self._record = {
            name: make[one.kind](name, unit=one.unit, description=one.sentence) for name, one in METRICS.items()
        }

    @contextmanager
    def span(self, name: str, parent: str | None = None, **facts: Fact) -> Iterator[None]:
        """See `Telemetry.span`; an exception is recorded, and goes on."""
        above = _w3c.extract({_HEADER: parent}) if parent else contexts.get_current()
        with self._tracer.start_as_current_span(name, above, attributes=facts):
            yield

    def trace(self) -> str | None:
        """See `Telemetry.trace`."""
        carrier: dict[str, str] = {}
        if traces.get_current_span().get_span_context().is_valid:
            _w3c.inject(carrier)
        return carrier.get(_HEADER)

    def measure(self, metric: str, value: float, **facts: Fact) -> None:
        """See `Telemetry.measure`."""
        self._record[metric](value, facts)

    def close(self) -> None:
        """Send what waits."""
        self._traces.shutdown()
        self._metrics.shutdown()


def otlp(service: str, endpoint: str) -> OpenTelemetry:
    """Telemetry to an OTLP endpoint, as protobuf by HTTP."""
    base = endpoint.rstrip("/")
    spans, metrics = OTLPSpanExporter(f"{base}/v1/traces"), OTLPMetricExporter(f"{base}/v1/metrics")
    return OpenTelemetry(service, spans, PeriodicExportingMetricReader(metrics))
