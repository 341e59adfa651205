"""`POST /events/dead-letter`: where a Broker leaves what it could not deliver. Kept, logged, shown; nothing
is emitted, whatever arrives, so that no event can go round in a loop. A Broker forgets a dead letter that is
refused, so what is an event is kept: data that is no JSON we could answer is data_base64, ids may be long.

Knative says why in extensions: knativeerrordest, knativeerrorcode, knativeerrordata.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Annotated, Any, Literal

from cloudevents.http import CloudEvent
from fastapi import APIRouter, Path, Query, Request, Response

from eventing.api.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.ingress import deliveries
from eventing.contract import cloudevent
from eventing.contract.models import JOB_ID_PATTERN, Frozen
from eventing.domain.announcer import timestamp
from eventing.store.dead_letters import DeadLetter, letter_id

router = APIRouter(tags=["events"])
log = logging.getLogger(__name__)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {cloudevent.STRUCTURED: {"schema": {"$ref": "#/components/schemas/CloudEvent"}}},
    }
}


class DeadLetterView(Frozen):
    """One event nobody took."""

    id: str
    object: Literal["dead_letter"] = "dead_letter"
    destination: str | None
    code: str | None
    received_at: datetime
    event: dict[str, Any]


class DeadLetterPage(Frozen):
    """The newest dead letters."""

    object: Literal["list"] = "list"
    data: list[DeadLetterView]


@router.post("/events/dead-letter", status_code=202, response_class=Response, openapi_extra=_BODY)
async def receive(request: Request, container: ContainerDep) -> Response:
    """Keep an event, or a batch of them. A repeated delivery is kept once."""
    for event, owner in await deliveries(request, container):
        letter = _letter(owner, event)
        if await container.dead_letters.add(letter):
            log.warning(
                "dead letter",
                extra={"dead_letter": letter.id, "event_id": letter.event_id[:256],
                       "event_type": letter.event_type[:256], "destination": letter.destination,
                       "code": letter.code},
            )  # fmt: skip
    return Response(status_code=202)


@router.get("/v1/dead-letters")
async def page(
    container: ContainerDep, owner: Owner, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> DeadLetterPage:
    """The caller's dead letters, newest first."""
    return DeadLetterPage(data=[_view(letter) for letter in await container.dead_letters.page(owner, limit)])


@router.get("/v1/dead-letters/{letter}")
async def read(
    letter: Annotated[str, Path(pattern=JOB_ID_PATTERN)], container: ContainerDep, owner: Owner
) -> DeadLetterView:
    """One dead letter."""
    return _view(await container.dead_letters.get(letter, owner))


def _letter(owner: str, event: CloudEvent) -> DeadLetter:
    return DeadLetter(
        id=letter_id(owner, event["source"], event["id"]),
        owner=owner,
        source=event["source"],
        event_id=event["id"],
        event_type=event["type"],
        destination=_printable(event.get("knativeerrordest")),
        code=_printable(event.get("knativeerrorcode")),
        body=cloudevent.to_json(event),
    )


def _printable(value: Any) -> str | None:
    # Extensions are anybody's text; a database takes no NUL and no half of a surrogate pair.
    return "".join(letter for letter in str(value) if letter.isprintable())[:512] if value else None


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id,
        destination=letter.destination,
        code=letter.code,
        received_at=timestamp(letter.received_at),
        event=letter.body,
    )
