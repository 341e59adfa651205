"""Send spans where the standard OTEL_… variables say, from a thread of its own, with a bounded buffer.

OTEL_TRACES_EXPORTER is otlp, console or none; an endpoint alone means otlp. OTEL_EXPORTER_OTLP_PROTOCOL is
http/protobuf (the default) or grpc. The SDK reads the rest: sampler, resource, limits of the buffer
(OTEL_BSP_…), headers, certificates. A collector that is away costs spans and no job.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from importlib import import_module

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from eventing import __version__
from eventing.contract.telemetry.spans import ChosenIds, turn_on

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
OTLP = {"http/protobuf": "http", "grpc": "grpc"}  # by protocol, the part of the module's name
FLUSH_SECONDS = 5.0  # for the last spans at the end of a process
log = logging.getLogger(__name__)
_running: list[TracerProvider] = []


def begin(service: str) -> None:
    """Make spans if the environment names an exporter. A setting that does not fit costs the traces only."""
    try:
        exporter = _chosen_exporter()
        if exporter is None:
            return
        _keep_quiet()
        provider = TracerProvider(
            resource=_resource(service), shutdown_on_exit=False, id_generator=ChosenIds()
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
    except Exception as error:
        log.warning("no traces are sent, because an OTEL_… variable does not fit: %s", error)
        return
    _running.append(provider)
    turn_on(provider)


def close(seconds: float = FLUSH_SECONDS) -> None:
    """Send the last spans, for so many seconds at most. Call it at the end of a process."""
    while _running:
        thread = threading.Thread(target=_running.pop().shutdown, name="last spans", daemon=True)
        thread.start()
        thread.join(seconds)


class Reporting(SpanExporter):
    """Passes spans on, and logs once that they do not arrive, and once that they arrive again."""

    def __init__(self, exporter: SpanExporter, target: str) -> None:
        self._exporter = exporter
        self._target = target
        self._arrives = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        arrives = result is SpanExportResult.SUCCESS
        if arrives != self._arrives:
            self._arrives = arrives
            self._report(arrives)
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do as the exporter does."""
        return self._exporter.force_flush(timeout_millis)

    def _report(self, arrives: bool) -> None:
        if arrives:
            log.info("traces are sent again to %s", self._target)
        else:
            log.warning(
                "traces are not sent to %s: %s; spans are dropped until it answers, jobs go on. "
                "Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL",
                self._target, _words.last,
            )  # fmt: skip


class _Words(logging.Handler):
    """Keeps the last message of the exporters, which repeat theirs for each batch."""

    last = "no answer"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.last = record.getMessage()


class _First(logging.Filter):
    """Lets one record through."""

    def __init__(self) -> None:
        super().__init__()
        self._is_first = True

    def filter(self, _record: logging.LogRecord) -> bool:
        """Return whether this record is the first."""
        is_first, self._is_first = self._is_first, False
        return is_first


_words = _Words()


def _keep_quiet() -> None:
    """Log no line for each batch that is lost: `Reporting` says it once."""
    for name in ("opentelemetry.exporter.otlp", "opentelemetry.exporter.http"):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).handlers[:] = [_words]
    logging.getLogger("opentelemetry.sdk._shared_internal").addFilter(_First())  # the buffer is full


def _chosen_exporter() -> SpanExporter | None:
    """Return the exporter that the environment names. Raises what the SDK raises, ValueError."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    endpoint = _first(ENDPOINTS)
    name = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or ("otlp" if endpoint else "none")
    if name == "none":
        return None
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER is {name}; it must be otlp, console or none")
    return _otlp(endpoint)


def _otlp(endpoint: str) -> SpanExporter:
    protocol = _first(PROTOCOLS) or "http/protobuf"
    if protocol not in OTLP:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; it must be grpc or http/protobuf")
    if protocol != "grpc" and endpoint and not endpoint.startswith(("http://", "https://")):
        raise ValueError(f"the endpoint {endpoint} must begin with http:// or https://")
    # Only the one that is used is imported: each takes a tenth of a second.
    module = import_module(f"opentelemetry.exporter.otlp.proto.{OTLP[protocol]}.trace_exporter")
    default = "http://localhost:4317" if protocol == "grpc" else "http://localhost:4318"
    return Reporting(module.OTLPSpanExporter(), endpoint or default)


def _first(names: Sequence[str]) -> str:
    """Return the value of the first variable that has one, without spaces around it; else an empty text."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _resource(service: str) -> Resource:
    """Return what describes this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first."""
    ours = Resource({SERVICE_NAME: service, SERVICE_VERSION: __version__})
    named = Resource.create()
    is_named = not str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return ours.merge(named) if is_named else named.merge(ours)
