"""Make a span of every HTTP request of a FastAPI application, by OpenTelemetry's own instrumentation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span

from eventing.contract.telemetry.spans import is_on

if TYPE_CHECKING:
    from fastapi import FastAPI  # the command line has no use for it

PROBES = "/healthz,/readyz,/metrics,/v2/health,/ready$,/static/"
WITH_QUERY = ("url.query", "http.url")  # the attributes that hold it: the stable name, and the former one
REDACTED = "REDACTED"  # OpenTelemetry's own word for a value that was taken out


def trace_requests(app: FastAPI) -> None:
    """Trace the requests of an application, without those of probes and scrapes, if this process traces.

    OTEL_PYTHON_FASTAPI_EXCLUDED_URLS replaces what is left out.
    """
    if not is_on():
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # the stable names of attributes
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 - only where used

    excluded = os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", PROBES)
    FastAPIInstrumentor.instrument_app(
        app, excluded_urls=excluded, exclude_spans=["receive", "send"], server_request_hook=_without_query
    )


def _without_query(span: Span, _scope: Mapping[str, Any]) -> None:
    """Take the query out of a span: a search for jobs has words of prompts in it."""
    attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
    span.set_attributes({name: REDACTED for name in WITH_QUERY if name in attributes})
