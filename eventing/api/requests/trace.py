"""Find the trace of a request (W3C Trace Context); its job continues it."""

from __future__ import annotations

from fastapi import Request

from eventing.contract.telemetry import continued, current_traceparent


def traceparent_of(request: Request) -> str | None:
    """Return the span that this request runs in; without tracing, the one that the caller names.

    The specification says to ignore a malformed one.
    """
    return current_traceparent() or continued(request.headers.get("traceparent"))
