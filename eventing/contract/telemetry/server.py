"""Make a span of every HTTP request of a FastAPI application, by OpenTelemetry's own instrumentation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from eventing.contract.telemetry.spans import is_on

if TYPE_CHECKING:
    from fastapi import FastAPI  # the command line has no use for it

PROBES = "/healthz,/readyz,/metrics,/v2/health,/ready$,/static/"


def trace_requests(app: FastAPI) -> None:
    """Trace the requests of an application, without those of probes and scrapes, if this process traces.

    OTEL_PYTHON_FASTAPI_EXCLUDED_URLS replaces what is left out.
    """
    if not is_on():
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # the stable names of attributes
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 - only where used

    excluded = os.environ.get("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", PROBES)
    FastAPIInstrumentor.instrument_app(app, excluded_urls=excluded, exclude_spans=["receive", "send"])
