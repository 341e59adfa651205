"""`POST /events`: CloudEvents 1.0 in, in binary, structured and batch mode.

Answers 202 with an empty body (a Trigger takes any other body for a reply event) and a Location once the
job is stored. Permanent errors are only 400, 401, 413, 415 and 422: Knative retries 404, 408, 409, 429 and
5xx. A request that came through a Broker cannot be answered, so what is wrong with it is also announced by a
`rejected` event, once per source and id.

`OPTIONS /events` is the receiver's side of the abuse protection handshake (HTTP 1.1 Web Hooks for Event
Delivery, 4): we consent to every origin, since a delivery needs an identity of its own.
"""

from __future__ import annotations

from typing import Any

from cloudevents.http import CloudEvent
from fastapi import APIRouter, Request, Response

from eventing.api.auth import RateLimit, anonymous_owner, identify
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.origin import event_origin
from eventing.api.trace import traceparent_of, valid
from eventing.contract import cloudevent
from eventing.contract.errors import (
    Conflict,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    ReelzeroError,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from eventing.contract.events import REQUESTED
from eventing.contract.models import Failure
from eventing.jobs import parse_request
from eventing.settings import pairs

router = APIRouter(tags=["events"])
_DATA = {"prompt": "a red circle moving right", "seed": 7}
_EVENT = {
    "specversion": "1.0", "id": "1", "source": "/shop", "type": REQUESTED,
    "datacontenttype": "application/json", "data": _DATA,
}  # fmt: skip
_REQUEST = {"schema": {"$ref": "#/components/schemas/JobRequest"}, "example": _DATA}
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
    """Take one event, or a batch of them, and answer when all are stored."""
    sent = await deliveries(request, container)
    cloudevent.bounded([event for event, _ in sent])
    trace = traceparent_of(request)
    results = [await _result(container, event, owner, trace) for event, owner in sent]
    if errors := [result for result in results if isinstance(result, ReelzeroError)]:
        # What a repetition can mend wins, or a Broker would not repeat. The rest is stored or announced.
        raise next((error for error in errors if error.retryable), errors[0])
    headers = {"Location": str(results[0])} if len(results) == 1 else {}
    return Response(status_code=202, headers=headers)


@router.options("/events", response_class=Response)
@router.options("/events/dead-letter", response_class=Response, include_in_schema=False)
async def consent(request: Request, container: ContainerDep) -> Response:
    """Consent to deliveries; `WebHook-Allowed-Rate` is what one owner may send a minute."""
    headers = {"Allow": "POST, OPTIONS"}
    if origin := request.headers.get("webhook-request-origin"):
        headers["WebHook-Allowed-Origin"] = origin
        headers["WebHook-Allowed-Rate"] = str(container.settings.rate_per_minute)
    return Response(headers=headers)


async def deliveries(request: Request, container: Container) -> list[tuple[CloudEvent, str]]:
    """The events of a request, each with its owner: the key's or token's, else the one configured for the
    source; never one the producer names.

    A key is looked at before the body. Raises Unauthorized, MalformedRequest, UnsupportedMedia, TooMany and
    TooLarge.
    """
    caller = await identify(request, container)
    if caller is None and not container.settings.trusted_sources and anonymous_owner(container) is None:
        raise Unauthorized("events need an API key: Authorization: Bearer rz_…")
    events = cloudevent.decode(await request.body(), dict(request.headers))
    sent = [(event, caller or _owner_of(container, event["source"])) for event in events]
    limit: RateLimit = request.app.state.rate_limit
    limit.take(*(owner for _, owner in sent))
    return sent


def _owner_of(container: Container, source: str) -> str:
    # A source with an owner of its own keeps it, also where callers without a key are let in.
    owner = pairs(container.settings.trusted_sources).get(source) or anonymous_owner(container)
    if owner is None:
        raise Unauthorized(
            f"events from {source[:256]} need an API key, or REELZERO_TRUSTED_SOURCES must list it"
        )
    return owner


async def _result(
    container: Container, event: CloudEvent, owner: str, trace: str | None
) -> str | ReelzeroError:
    """Where the job is, or why there is none. Raises Unavailable: then the others have no chance either."""
    try:
        return await _submit(container, event, owner, trace)
    except Unavailable:
        raise
    except ReelzeroError as error:
        return error


async def _submit(container: Container, event: CloudEvent, owner: str, trace: str | None) -> str:
    source, event_id = event["source"], event["id"]
    try:
        if event["type"] != REQUESTED:
            raise InvalidRequest(f"type must be {REQUESTED}, not {event['type']}", field="type")
        request = parse_request(cloudevent.json_data(event))
        # The event's own trace wins: the request may be a broker's, which carries many.
        trace = valid(event.get("traceparent")) or trace
        job, _ = await container.jobs.submit(request, event_origin(owner, source, event_id, trace))
    except (InvalidRequest, MalformedRequest, UnsupportedMedia, Conflict, NotFound) as error:
        failure = Failure(code=error.code, message=error.message)
        await container.jobs.reject(source, event_id, owner, failure, error.field)
        if error.status in (404, 409):  # a Trigger would retry these, which no repetition can mend
            raise InvalidRequest(error.message, field=error.field) from error
        raise
    return f"/v1/jobs/{job.id}"
