"""The trace a request belongs to (W3C Trace Context), for the job it makes."""

from __future__ import annotations

import re

from fastapi import Request

from eventing.contract.telemetry import current_traceparent

TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def valid(traceparent: str | None) -> str | None:
    """The value if it is one; the specification wants any other ignored."""
    return traceparent if traceparent and TRACEPARENT.match(traceparent) else None


def traceparent_of(request: Request) -> str | None:
    """The span this request runs in; without tracing, the caller's own."""
    return current_traceparent() or valid(request.headers.get("traceparent"))
