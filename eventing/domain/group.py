"""Define a group: the jobs of one request for several videos. All it says is derived from its jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from eventing.contract.records.events import GroupCounts
from eventing.contract.records.models import SEED_LIMIT
from eventing.domain.job import Job, Status

GROUP_PREFIX = "grp_"


@dataclass(frozen=True)
class Group:
    """At least one job, in the order of the seeds. Jobs that were deleted are no longer in it."""

    id: str
    jobs: tuple[Job, ...]

    @property
    def is_over(self) -> bool:
        """Tell whether every job has ended."""
        return all(job.status.is_terminal for job in self.jobs)

    @property
    def status(self) -> Status:
        """Return queued before the first job starts, completed after the last has ended, else in_progress."""
        if self.is_over:
            return Status.completed
        waiting = all(job.status is Status.queued for job in self.jobs)
        return Status.queued if waiting else Status.in_progress

    @property
    def counts(self) -> GroupCounts:
        """Return how many jobs have each status."""
        return GroupCounts(**Counter(str(job.status) for job in self.jobs))

    @property
    def percent(self) -> int:
        """Return the mean share of the jobs that is done, in percent. An ended job is done."""
        shares = [100 if job.status.is_terminal else job.percent for job in self.jobs]
        return sum(shares) // len(shares)

    @property
    def submitted_at(self) -> float:
        """Return the time of the submission."""
        return self.jobs[0].submitted_at

    @property
    def completed_at(self) -> float | None:
        """Return the time of the last end; None while a job has not ended."""
        return max(job.completed_at or 0.0 for job in self.jobs) if self.is_over else None


def members(first: Job, group_id: str, ids: list[str]) -> tuple[Job, ...]:
    """Return one job per id, like the first but for the seed: s, s+1, … After the largest seed comes 0."""
    seed = first.video.seed
    return tuple(
        replace(
            first,
            id=job_id,
            group_id=group_id,
            spec=first.video.model_copy(update={"seed": (seed + number) % (SEED_LIMIT + 1)}),
        )
        for number, job_id in enumerate(ids)
    )
