"""Set up logs and traces, once per process, by `configure`; make spans, and give logs their job and trace.

Spans go out by OTLP where the standard OTEL_… variables name an exporter or an endpoint (exporters.py).
Without one no span is made, and the trace of the caller is passed on. Metrics are Prometheus.
"""

from __future__ import annotations

from eventing.contract.telemetry.exporters import begin, close
from eventing.contract.telemetry.logs import JsonFormatter, configure_logs, job_context
from eventing.contract.telemetry.server import trace_requests
from eventing.contract.telemetry.spans import (
    Failing,
    continued,
    current_traceparent,
    exemplar,
    is_on,
    link_to,
    outer_traceparent,
    record,
    span,
    tracer,
    with_span_id,
)

__all__ = [
    "Failing",
    "JsonFormatter",
    "begin",
    "close",
    "configure",
    "configure_logs",
    "continued",
    "current_traceparent",
    "exemplar",
    "is_on",
    "job_context",
    "link_to",
    "outer_traceparent",
    "record",
    "span",
    "trace_requests",
    "tracer",
    "with_span_id",
]


def configure(service: str, level: str = "INFO") -> None:
    """Set up logging to stderr and, if an exporter is named, tracing. Call once, from a main."""
    configure_logs(level)
    begin(service)
