"""Queue a failed or cancelled job again: the same job under the same id; and the time between two tries.

An operator may queue any such job again; an owner's retry also says what would be right instead.
"""

from __future__ import annotations

import random

from eventing.domain.job import QUEUED, Job, Status

EARLY_CUTS = 2  # streams of a job that may be cut at their start without using up an attempt


def requeue(job: Job, now: float) -> Job:
    """Queue a failed or cancelled job again, with all its attempts and no start deadline.

    Its attempt and sequence numbers go on, so that files and events of before keep their names. Raises
    ValueError for any other job, and for one that the retention sweep may delete.
    """
    if job.status not in (Status.failed, Status.cancelled):
        raise ValueError(
            f"job {job.public_id} is {job.status}; only a failed or cancelled job can be queued again"
        )
    if job.expires_at is not None and job.expires_at <= now:
        raise ValueError(f"job {job.public_id} has expired; submit its request again")
    return job.evolve(
        now,
        status=Status.queued,
        attempts_used=0,
        early_cuts=0,
        not_before=now,
        start_by=None,
        claimed_at=None,
        started_at=None,
        completed_at=None,
        expires_at=None,
        cancel_requested=False,
        error=None,
        progress=QUEUED,
    )


def retry(job: Job, now: float) -> Job:
    """Do as `requeue`, but leave a job that waits or runs: it is what the caller wants.

    Raises ValueError with what would be right.
    """
    if job.cancel_requested and not job.status.is_terminal:
        raise ValueError(f"job {job.public_id} is being cancelled; retry it once it has ended")
    if job.status is Status.completed:
        raise ValueError(
            f"job {job.public_id} is completed; only a failed or cancelled job can be retried. "
            "For another video submit its request again, with another seed"
        )
    return requeue(job, now) if job.status.is_terminal else job


def backoff(tries: int, base: float) -> float:
    """Return the seconds before the next try: they double from `base` up to 60 times it, with jitter."""
    return base * min(60.0, 2.0 ** min(tries, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 -- not a secret


def may_be_cut(job: Job) -> bool:
    """Return whether one more cut at the start uses up no attempt.

    The bound ends the job of a predictor that dies at every start.
    """
    return job.early_cuts < EARLY_CUTS
