"""`POST /events`: CloudEvents 1.0 in, in binary, structured and batch mode (HTTP protocol binding 1.0.2).

Answers 202 with an empty body (a Trigger takes any other body for a reply event) and a Location once the
job is stored. Permanent errors are only 400, 413, 415 and 422: Knative retries 404, 408, 409, 429 and 5xx.
A request that came through a Broker cannot be answered, so what is wrong with it is also announced by a
`rejected` event, once per source and id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http
from fastapi import APIRouter, Request, Response

from eventing.api.auth import RateLimit, identify
from eventing.api.core import Core, CoreDep
from eventing.contract import Failure
from eventing.errors import (
    Conflict,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    Unauthorized,
    UnsupportedMedia,
)
from eventing.events import REQUESTED
from eventing.intake import Origin, parse_request

router = APIRouter(tags=["events"])
BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
LONGEST_ATTRIBUTE = 256


@dataclass(frozen=True)
class Incoming:
    """One event, decoded and checked against the specification."""

    id: str
    source: str
    type: str
    data: Any
    traceparent: str | None


@router.post("/events", status_code=202, response_class=Response)
async def receive(request: Request, core: CoreDep) -> Response:
    """Take one event, or a batch of them, and answer when all are stored."""
    body = await request.body()
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == BATCH:
        events = [_structured(item, {}) for item in _batch(body)]
    else:
        events = [_read(body, media, dict(request.headers))]
    owners = [await _owner(request, core, event.source) for event in events]
    locations = [await _submit(core, event, owner) for event, owner in zip(events, owners, strict=True)]
    headers = {"Location": locations[0]} if len(locations) == 1 else {}
    return Response(status_code=202, headers=headers)


async def _submit(core: Core, event: Incoming, owner: str) -> str:
    key = f"event:{event.source}\n{event.id}"
    try:
        if event.type != REQUESTED:
            raise InvalidRequest(f"type must be {REQUESTED}, not {event.type}", field="type")
        request = parse_request(event.data)
        origin = Origin(owner, "event", key=key, traceparent=event.traceparent)
        job, _ = await core.intake.submit(request, origin)
    except (InvalidRequest, Conflict, NotFound) as error:
        failure = Failure(code=error.code, message=error.message)
        await core.jobs.reject(event.source, event.id, owner, failure, error.field)
        core.wake.now()
        # A Trigger would retry 404 and 409, which no repetition can mend.
        raise InvalidRequest(error.message, field=error.field) from error
    return f"/v1/jobs/{job.id}"


async def _owner(request: Request, core: Core, source: str) -> str:
    """The key's owner, else the one configured for the source; never one the producer names."""
    trusted = dict(entry.partition("=")[::2] for entry in core.settings.trusted_sources)
    owner = await identify(request, core) or trusted.get(source)
    if owner is None:
        raise Unauthorized(f"events from {source} need an API key, or REELZERO_TRUSTED_SOURCES must list it")
    limit: RateLimit = request.app.state.rate_limit
    limit.take(owner)
    return owner


def _read(body: bytes, media: str, headers: dict[str, str]) -> Incoming:
    if media == STRUCTURED:
        return _structured(_json(body), headers)
    if media.startswith("application/cloudevents"):
        raise UnsupportedMedia(f"{media} is not read here; JSON is", field="content-type")
    if "ce-specversion" not in headers:
        raise MalformedRequest("this is no CloudEvent: no ce-specversion header", field="specversion")
    if media not in ("application/json", "text/json") and not media.endswith("+json"):
        raise UnsupportedMedia("the data must be JSON: content-type: application/json", field="content-type")
    _check({key[3:]: value for key, value in headers.items() if key.startswith("ce-")})
    data = _json(body)
    try:
        event = from_http(headers, body, data_unmarshaller=lambda _: data)
    except (GenericException, ValueError) as error:
        raise MalformedRequest(f"this is no CloudEvent: {error}") from error
    return _incoming(event)


def _structured(item: Any, headers: dict[str, str]) -> Incoming:
    if not isinstance(item, dict):
        raise MalformedRequest("a structured event is a JSON object")
    _check(item)
    if "data_base64" in item:
        raise UnsupportedMedia("the data must be JSON, not data_base64", field="data_base64")
    try:
        attributes = {key: value for key, value in item.items() if key != "data"}
        event = CloudEvent({key: str(value) for key, value in attributes.items()}, item.get("data"))
    except (GenericException, ValueError) as error:
        raise MalformedRequest(f"this is no CloudEvent: {error}") from error
    return _incoming(event)


def _check(attributes: dict[str, Any]) -> None:
    """Required context attributes: non-empty strings, and the version we speak."""
    for name in ("specversion", "id", "source", "type"):
        value = attributes.get(name)
        if not isinstance(value, str) or not value.strip():
            raise MalformedRequest(f"the attribute {name} is missing or empty", field=name)
        if len(value) > LONGEST_ATTRIBUTE:
            raise MalformedRequest(f"{name} may have {LONGEST_ATTRIBUTE} characters at most", field=name)
        if not value.isprintable():  # control characters, and halves of surrogate pairs
            raise MalformedRequest(f"{name} contains characters that cannot be printed", field=name)
    if attributes["specversion"] != "1.0":
        raise MalformedRequest(
            f"specversion must be 1.0, not {attributes['specversion']}", field="specversion"
        )


def _incoming(event: CloudEvent) -> Incoming:
    traceparent = event.get("traceparent")
    valid = isinstance(traceparent, str) and len(traceparent) <= 64
    return Incoming(event["id"], event["source"], event["type"], event.data, traceparent if valid else None)


def _batch(body: bytes) -> list[Any]:
    items = _json(body)
    if not isinstance(items, list):
        raise MalformedRequest("a batch is a JSON array of events")
    return items


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
