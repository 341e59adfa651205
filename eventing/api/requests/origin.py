"""Where a submission comes from, and its idempotency key: built here for every way in.

The key of a request is its `Idempotency-Key` header; the key of an event is its source and id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from eventing.api.callers.auth import Owner, limit_rate
from eventing.api.requests.trace import traceparent_of
from eventing.contract.errors import InvalidRequest
from eventing.drafts import Origin
from eventing.store.submissions import event_key

IdempotencyKey = Annotated[str | None, Header(max_length=255, min_length=1)]
DryRun = Annotated[bool, Query(description="Store nothing; answer 200 with what the request would take.")]


def event_origin(
    owner: str, source: str, event_id: str, traceparent: str | None, max_priority: int
) -> Origin:
    """Return the origin of a CloudEvent."""
    key = event_key(source, event_id)
    return Origin(owner, "event", key=key, traceparent=traceparent, max_priority=max_priority)


async def _submitter(request: Request, owner: Owner) -> str:
    """Return the caller after counting one submission. Refuse `dry_run`, which would else make a job."""
    if "dry_run" in request.query_params:
        raise InvalidRequest("dry_run: only POST /v1/jobs and POST /v1/stories take it", field="dry_run")
    return await limit_rate(request, owner)


Submitter = Annotated[str, Depends(_submitter)]


def _from(way: str) -> Callable[..., Awaitable[Origin]]:
    """Make the dependency for requests of one way in."""

    async def origin(request: Request, owner: Submitter) -> Origin:
        most = request.state.max_priority
        return Origin(owner, way, traceparent=traceparent_of(request), max_priority=most)

    return origin


def _keyed(way: str) -> Callable[..., Awaitable[Origin]]:
    """Make the dependency for requests that may carry an `Idempotency-Key`."""

    async def origin(request: Request, owner: Submitter, idempotency_key: IdempotencyKey = None) -> Origin:
        key = f"header:{idempotency_key}" if idempotency_key else None
        most = request.state.max_priority
        return Origin(owner, way, key=key, traceparent=traceparent_of(request), max_priority=most)

    return origin


async def _submitted(
    request: Request, owner: Owner, idempotency_key: IdempotencyKey = None, dry_run: DryRun = False
) -> Origin:
    """Return the origin of a submission, which counts against the rate, or of an estimate, which does not."""
    if not dry_run:
        await limit_rate(request, owner)
    key = f"header:{idempotency_key}" if idempotency_key else None
    most = request.state.max_priority
    return Origin(owner, "rest", key=key, traceparent=traceparent_of(request), max_priority=most)


SubmitOrigin = Annotated[Origin, Depends(_submitted)]
PutOrigin = Annotated[Origin, Depends(_from("rest"))]  # the id in the path makes a PUT idempotent
RestOrigin = Annotated[Origin, Depends(_keyed("rest"))]
OpenAIOrigin = Annotated[Origin, Depends(_keyed("openai"))]
OpenRouterOrigin = Annotated[Origin, Depends(_keyed("openrouter"))]
V2Origin = Annotated[Origin, Depends(_keyed("v2"))]
