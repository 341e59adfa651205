"""Find the trace of a request (W3C Trace Context); its job continues it."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

from eventing.contract.telemetry import current_traceparent

TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")


def valid(traceparent: Any) -> str | None:
    """Return the value if it is a traceparent; the specification says to ignore any other."""
    is_valid = isinstance(traceparent, str) and TRACEPARENT.match(traceparent)
    return traceparent if is_valid else None


def traceparent_of(request: Request) -> str | None:
    """Return the span that this request runs in; without tracing, the one that the caller names."""
    return current_traceparent() or valid(request.headers.get("traceparent"))
