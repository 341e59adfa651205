"""Serve `POST /events`: CloudEvents 1.0 in binary, structured and batch mode become jobs and stories.

It answers 202 with an empty body (a Trigger takes any other body for a reply event) and a Location once the
job or story is stored. Permanent errors are only 400, 401, 413, 415 and 422: Knative retries 404, 408, 409,
429 and 5xx. The sender behind a Broker sees no answer, so an error is also announced by a `rejected` event,
once per source and id.

`OPTIONS /events` is the receiver's side of the abuse protection handshake (HTTP 1.1 Web Hooks for Event
Delivery, 4). It consents to every origin: a delivery is accepted by its key, token or source.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from fastapi import APIRouter, Request, Response
from opentelemetry.trace import SpanKind

from eventing import traces
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.events.incoming import Incoming, incoming
from eventing.api.jobs.routes import path_of
from eventing.api.requests.origin import event_origin
from eventing.api.requests.trace import traceparent_of
from eventing.contract.codecs import cloudevent
from eventing.contract.codecs.cloudevent import Event
from eventing.contract.errors import (
    Conflict,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    ReelzeroError,
    Unavailable,
    UnsupportedMedia,
)
from eventing.contract.records.events import INCOMING, REQUESTED, STORY_REQUESTED
from eventing.contract.records.models import Failure
from eventing.contract.stories.parsing import parse_story
from eventing.contract.telemetry import continued, current_traceparent, is_on, link_to, span
from eventing.jobs import parse_request

router = APIRouter(tags=["events"])
_DATA = {"prompt": "a red circle moving right", "seed": 7}
_EVENT = {
    "specversion": "1.0", "id": "1", "source": "/shop", "type": REQUESTED,
    "datacontenttype": "application/json", "data": _DATA,
}  # fmt: skip
_REQUEST = {
    "schema": {
        "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("JobRequest", "StoryRequest")]
    },
    "example": _DATA,
}
_STRUCTURED = {"schema": {"$ref": "#/components/schemas/CloudEvent"}, "example": _EVENT}
_BATCH = {
    "schema": {"type": "array", "items": {"$ref": "#/components/schemas/CloudEvent"}},
    "example": [_EVENT],
}
_BODY: dict[str, Any] = {
    "parameters": [
        {"name": f"ce-{name}", "in": "header", "schema": {"type": "string"}, "example": example}
        for name, example in (("specversion", "1.0"), ("id", "1"), ("source", "/shop"), ("type", REQUESTED))
    ],
    "requestBody": {
        "required": True,
        "content": {
            cloudevent.STRUCTURED: _STRUCTURED,
            cloudevent.BATCH: _BATCH,
            "application/json": _REQUEST,
        },
    },
}


@router.post("/events", status_code=202, response_class=Response, openapi_extra=_BODY)
async def receive(request: Request, container: ContainerDep) -> Response:
    """Submit the job or story of one event, or of each in a batch, and answer when all are stored."""
    trace = traceparent_of(request)
    results = [await _result(container, item, trace) for item in await incoming(request, container)]
    if errors := [result for result in results if isinstance(result, ReelzeroError)]:
        # A retryable error goes first, so that a Broker repeats the request. The other events are stored.
        raise next((error for error in errors if error.retryable), errors[0])
    headers = {"Location": str(results[0])} if len(results) == 1 else {}
    return Response(status_code=202, headers=headers)


@router.options("/events", response_class=Response)
@router.options("/events/dead-letter", response_class=Response, include_in_schema=False)
async def consent(request: Request, container: ContainerDep) -> Response:
    """Consent to deliveries. `WebHook-Allowed-Rate` is the number of events an owner may send per minute."""
    headers = {"Allow": "POST, OPTIONS"}
    if origin := request.headers.get("webhook-request-origin"):
        headers["WebHook-Allowed-Origin"] = origin
        headers["WebHook-Allowed-Rate"] = str(container.settings.rate_per_minute)
    return Response(headers=headers)


async def _result(container: Container, item: Incoming, trace: str | None) -> str | ReelzeroError:
    """Return the path of the job, group or story, or the error. Raises Unavailable, which ends the batch."""
    try:
        owner = item.accountable()
        with _process(item.event, trace):
            try:
                return await _submit(container, item, owner)
            except (InvalidRequest, MalformedRequest, UnsupportedMedia, Conflict, NotFound) as error:
                await _announce(container, item.event, owner, error)
                if error.status in (404, 409):  # a Trigger would retry these, which cannot help
                    raise InvalidRequest(error.message, field=error.field) from error
                raise
    except Unavailable:
        raise
    except ReelzeroError as error:
        return error


def _process(event: Event, trace: str | None) -> AbstractContextManager[object]:
    """Make the span of an event, below that of its producer; it names the request that brought the event.

    The event's own trace goes first: one request of a Broker may carry many events.
    """
    own = continued(event.get("traceparent"))
    links = link_to(trace) if own and is_on() else ()
    return span("process event", own or trace, traces.of_event(event), SpanKind.CONSUMER, links)


async def _submit(container: Container, item: Incoming, owner: str) -> str:
    event = item.event
    cloudevent.check(event)
    if event["type"] not in INCOMING:
        raise InvalidRequest(f"type must be {' or '.join(INCOMING)}, not {event['type']}", field="type")
    if address := cloudevent.reference(event):
        event = cloudevent.with_data(event, await container.jobs.fetch("dataref", address, owner))
    data = cloudevent.json_data(event)
    origin = event_origin(owner, event["source"], event["id"], current_traceparent(), item.max_priority)
    if event["type"] == STORY_REQUESTED:
        story, _ = await container.stories.submit(parse_story(data), origin)
        return f"/v1/stories/{story.public_id}"
    job, _ = await container.jobs.submit(parse_request(data), origin)
    return path_of(job)


async def _announce(container: Container, event: Event, owner: str, error: ReelzeroError) -> None:
    """Announce the rejection, unless the event has no valid source and id to refer to it by."""
    if cloudevent.is_named(event):
        failure = Failure(code=error.code, message=error.message)
        await container.jobs.reject(event["source"], event["id"], owner, failure, error.field)
