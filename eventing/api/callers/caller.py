"""`GET /v1/caller`: who the key belongs to and what it may do, for pages and programs that sign in."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.contract.records.models import Frozen

router = APIRouter(prefix="/v1", tags=["operation"])


class CallerView(Frozen):
    """The caller of a request."""

    object: Literal["caller"] = "caller"
    owner: str
    may_operate: bool = Field(description="Whether /v1/operate answers this caller.")
    max_priority: int = Field(description="Highest `priority` of this caller's jobs.")
    rate_per_minute: int = Field(description="Submissions a minute.")
    queue_quota: int = Field(description="Jobs that this owner may have waiting.")
    key_needed: bool = Field(description="Whether a request without a key is refused.")


@router.get("/caller")
async def caller(request: Request, owner: Owner, container: ContainerDep) -> CallerView:
    """Return the owner of the key and its rights."""
    settings = container.settings
    return CallerView(
        owner=owner,
        may_operate=request.state.may_operate,
        max_priority=request.state.max_priority,
        rate_per_minute=settings.rate_per_minute,
        queue_quota=settings.queue_quota,
        key_needed=settings.auth != "open",
    )
