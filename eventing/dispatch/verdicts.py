"""Write how an attempt ended, count it, and wake the loops that wait for it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from eventing import traces
from eventing.contract.errors import ReelzeroError
from eventing.contract.records.models import Failure
from eventing.contract.records.results import VideoResult
from eventing.contract.records.steps import StepResult
from eventing.contract.telemetry import exemplar
from eventing.dispatch.places import Place
from eventing.domain.job import Job, LeaseLost, Status
from eventing.domain.kinds import Result
from eventing.metrics.jobs import COLD_START, PUT_BACK, WARM_START, code_label
from eventing.signal import Signals
from eventing.store.claims import ClaimStore
from eventing.watchers import Watchers

REPORT_RETRY = 1.0  # seconds between two tries to write a verdict
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retry:
    """Put the job back into the queue: a later attempt may succeed. `delay` is in seconds."""

    failure: Failure
    delay: float
    used: bool = False  # count the attempt, even if no record of a predictor arrived
    cut: bool = False  # do not count the attempt, although its first record arrived


Verdict = Result | Failure | Retry | None  # None: the lease is lost, so there is nothing to write


class Verdicts:
    """Writes verdicts."""

    def __init__(self, claims: ClaimStore, signals: Signals, watchers: Watchers) -> None:
        self._claims = claims
        self._signals = signals
        self._watchers = watchers

    async def settle(self, job: Job, verdict: Verdict, place: Place) -> bool:
        """Write the verdict and return whether it is written. With the end, the slot goes to the next job.

        Try again while the database is away, at most for one lease; log a refusal.
        """
        deadline = time.monotonic() + self._claims.lease
        while verdict is not None:
            try:
                ended = await self._write(job, verdict, place)
                _count(ended, verdict)
                _trace(ended, verdict)
                self._wake(ended)
                return True
            except LeaseLost as error:
                log.warning("a late report was refused: %s", error)
                return False
            except ReelzeroError as error:
                if time.monotonic() > deadline:
                    log.exception("the verdict could not be written; another attempt will find it")
                    return False
                log.warning("the verdict cannot be written yet: %s", error)
                await asyncio.sleep(REPORT_RETRY)
        return False

    def _wake(self, job: Job) -> None:
        self._signals.message_due.notify()
        if job.story_id:
            self._signals.story_due.notify()
        self._watchers.changed(job.id)

    async def _write(self, job: Job, verdict: Result | Failure | Retry, place: Place) -> Job:
        if isinstance(verdict, Retry):
            return await self._claims.put_back(
                job, verdict.failure, verdict.delay, used=verdict.used, cut=verdict.cut
            )
        return await place.end(job, verdict)


def _count(job: Job, verdict: Result | Failure | Retry) -> None:
    if not job.status.is_terminal:
        code = verdict.failure.code if isinstance(verdict, Retry) else ""
        PUT_BACK.labels(job.model, job.lane, code_label(code)).inc()
        log.info("put back into the queue", extra={"code": code})
        return
    if isinstance(verdict, VideoResult):
        _time_start(job, verdict)
    code = job.error.code if job.error else ""
    log.info("ended", extra={"status": str(job.status), "code": code})


def _trace(job: Job, verdict: Result | Failure | Retry) -> None:
    """Record the span of the attempt. A cancel is no error."""
    if isinstance(verdict, VideoResult | StepResult):
        is_own = verdict.attempt == job.attempt
        error = None if job.error is None or job.status is Status.cancelled else job.error.code
        cold = verdict.timings.load > 0 if is_own and isinstance(verdict, VideoResult) else None
        traces.attempted(job, error, cold=cold, adopted=None if is_own else verdict.attempt)
    else:
        code = verdict.failure.code if isinstance(verdict, Retry) else verdict.code
        traces.attempted(job, None if job.status is Status.cancelled else code)


def _time_start(job: Job, result: VideoResult) -> None:
    """Record the time from claim to the first record, as a cold start if the weights were loaded for it.

    A predictor reports its load time with the first job after its start, and 0 with all later ones.
    """
    if job.started_at is None or job.claimed_at is None or result.attempt != job.attempt:
        return  # adopted: another attempt started it
    histogram = COLD_START if result.timings.load > 0 else WARM_START
    histogram.labels(job.model, job.lane).observe(job.started_at - job.claimed_at, exemplar=exemplar())
