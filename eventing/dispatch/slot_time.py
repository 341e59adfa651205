"""Time how long an attempt uses its slot, and count how the attempt ended."""

from __future__ import annotations

import time

from eventing.contract.records.models import Failure
from eventing.contract.records.results import VideoResult
from eventing.contract.records.steps import StepResult
from eventing.contract.telemetry import exemplar
from eventing.dispatch.verdicts import Retry, Verdict
from eventing.domain.job import Job
from eventing.metrics.jobs import ATTEMPT, ATTEMPTS


class SlotTime:
    """The time from a claim to the end of the use of its slot. `claimed_at` is monotonic."""

    def __init__(self, job: Job, claimed_at: float) -> None:
        self._job = job
        self._begin = claimed_at
        ATTEMPTS.labels(job.model, job.lane).inc()

    def count(self, verdict: Verdict, left_at: float | None) -> None:
        """Count the attempt by its verdict; None if no verdict is written.

        `left_at` is the monotonic time at which it left its slot, None if it has it still.
        """
        seconds = (left_at or time.monotonic()) - self._begin
        ATTEMPT.labels(self._job.model, self._job.lane, self._outcome(verdict)).observe(
            seconds, exemplar=exemplar()
        )

    def _outcome(self, verdict: Verdict) -> str:
        match verdict:
            case VideoResult() | StepResult():
                return "completed" if verdict.attempt == self._job.attempt else "adopted"
            case Failure():
                return "cancelled" if verdict.code == "cancelled" else "failed"
            case Retry():
                return "put_back"
            case None:
                return "lost"
