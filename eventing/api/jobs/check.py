"""Serve `POST /v1/check`: how a request would be answered, without storing it. The page asks while typing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.requests.bodies import JobBody
from eventing.contract.models import Frozen
from eventing.drafts import Origin

router = APIRouter(prefix="/v1", tags=["jobs"])


class CheckView(Frozen):
    """What the model would not see of a request that is otherwise right."""

    warnings: tuple[str, ...]
    unknown_words: tuple[str, ...] = Field(
        description="Words of the prompt without an effect, as far as the model's vocabulary is known here."
    )


@router.post("/check")
async def check(request: Request, body: JobBody, container: ContainerDep, owner: Owner) -> CheckView:
    """Check a request like `POST /v1/jobs`, with the same errors; store nothing and fetch no picture."""
    spec = container.jobs.check(body, Origin(owner, "check", max_priority=request.state.max_priority))
    return CheckView(
        warnings=container.prompts.warnings(spec), unknown_words=container.prompts.unknown_words(spec)
    )
