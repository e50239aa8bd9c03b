"""Spans and metrics to Azure Monitor."""

from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter, AzureMonitorTraceExporter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from hub_core.otel import OpenTelemetry


def azure_monitor(service: str, connection_string: str) -> OpenTelemetry:
    """Telemetry to the Application Insights that `connection_string` names."""
    spans = AzureMonitorTraceExporter(connection_string=connection_string)
    metrics = AzureMonitorMetricExporter(connection_string=connection_string)
    return OpenTelemetry(service, spans, PeriodicExportingMetricReader(metrics))
