"""Serve `GET /v1/jobs/{id}/log`: what the logs say of a job, attempt by attempt, on one machine.

Lines may name folders and errors of the machine, so only a caller that may operate reads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from eventing import job_log
from eventing.api.callers.auth import operator_of
from eventing.api.dependencies import ContainerDep
from eventing.contract.errors import NotFound
from eventing.contract.records.models import JOB_ID_PATTERN, Frozen

router = APIRouter(prefix="/v1", tags=["jobs"])
JobId = Annotated[str, Path(pattern=JOB_ID_PATTERN, description="The job's id.")]
NEWEST = 500  # lines of one answer
NAMED = ("time", "level", "logger", "message", "job_id", "trace_id", "attempt")  # not among the details


class LineView(Frozen):
    """One line."""

    at: datetime
    level: str
    source: Literal["service", "predictor"]
    message: str
    attempt: int = Field(description="Attempt that was under way; 0 before the first one.")
    details: dict[str, Any]


class LogView(Frozen):
    """The lines of a job, oldest first; the newest 500."""

    object: Literal["list"] = "list"
    data: list[LineView]


@router.get("/jobs/{job_id}/log")
async def log(
    job_id: JobId, container: ContainerDep, operator: Annotated[str, Depends(operator_of)]
) -> LogView:
    """Return what the logs of this machine say of one of the caller's jobs.

    Only a server of one machine (`reelzero up`) has them; on a cluster they are those of the pods.
    """
    job = await container.job_store.get(job_id, operator)
    if container.logs is None:
        raise NotFound("this server does not keep the logs of its jobs; look into those of its pods")
    names = {job.id, job.public_id}
    return LogView(data=_seen(await asyncio.to_thread(job_log.read, container.logs, names))[-NEWEST:])


def _seen(lines: Iterable[job_log.Line]) -> list[LineView]:
    """Return lines with the attempt that each belongs to: the service names it where an attempt begins."""
    views, attempt = [], 0
    for line in lines:
        attempt = line["attempt"] if isinstance(line.get("attempt"), int) else attempt
        views.append(_view(line, attempt))
    return views


def _view(line: job_log.Line, attempt: int) -> LineView:
    source = "predictor" if str(line.get("logger", "")).startswith("predictor") else "service"
    details = {name: value for name, value in line.items() if name not in NAMED and value not in (None, "")}
    return LineView(
        at=line["time"], level=str(line.get("level", "info")), source=source,
        message=str(line.get("message", "")), attempt=attempt, details=details,
    )  # fmt: skip
