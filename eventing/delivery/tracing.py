"""Make the span of one try to deliver a message, below the trace of its job."""

from __future__ import annotations

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from opentelemetry.semconv._incubating.attributes.cloudevents_attributes import (
    CLOUDEVENTS_EVENT_ID,
    CLOUDEVENTS_EVENT_TYPE,
)
from opentelemetry.semconv._incubating.attributes.http_attributes import HTTP_REQUEST_RESEND_COUNT
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS
from opentelemetry.trace import SpanKind

from eventing.contract.telemetry import Failing, current_traceparent, span
from eventing.domain.destinations import S3Object, Webhook
from eventing.store.outbox import OutboxMessage, Try


def sending(message: OutboxMessage) -> AbstractContextManager[Failing]:
    """Return the span of a try. The host of a webhook is named, not its path, which may hold a secret."""
    destination = message.destination
    attributes: dict[str, str | int] = {
        CLOUDEVENTS_EVENT_ID: message.event_id,
        CLOUDEVENTS_EVENT_TYPE: message.event_type,
    }
    if not isinstance(destination, S3Object):
        attributes[HTTP_REQUEST_METHOD] = "POST"
    if isinstance(destination, Webhook):
        attributes[SERVER_ADDRESS] = _host(destination.url)
    if message.tries:
        attributes[HTTP_REQUEST_RESEND_COUNT] = message.tries
    return span(f"deliver {destination.kind}", attributes=attributes, kind=SpanKind.CLIENT)


def mark(work: Failing, outcome: Try) -> None:
    """Add the outcome of a try to its span. The error is the status, or that there was none."""
    if outcome.http_status is not None:
        work.set({HTTP_RESPONSE_STATUS_CODE: outcome.http_status})
    if not outcome.ok:
        work.fail(str(outcome.http_status or "unreachable"))


def trace_headers() -> dict[str, str]:
    """Return the headers with which a receiver continues the trace; none outside any."""
    traceparent = current_traceparent()
    return {"traceparent": traceparent} if traceparent else {}


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
