"""Write the bodies of webhooks in the dialects of the video contract. Pure.

A webhook without a dialect carries the CloudEvent as it is (announcer.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

from eventing.contract.records.events import GROUP_COMPLETED
from eventing.contract.records.models import Status
from eventing.domain.job import Job

OpenRouterStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled", "expired"]
OPENROUTER = '{"type": "video.generation.'  # how a body of that dialect begins
EXPIRED = "start_deadline_passed"
Body = Callable[[Job, dict[str, Any], str], dict[str, Any]]


def openai_body(job: Job, event: dict[str, Any], _: str) -> dict[str, Any]:
    """Return OpenAI's event. It has only two ends, so a cancelled job counts as failed, and no groups."""
    kind = "video.completed" if job.status is Status.completed else "video.failed"
    kind = "video.group.completed" if event["type"] == GROUP_COMPLETED else kind
    created = int(job.completed_at or job.updated_at)
    body = {"id": f"evt_{event['id']}", "object": "event", "created_at": created, "type": kind}
    return {**body, "data": {"id": event["subject"]}}


def openrouter_body(job: Job, event: dict[str, Any], base: str) -> dict[str, Any]:
    """Return OpenRouter's event. It has no groups, so the end of one has a type of its own."""
    if event["type"] == GROUP_COMPLETED:
        kind = "video.generation.group.completed"
        data: dict[str, Any] = {"id": event["subject"], "status": "completed", "model": job.model}
    else:
        status = openrouter_status(job)
        kind = f"video.generation.{status}"
        data = {"id": job.public_id, "status": status, "generation_id": job.public_id, "model": job.model}
        data |= {"unsigned_urls": openrouter_files(job, base)} if job.result else {}
        data |= {"error": job.error.message} if job.error and not job.result else {}
    return {"type": kind, "created_at": event["time"], "data": data}


def openrouter_status(job: Job) -> OpenRouterStatus:
    """Return a job's status in OpenRouter's words. One that had not started by its deadline is expired."""
    if job.status is Status.queued:
        return "pending"
    if job.status is Status.failed and job.error and job.error.code == EXPIRED:
        return "expired"
    return cast(OpenRouterStatus, job.status.value)


def openrouter_address(job: Job, base: str) -> str:
    """Return where the status of a job is. `base` is the public address of the service."""
    return f"{base}/api/v1/videos/{job.public_id}"


def openrouter_files(job: Job, base: str) -> list[str]:
    """Return the addresses of a job's files: one video."""
    return [f"{openrouter_address(job, base)}/content?index=0"]


BODIES: dict[str, Body] = {"openai": openai_body, "openrouter": openrouter_body}
