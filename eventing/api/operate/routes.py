"""Serve `/v1/operate`: one look at everything, and the few things that an operator does by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from eventing.api.callers.auth import operator_of
from eventing.api.dependencies import ContainerDep
from eventing.api.operate import work
from eventing.api.operate.views import (
    KeyList,
    KeyView,
    OperatedDeliveries,
    OperatedDelivery,
    OperatedLetter,
    OperatedLetters,
    OperateView,
)
from eventing.contract.errors import Conflict, NotFound
from eventing.contract.records.models import JOB_ID_PATTERN
from eventing.domain.destinations import target_of
from eventing.domain.envelope import timestamp
from eventing.store.dead_letters import DeadLetter
from eventing.store.keys import ApiKey
from eventing.store.listing import CURSOR_PATTERN, read_cursor
from eventing.store.outbox import OutboxMessage

router = APIRouter(prefix="/v1/operate", tags=["operate"], dependencies=[Depends(operator_of)])
KEYS = 500  # in one answer
Id = Annotated[str, Path(pattern=JOB_ID_PATTERN)]
Limit = Annotated[int, Query(ge=1, le=100)]
After = Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before.")]


@router.get("")
async def look(container: ContainerDep) -> OperateView:
    """Show queues by lane and owner, slots, predictors, running jobs, the last jobs and paused models."""
    return await work.look(container)


@router.post("/models/{model}/lanes/{lane}/probe", status_code=202)
async def probe(
    model: Annotated[str, Path(max_length=64)],
    lane: Annotated[str, Path(max_length=32)],
    container: ContainerDep,
) -> OperateView:
    """Try a paused lane now: its next waiting job goes out, and if a predictor answers, the lane goes on."""
    if lane not in container.served.lanes(model):
        field = "lane" if model in container.served.models() else "model"
        raise NotFound(f"model {model} is not served here in a lane {lane}", field=field)
    await container.claims.probe_now(model, lane)
    container.signals.job_ready.notify()
    return await work.look(container)


@router.get("/deliveries")
async def dead_deliveries(
    container: ContainerDep, limit: Limit = 20, after: After = None
) -> OperatedDeliveries:
    """List the deliveries of all owners that failed for good, newest first."""
    start = None if after is None else read_cursor(after)
    messages, following = await container.outbox.dead(limit, start)
    return OperatedDeliveries(
        data=[_delivery(message) for message in messages],
        has_more=following is not None,
        next=following.cursor() if following else None,
    )


@router.post("/deliveries/{delivery}/replay", status_code=202)
async def replay_delivery(delivery: Id, container: ContainerDep) -> OperatedDelivery:
    """Send a message again now. The event keeps its id, by which receivers recognise it."""
    return _delivery(await container.jobs.send_again(delivery))


@router.get("/dead-letters")
async def dead_letters(container: ContainerDep, limit: Limit = 20, after: After = None) -> OperatedLetters:
    """List the events of all owners that a Broker could not deliver, newest first."""
    letters, following = await container.dead_letters.page(None, limit, after)
    return OperatedLetters(
        data=[_letter(letter) for letter in letters], has_more=following is not None, next=following
    )


@router.post("/dead-letters/{letter}/replay", status_code=202)
async def replay_letter(letter: Id, container: ContainerDep) -> dict[str, str]:
    """Send an event to the sink again and take it off the list. If it fails again, it comes back."""
    if not container.settings.sink_url:
        raise Conflict("no sink is set (REELZERO_SINK_URL), so the event has nowhere to go")
    await container.dead_letters.replay(letter)
    container.signals.message_due.notify()
    return {"id": letter, "status": "pending"}


@router.get("/keys")
async def keys(container: ContainerDep) -> KeyList:
    """List the API keys, oldest first, 500 at most, without their secrets; and the limits of owners."""
    settings = container.settings
    return KeyList(
        data=[_key(key) for key in await container.keys.keys(KEYS)],
        rate_per_minute=settings.rate_per_minute,
        queue_quota=settings.queue_quota,
        owner_running=settings.owner_running,
    )


def _delivery(message: OutboxMessage) -> OperatedDelivery:
    times = {name: timestamp(getattr(message, name)) for name in ("created_at", "next_at")}
    where = {"destination": message.destination.kind, "target": target_of(message.destination)}
    return OperatedDelivery.model_validate(_common(OperatedDelivery, message) | times | where)


def _letter(letter: DeadLetter) -> OperatedLetter:
    common = _common(OperatedLetter, letter)
    return OperatedLetter.model_validate(common | {"received_at": timestamp(letter.received_at)})


def _key(key: ApiKey) -> KeyView:
    revoked = None if key.revoked_at is None else timestamp(key.revoked_at)
    times = {"created_at": timestamp(key.created_at), "revoked_at": revoked}
    return KeyView.model_validate(_common(KeyView, key) | times)


def _common(view: type[OperatedDelivery | OperatedLetter | KeyView], record: object) -> dict[str, object]:
    """Return the fields of a record that its view has too."""
    return {name: value for name, value in vars(record).items() if name in view.model_fields}
