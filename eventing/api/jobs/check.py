"""Serve `POST /v1/check`: how a request would be answered, without storing it. The page asks while typing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import Field

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.jobs.routes import JOB_BODY
from eventing.api.requests.bodies import read_job_request
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.records.models import Frozen
from eventing.drafts import Origin

router = APIRouter(prefix="/v1", tags=["jobs"])


class CheckProblem(Frozen):
    """What `POST /v1/jobs` would refuse the request for."""

    code: str
    detail: str
    field: str | None


class CheckView(Frozen):
    """The problem of a request, or what the model would not see of it."""

    problem: CheckProblem | None = Field(None, description="Null if the request would be accepted.")
    warnings: tuple[str, ...] = ()
    unknown_words: tuple[str, ...] = Field(
        (),
        description="Words of the prompt without an effect, as far as the model's vocabulary is known here.",
    )


@router.post("/check", openapi_extra=JOB_BODY)
async def check(request: Request, container: ContainerDep, owner: Owner) -> CheckView:
    """Check a request like `POST /v1/jobs`; store nothing and fetch no picture.

    A wrong field is part of the answer and no error: it is what the caller wants to know.
    """
    try:
        body = await read_job_request(request)
        spec = container.jobs.check(body, Origin(owner, "check", max_priority=request.state.max_priority))
    except (InvalidRequest, NotFound) as error:
        return CheckView(problem=CheckProblem(code=error.code, detail=error.message, field=error.field))
    return CheckView(
        warnings=container.prompts.warnings(spec), unknown_words=container.prompts.unknown_words(spec)
    )
