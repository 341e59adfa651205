"""Make the spans of a job from the times that the database has.

A job may wait for hours, and the process that holds it may be killed. So no span of it is kept open: the wait
is recorded at the claim, and an attempt when it has ended, by the process that writes its end. The id of an
attempt's span is made of the job and the attempt number. So the predictor's spans, and the next attempt, can
refer to it from any process.
"""

from __future__ import annotations

import hashlib

from opentelemetry.semconv._incubating.attributes.cloudevents_attributes import (
    CLOUDEVENTS_EVENT_ID,
    CLOUDEVENTS_EVENT_SOURCE,
    CLOUDEVENTS_EVENT_TYPE,
)
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GEN_AI_REQUEST_MODEL
from opentelemetry.trace import SpanKind

from eventing.contract.codecs.cloudevent import Event
from eventing.contract.telemetry import is_on, link_to, record, with_span_id
from eventing.domain.job import Job, Status

JOB, ATTEMPT = "reelzero.job.id", "reelzero.attempt"
LONGEST = 256  # characters of an attribute that a producer chooses


def attempt_parent(job: Job, attempt: int | None = None) -> str | None:
    """Return the traceparent of an attempt's span; the job's own where this process makes no spans."""
    if not is_on():
        return job.traceparent
    number = job.attempt if attempt is None else attempt
    digest = hashlib.sha256(f"{job.id}\n{number}".encode()).digest()
    return with_span_id(job.traceparent, _id(digest))


def waited(job: Job) -> None:
    """Record the wait of a job that was claimed, or that has ended without a claim.

    The wait of a later attempt begins when its delay is over.
    """
    if not is_on():
        return
    is_claimed = job.status is Status.in_progress and job.claimed_at is not None
    end = job.claimed_at if is_claimed and job.claimed_at else job.updated_at
    begin = min(max(job.submitted_at, job.not_before), end)
    attributes = of_job(job) | {"reelzero.lane": job.lane, "reelzero.priority": job.priority}
    record("queue", job.traceparent, (begin, end), attributes, error=_error(job))


def attempted(job: Job, error: str | None, *, cold: bool | None = None, adopted: int | None = None) -> None:
    """Record an attempt that has ended, and the time until its predictor answered. `error` is a code.

    `cold` tells whether the weights were loaded for it, if that is known; `adopted` is the number of the
    attempt whose result it found.
    """
    if not is_on() or job.claimed_at is None:
        return
    me = attempt_parent(job)
    attributes = of_job(job) | {ATTEMPT: job.attempt, "reelzero.job.status": str(job.status)}
    if adopted is not None:
        attributes["reelzero.adopted_attempt"] = adopted
    former = link_to(attempt_parent(job, job.attempt - 1)) if job.attempt > 1 else ()
    record(
        "attempt", job.traceparent, (job.claimed_at, job.updated_at), attributes,
        kind=SpanKind.CLIENT, links=former, error=error, span_id=_span_id(me),
    )  # fmt: skip
    if adopted is None:
        _started(job, me, error, cold)


def of_job(job: Job) -> dict[str, str | bool | int | float]:
    """Return the attributes of every span of a job."""
    return {JOB: job.public_id, GEN_AI_REQUEST_MODEL: job.model}


def of_event(event: Event) -> dict[str, str]:
    """Return the attributes of the span of an incoming event, which may not be valid."""
    names = {CLOUDEVENTS_EVENT_ID: "id", CLOUDEVENTS_EVENT_SOURCE: "source", CLOUDEVENTS_EVENT_TYPE: "type"}
    values = {name: event.get(attribute) for name, attribute in names.items()}
    return {name: value[:LONGEST] for name, value in values.items() if isinstance(value, str)}


def _started(job: Job, parent: str | None, error: str | None, cold: bool | None) -> None:
    """Record the time from the claim to the first record of the predictor."""
    attributes: dict[str, str | bool | int] = {} if cold is None else {"reelzero.cold_start": cold}
    end, failure = (job.updated_at, error) if job.started_at is None else (job.started_at, None)
    record("start", parent, (job.claimed_at or end, end), attributes, error=failure)


def _error(job: Job) -> str | None:
    return job.error.code if job.error and job.status is Status.failed else None


def _id(digest: bytes) -> int:
    return int.from_bytes(digest[:8]) or 1


def _span_id(traceparent: str | None) -> int | None:
    return int(traceparent.split("-")[2], 16) if traceparent else None
