"""Measure the calls of a boto3 client by botocore's events: one observation per call, with its retries."""

from __future__ import annotations

import time
from typing import Any

from eventing.contract.metrics.calls import S3_ERRORS, S3_SECONDS

BEGIN = "reelzero.begin"
MISSING = 404  # a missing object is an answer, and so is a key that exists already
EXISTS = (409, 412)


def measure(client: Any) -> None:
    """Observe every call of a client."""
    events = client.meta.events
    events.register("before-call.s3", _begin)
    events.register("after-call.s3", _end)
    events.register("after-call-error.s3", _fail)


def _begin(context: dict[str, Any], **_: Any) -> None:
    context[BEGIN] = time.monotonic()


def _end(model: Any, context: dict[str, Any], http_response: Any, **_: Any) -> None:
    _observe(model.name, context)
    status = http_response.status_code
    if status >= 400 and status != MISSING and status not in EXISTS:
        S3_ERRORS.labels(model.name).inc()


def _fail(context: dict[str, Any], event_name: str, **_: Any) -> None:
    operation = event_name.rpartition(".")[2]
    _observe(operation, context)
    S3_ERRORS.labels(operation).inc()


def _observe(operation: str, context: dict[str, Any]) -> None:
    S3_ERRORS.labels(operation)  # at 0 from the first call on, so that the first error can be seen
    if BEGIN in context:
        S3_SECONDS.labels(operation).observe(time.monotonic() - context[BEGIN])
