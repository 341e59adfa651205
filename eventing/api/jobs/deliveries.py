"""Serve the outgoing messages of one job: what went where, every try, and sending one again."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import Field

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.contract.records.models import JOB_ID_PATTERN, Frozen
from eventing.domain.destinations import target_of
from eventing.domain.job import Job
from eventing.store.outbox import OutboxMessage

router = APIRouter(prefix="/v1", tags=["jobs"])
JobId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The job's id.")]
Destination = Literal["sink", "s3", "webhook"]


class TryView(Frozen):
    """One try of a delivery. Times are seconds since 1970."""

    number: int = Field(serialization_alias="try")
    outbox_id: str
    at: float
    seconds: float
    http_status: int | None
    error: str | None


class DeliveryView(Frozen):
    """One outgoing message. Times are seconds since 1970."""

    id: str
    event_id: str
    event_type: str
    job_id: str
    destination: Destination
    target: str | None = Field(description="The URL of a webhook or the key of an object; null for the sink.")
    status: Literal["pending", "delivered", "dead"] = Field(description="dead: it is not tried again.")
    tries: int
    last_error: str | None
    created_at: float
    next_at: float = Field(description="When it is tried next, while it is pending.")
    delivered_at: float | None
    log: list[TryView] = Field(description="Its tries, oldest first.")


class DeliveryList(Frozen):
    """The messages of a job, newest first."""

    object: Literal["list"] = "list"
    data: list[DeliveryView]


@router.get("/jobs/{job_id}/deliveries")
async def deliveries(job_id: JobId, container: ContainerDep, owner: Owner) -> DeliveryList:
    """List the job's outgoing messages, each with its delivery tries."""
    job = await container.job_store.get(job_id, owner)
    messages = await container.outbox.messages(job_id=job.id)
    tries: dict[str, list[TryView]] = defaultdict(list)
    for row in await container.outbox.tries(*(message.id for message in messages)):
        tries[str(row["outbox_id"])].append(_try(row))
    return DeliveryList(data=[_view(job, message, tries[message.id]) for message in messages])


@router.post("/jobs/{job_id}/deliveries/{delivery}/replay", status_code=202)
async def replay(
    job_id: JobId,
    delivery: Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The delivery's id.")],
    container: ContainerDep,
    owner: Owner,
) -> DeliveryView:
    """Send a message of the job again now. The event keeps its id, by which receivers recognise it."""
    job = await container.job_store.get(job_id, owner)
    message = await container.jobs.send_again(delivery, job.id)
    return _view(job, message, [_try(row) for row in await container.outbox.tries(message.id)])


def _view(job: Job, message: OutboxMessage, log: list[TryView]) -> DeliveryView:
    fields = {name: value for name, value in vars(message).items() if name in DeliveryView.model_fields}
    where = message.destination
    return DeliveryView.model_validate(
        fields | {"job_id": job.public_id, "destination": where.kind, "target": target_of(where), "log": log}
    )


def _try(row: dict[str, Any]) -> TryView:
    return TryView(number=row["try"], **{name: value for name, value in row.items() if name != "try"})
