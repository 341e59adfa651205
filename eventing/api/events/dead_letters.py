"""`POST /events/dead-letter`: the address for events that a Broker could not deliver.

They are stored, logged and listed. No event is sent about them, so that none can go round in a loop. A Broker
drops a dead letter that is refused. Every event with a source and an id is therefore kept, also one that
breaks the specification; data that JSON cannot carry is kept as data_base64.

Knative gives the reason in extensions: knativeerrordest, knativeerrorcode, knativeerrordata.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.events.incoming import Incoming, incoming
from eventing.contract.codecs import cloudevent
from eventing.contract.codecs.cloudevent import Event
from eventing.contract.errors import MalformedRequest, ReelzeroError, Unauthorized
from eventing.contract.records.models import JOB_ID_PATTERN, Frozen
from eventing.domain.envelope import timestamp
from eventing.metrics.requests import DEAD_LETTERS
from eventing.store.dead_letters import DeadLetter, letter_id
from eventing.store.listing import CURSOR_PATTERN

router = APIRouter(tags=["events"])
log = logging.getLogger(__name__)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {cloudevent.STRUCTURED: {"schema": {"$ref": "#/components/schemas/CloudEvent"}}},
    }
}


class DeadLetterView(Frozen):
    """One event that could not be delivered."""

    id: str
    object: Literal["dead_letter"] = "dead_letter"
    destination: str | None
    code: str | None
    received_at: datetime
    event: dict[str, Any]


class DeadLetterPage(Frozen):
    """A page of dead letters, newest first; `next` goes into `after` for the following one."""

    object: Literal["list"] = "list"
    data: list[DeadLetterView]
    has_more: bool
    next: str | None


@router.post("/events/dead-letter", status_code=202, response_class=Response, openapi_extra=_BODY)
async def receive(request: Request, container: ContainerDep) -> Response:
    """Keep an event, or each of a batch. A repeated delivery is kept once."""
    results = [await _keep(container, item) for item in await incoming(request, container)]
    if errors := [error for error in results if error]:
        raise errors[0]  # the others are kept
    return Response(status_code=202)


@router.get("/v1/dead-letters")
async def page(
    container: ContainerDep, owner: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[
        str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before.")
    ] = None,
) -> DeadLetterPage:  # fmt: skip
    """List the caller's dead letters, newest first. A page of large events holds fewer than `limit`."""
    letters, following = await container.dead_letters.page(owner, limit, after)
    data = [_view(letter) for letter in letters]
    return DeadLetterPage(data=data, has_more=following is not None, next=following)


@router.get("/v1/dead-letters/{letter}")
async def read(
    letter: Annotated[str, Path(pattern=JOB_ID_PATTERN)], container: ContainerDep, owner: Owner
) -> DeadLetterView:
    """Return one dead letter."""
    return _view(await container.dead_letters.get(letter, owner))


async def _keep(container: Container, item: Incoming) -> ReelzeroError | None:
    """Keep an event and return None, or return why it cannot be kept."""
    try:
        letter = _letter(item.accountable(), item.event)
    except (MalformedRequest, Unauthorized) as error:
        return error
    if await container.dead_letters.add(letter):
        DEAD_LETTERS.inc()
        log.warning(
            "dead letter",
            extra={"dead_letter": letter.id, "event_id": letter.event_id[:256],
                   "event_type": letter.event_type[:256], "destination": letter.destination,
                   "code": letter.code},
        )  # fmt: skip
    return None


def _letter(owner: str, event: Event) -> DeadLetter:
    """Return the row of an event. Raises MalformedRequest if it has no source or id."""
    source, event_id = _column(event.get("source")), _column(event.get("id"))
    if not (source and event_id):
        cloudevent.check(event)
    return DeadLetter(
        id=letter_id(owner, source, event_id),
        owner=owner,
        source=source,
        event_id=event_id,
        event_type=_column(event.get("type")),
        destination=_printable(event.get("knativeerrordest")),
        code=_printable(event.get("knativeerrorcode")),
        body=cloudevent.to_json(event),
    )


def _column(value: Any) -> str:
    """Return text that a database takes: no NUL, no half of a surrogate pair. Empty for anything else."""
    return cloudevent.storable(value).replace("\x00", "\ufffd") if isinstance(value, str) else ""


def _printable(value: Any) -> str | None:
    return "".join(letter for letter in str(value) if letter.isprintable())[:512] if value else None


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id,
        destination=letter.destination,
        code=letter.code,
        received_at=timestamp(letter.received_at),
        event=letter.body,
    )
