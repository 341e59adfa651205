"""Define a job and its transitions: pure functions on a frozen record.

    queued ──claim──► in_progress ──► completed | failed | cancelled
       ▲                   │
       └──── put back ─────┘          (retry, busy predictor, lapsed lease)

No function here reads a clock or a database. The store passes `now` from the database's clock and writes the
returned record only if the row has not changed since it was read. The same transaction puts the events of the
transition into the outbox.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from eventing.contract.records.models import Failure, GenerationSpec, Progress, Stage
from eventing.contract.records.models import Status as Status  # noqa: PLC0414 - re-exported: it is a word of jobs
from eventing.contract.records.results import VideoResult
from eventing.domain.kinds import Kind, Result, Spec
from eventing.domain.usage import lost, made, wait_class


class LeaseLost(Exception):
    """The lease has ended or belongs to another attempt, so the holder's reports are refused."""


QUEUED = Progress(stage=Stage.queued)
STARTING = Progress(stage=Stage.starting)
LOCAL_OWNER = "local"  # of the jobs of callers without a key, where none is needed
BUSY = "busy"  # of an attempt whose predictor ran another job, which has that time already


@dataclass(frozen=True)
class Job:
    """One row. Times are seconds since the epoch on the database's clock."""

    id: str
    owner: str
    model: str
    lane: str
    spec: Spec
    digest: str
    submitted_at: float
    updated_at: float
    status: Status = Status.queued
    metadata: dict[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    callback_format: str = "cloudevents"
    remixed_from: str | None = None
    traceparent: str | None = None
    attempt: int = 0  # number of claims: names the attempt's files and is the fencing token
    attempts_used: int = 0  # attempts that reached a predictor
    early_cuts: int = 0  # attempts that are not counted, because their streams were cut at the start
    holder: str | None = None
    lease_until: float | None = None
    not_before: float = 0.0
    start_by: float | None = None
    claimed_at: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    cancel_requested: bool = False
    progress: Progress = QUEUED
    error: Failure | None = None
    result: Result | None = None
    sequence: int = 0  # number of events emitted so far
    chosen_id: str | None = None  # the id that the owner chose, if any
    group_id: str | None = None  # the group, if the request was for several videos
    spec_digest: str | None = None  # the same for two jobs that make the same frames
    reused_from: str | None = None  # the public id of the job whose result was copied
    priority: int = 0
    turn: float = 0.0  # its place in the order of its lane (domain/turns.py)
    used_seconds: float = 0.0  # these are seconds of one predictor (domain/usage.py)
    starting_seconds: float = 0.0
    wasted_seconds: float = 0.0
    idle_seconds: float = 0.0
    video_seconds: float = 0.0
    cold_starts: int = 0
    wait_class: int | None = None  # of the wait until a predictor took it
    kind: Kind = Kind.video
    story_id: str | None = None  # the story that it belongs to
    step: str | None = None  # its step of the story

    @property
    def video(self) -> GenerationSpec:
        """Return the spec of a video. Raises TypeError for the job of another step."""
        if isinstance(self.spec, GenerationSpec):
            return self.spec
        raise TypeError(f"job {self.id} makes no video: it is a step {self.model}")

    @property
    def video_result(self) -> VideoResult | None:
        """Return the result of a video; None before its end, and for the job of another step."""
        return self.result if isinstance(self.result, VideoResult) else None

    @property
    def public_id(self) -> str:
        """Return the id that the owner sees and uses."""
        return self.chosen_id or self.id

    @property
    def public_result(self) -> VideoResult | None:
        """Return the result under the public id, with its source. Its URIs stay as they are."""
        facts = {"job_id": self.public_id, "reused_from": self.reused_from}
        return self.video_result and self.video_result.model_copy(update=facts)

    @property
    def has_preview(self) -> bool:
        """Tell whether the job runs and a preview of it is in S3."""
        return self.status is Status.in_progress and self.progress.preview_step is not None

    @property
    def percent(self) -> int:
        """Return the share of the job that is done, in percent."""
        return 100 if self.status is Status.completed else self.progress.percent()

    def evolve(self, now: float, **changes: Any) -> Job:
        """Return a changed copy."""
        return replace(self, updated_at=now, **changes)


def owned_id(owner: str, chosen_id: str) -> str:
    """Return the id of the row of a job whose owner chose its id.

    It depends on both, so that no owner learns from a chosen id whether another uses it, or can take it away.
    """
    return "put_" + hashlib.sha256(f"{owner}\n{chosen_id}".encode()).hexdigest()[:40]


def claim(job: Job, holder: str, now: float, lease: float, idle: float = 0.0) -> Job:
    """Give a queued job to a holder. The new attempt number is the fencing token.

    `idle` are the seconds for which a predictor stayed awake before it.
    """
    if job.status is not Status.queued:
        raise LeaseLost(f"job {job.id} is {job.status}")
    return job.evolve(
        now,
        status=Status.in_progress,
        attempt=job.attempt + 1,
        holder=holder,
        lease_until=now + lease,
        claimed_at=now,
        started_at=None,
        idle_seconds=job.idle_seconds + idle,
        progress=STARTING,
    )


def check_lease(job: Job, attempt: int, now: float) -> None:
    """Raise LeaseLost unless this attempt holds the job at `now`."""
    if job.status is not Status.in_progress or job.attempt != attempt:
        raise LeaseLost(f"job {job.id} is {job.status} at attempt {job.attempt}, not {attempt}")
    if job.lease_until is None or job.lease_until < now:
        raise LeaseLost(f"the lease of job {job.id} attempt {attempt} has lapsed")


def renew(job: Job, attempt: int, progress: Progress | None, now: float, lease: float) -> Job:
    """Renew the lease and record the latest progress."""
    check_lease(job, attempt, now)
    return job.evolve(now, lease_until=now + lease, progress=(progress or job.progress).bounded())


def start(job: Job, attempt: int, now: float) -> Job:
    """Record that a predictor took the job; from now on the attempt counts."""
    check_lease(job, attempt, now)
    if job.started_at is not None:
        return job
    return job.evolve(
        now,
        started_at=now,
        attempts_used=job.attempts_used + 1,
        sequence=job.sequence + 1,
        error=None,
        wait_class=wait_class(now - job.submitted_at),
    )


def complete(job: Job, attempt: int, result: Result, now: float, keep: float) -> Job:
    """End with a result, or as cancelled if that was requested before."""
    check_lease(job, attempt, now)
    if job.cancel_requested:
        return cancel(job, now, keep)
    return _end(job, Status.completed, now, keep, result=result, error=None, **made(job, result, now))


def reuse(job: Job, result: VideoResult, now: float, keep: float) -> Job:
    """End at once with a result that exists already. No predictor has a part in it.

    The source has a column of its own: 0.1.0 cannot read a result with a field that it does not know.
    """
    facts = {
        "result": result.model_copy(update={"reused_from": None}),
        "reused_from": result.reused_from,
        "video_seconds": result.duration_seconds,
    }
    return _end(job, Status.completed, now, keep, **facts)


def fail(job: Job, attempt: int, failure: Failure, now: float, keep: float) -> Job:
    """End without a result, or as cancelled if that was requested before."""
    check_lease(job, attempt, now)
    if job.cancel_requested:
        return cancel(job, now, keep)
    return _end(job, Status.failed, now, keep, error=failure)


def cancel(job: Job, now: float, keep: float, **changes: Any) -> Job:
    """End as cancelled. Legal from every state that is not terminal."""
    error = Failure(code="cancelled", message="cancelled on request")
    return _end(job, Status.cancelled, now, keep, error=error, **changes)


def request_cancel(job: Job, now: float, keep: float) -> Job:
    """Cancel a queued job now. Mark a running job, so that its holder stops it. Leave an ended one."""
    if job.status.is_terminal:
        return job
    if job.status is Status.queued:
        return cancel(job, now, keep)
    return job.evolve(now, cancel_requested=True)


def put_back(
    job: Job, attempt: int, cause: Failure, delay: float, now: float, keep: float,
    *, used: bool = False, cut: bool = False,
) -> Job:  # fmt: skip
    """Return a running job to the queue for a later attempt, with the cause as its error.

    `used` counts the attempt even if no predictor answered. `cut` does not count it, although one did.
    """
    check_lease(job, attempt, now)
    if cut:
        counted = 0 if job.started_at is None else 1
        job = replace(job, attempts_used=job.attempts_used - counted, early_cuts=job.early_cuts + 1)
    elif used and job.started_at is None:
        job = replace(job, attempts_used=job.attempts_used + 1)
    wasted = job.wasted_seconds if cause.code == BUSY else lost(job, now)["wasted_seconds"]
    return _requeue(job, cause, delay, now, keep, wasted_seconds=wasted)


def lapse(job: Job, now: float, keep: float) -> Job:
    """Free a job whose lease has ended.

    It is queued even if its attempts are used up. The next holder first looks for a finished file to adopt,
    and only then fails the job. No more than the lease is wasted: what lies between its end and `now`, while
    eventing was stopped, is unknown.
    """
    if job.status is not Status.in_progress or job.lease_until is None or job.lease_until >= now:
        raise LeaseLost(f"job {job.id} is held")
    cause = Failure(code="lease_lapsed", message="the process that held the job went silent", retryable=True)
    return _requeue(job, cause, 0.0, now, keep, **lost(job, job.lease_until))


def miss_deadline(job: Job, now: float, keep: float) -> Job:
    """Fail a waiting job whose start deadline has passed."""
    if job.status is not Status.queued or job.start_by is None or job.start_by > now:
        raise LeaseLost(f"job {job.id} may still start")
    message = "the job had not started by its start deadline"
    return _end(job, Status.failed, now, keep, error=Failure(code="start_deadline_passed", message=message))


def _requeue(job: Job, cause: Failure, delay: float, now: float, keep: float, **usage: float) -> Job:
    if job.cancel_requested:
        return cancel(job, now, keep, **usage)
    return job.evolve(
        now,
        status=Status.queued,
        holder=None,
        lease_until=None,
        not_before=now + delay,
        error=cause,
        progress=QUEUED,
        **usage,
    )


def _end(job: Job, status: Status, now: float, keep: float, **changes: Any) -> Job:
    if job.status.is_terminal:
        raise LeaseLost(f"job {job.id} already is {job.status}")
    if job.status is Status.in_progress and status is not Status.completed:
        changes = lost(job, now) | changes
    return job.evolve(
        now,
        status=status,
        holder=None,
        lease_until=None,
        completed_at=now,
        expires_at=now + keep,
        sequence=job.sequence + 1,
        **changes,
    )
