"""Make the spans of a request to the predictor: below its caller's, and of the load that it waited for."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from fastapi import Request
from opentelemetry.trace import SpanKind

from eventing.contract.codecs.cloudevent import Event
from eventing.contract.telemetry import (
    Failing,
    continued,
    current_traceparent,
    is_on,
    link_to,
    outer_traceparent,
    record,
    span,
)

GRPC = {"rpc.system": "grpc", "rpc.service": "inference.GRPCInferenceService", "rpc.method": "ModelInfer"}
FRESH = 60.0  # seconds after a load in which a request counts as the one that waited for it


def traceparent_of(request: Request) -> str | None:
    """Return the span of an HTTP request; without tracing, the one that the caller names."""
    return current_traceparent() or continued(request.headers.get("traceparent"))


def grpc_call(headers: dict[str, str] | None) -> AbstractContextManager[Failing]:
    """Return the span of a V2 inference by gRPC. KServe's server has no place for an interceptor."""
    parent = continued((headers or {}).get("traceparent"))
    return span(f"{GRPC['rpc.service']}/{GRPC['rpc.method']}", parent, GRPC, SpanKind.SERVER)


def process_event(event: Event, trace: str | None) -> AbstractContextManager[Failing]:
    """Return the span of an event, below its producer's. It names the request that brought the event."""
    own = continued(event.get("traceparent"))
    links = link_to(trace) if own and is_on() else ()
    return span("process event", own or trace, kind=SpanKind.CONSUMER, links=links)


def record_load(times: tuple[float, float], model: str) -> None:
    """Record the load of the weights beside the span of the first request, if it came soon enough."""
    if time.time() - times[1] < FRESH:
        record("load", outer_traceparent(), times, {"gen_ai.request.model": model})
