"""Set up logs and traces, once per process, by `configure`.

Logs are one JSON object a line and carry the job and trace ids of the task that wrote them. Traces go out
by OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set (the SDK reads its own variables). Metrics are Prometheus.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
_propagator = TraceContextTextMapPropagator()
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
tracer = trace.get_tracer("reelzero")


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, job_id, trace_id, and the `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Render the record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if job := _job_id.get():
            line["job_id"] = job
        if span.is_valid:
            line["trace_id"] = format(span.trace_id, "032x")
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(service: str, level: str = "INFO") -> None:
    """Set up logging to stderr and, if an endpoint is set, tracing. Call once, from a main."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("httpx", "botocore", "aiosqlite", "alembic.runtime", "uvicorn.access", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


@contextmanager
def job_context(job_id: str, traceparent: str | None = None) -> Iterator[None]:
    """Give the job id to every log line inside, and make every span inside continue the caller's trace."""
    job = _job_id.set(job_id)
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    token = otel_context.attach(parent) if parent is not None else None
    try:
        yield
    finally:
        if token is not None:
            otel_context.detach(token)
        _job_id.reset(job)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the current span; None outside any span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
