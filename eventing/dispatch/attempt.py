"""Run one claimed job to its verdict: adopt a finished result, or generate on a predictor; retry or end.

1. Look in S3 for a result that an earlier attempt finished, and adopt it.
2. Otherwise open a predictor and follow its stream.
3. Write the verdict (verdicts.py): completed, failed, cancelled, or put back into the queue for a retry.

The lease is renewed beside all this (lease.py). When the lease ends, the work is cancelled, which closes the
stream; that is also how a requested cancel stops a running generation.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial

from eventing import traces
from eventing.contract.errors import ModelUnavailable, StorageError, Unavailable
from eventing.contract.records.models import Failure, Progress
from eventing.contract.storage.s3_http import ObjectClient
from eventing.contract.telemetry import exemplar, job_context
from eventing.dispatch.endpoints import Endpoints
from eventing.dispatch.lease import End, Lease
from eventing.dispatch.places import Place
from eventing.dispatch.predictor_client import Broken, CutAtStart, Failed, NotStarted
from eventing.dispatch.previews import Previews
from eventing.dispatch.results import WrongResult
from eventing.dispatch.slot_time import SlotTime
from eventing.dispatch.verdicts import Retry, Verdict, Verdicts
from eventing.dispatch.work import Reports, Works
from eventing.domain.job import Job, LeaseLost
from eventing.domain.kinds import Result
from eventing.domain.retries import backoff, may_be_cut
from eventing.metrics.jobs import ADOPTED, QUEUE, START_FAILURES, code_label
from eventing.settings import Settings
from eventing.signal import Signals
from eventing.store.claims import ClaimStore
from eventing.store.database.shielded import finish
from eventing.store.lanes.circuit_breaker import OPEN_AFTER
from eventing.watchers import Watchers

log = logging.getLogger(__name__)


class Attempts:
    """Runs claimed jobs, one call of `run` each. Holds what all attempts share, and no state of any."""

    def __init__(
        self, claims: ClaimStore, objects: ObjectClient, endpoints: Endpoints, works: Works,
        settings: Settings, signals: Signals, watchers: Watchers,
    ) -> None:  # fmt: skip
        self._claims = claims
        self._objects = objects
        self._endpoints = endpoints
        self._works = works
        self._max_attempts = settings.max_attempts
        self._retry = settings.retry_seconds
        self._announce = settings.progress_events
        self._message_due = signals.message_due
        self._watchers = watchers
        self._sink = bool(settings.sink_url)
        self._verdicts = Verdicts(claims, signals, watchers)

    async def run(self, job: Job, claimed_at: float, place: Place) -> None:
        """Bring a job to a verdict and write it. `claimed_at` is the monotonic time before the claim.

        `place` is left when the device is free and the slot with it, while the job goes on.
        Cancelling this task closes the stream and puts the job back.
        """
        traces.waited(job)
        with job_context(job.id, traces.attempt_parent(job)):
            log.info("claimed", extra={"attempt": job.attempt, "model": job.model})
            QUEUE.labels(job.model, job.lane).observe(
                (job.claimed_at or 0) - job.submitted_at, exemplar=exemplar()
            )
            self._watchers.changed(job.id)
            lease = Lease(self._claims, self._watchers, job, claimed_at=claimed_at, announce=self._announce)
            slot = SlotTime(job, claimed_at)
            holding = asyncio.create_task(lease.hold())
            try:
                verdict = await self._held(job, lease, holding, place)
                is_written = await self._verdicts.settle(lease.job, verdict, place)
                slot.count(verdict if is_written else None, place.left_at)
            except asyncio.CancelledError:
                stopped = Retry(
                    Failure(code="stopped", message="the service was stopped", retryable=True), 0.0
                )
                await finish(self._verdicts.settle(job, stopped, place))
                slot.count(stopped, place.left_at)
                raise
            finally:
                holding.cancel()

    async def _held(self, job: Job, lease: Lease, holding: asyncio.Task[End], place: Place) -> Verdict:
        """Return the verdict of the work. If the lease ends first, stop the work at once."""
        working = asyncio.create_task(self._work(job, lease, place))
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            log.info("the attempt is stopped", extra={"reason": holding.result()})
            return (
                Failure(code="cancelled", message="cancelled") if holding.result() is End.cancelled else None
            )
        finally:
            if not working.done():
                working.cancel()
                await asyncio.wait({working})  # close the stream before the slot is free again

    async def _work(self, job: Job, lease: Lease, place: Place) -> Verdict:
        try:
            if job.attempt > 1 and (result := await self._adopt(job, job.attempt - 1)):
                return result
            if job.attempts_used >= self._max_attempts:
                return job.error or Failure(code="attempts_exhausted", message="all attempts are used up")
            return await self._attempt(job, lease, place)
        except (StorageError, Unavailable) as error:
            failure = Failure(code=error.code, message=error.message, retryable=True)
            return Retry(failure, backoff(job.attempt, self._retry))
        except LeaseLost as error:
            log.warning("the lease is lost: %s", error)
            return None
        except Exception:
            log.exception("the attempt failed with an unexpected error")
            failure = Failure(code="internal_error", message="an internal error; see the log", retryable=True)
            return self._judge(failure, job.attempts_used + 1)

    async def _attempt(self, job: Job, lease: Lease, place: Place) -> Verdict:
        try:
            return await self._generate(job, lease, place)
        except Failed as failed:
            return self._judge(failed.failure, job.attempts_used + 1)
        except NotStarted as refusal:
            return await self._not_started(job, refusal)
        except Broken as broken:
            lost = Failure(code="predictor_lost", message=str(broken), retryable=True)
            return await self._adopt(job, job.attempt) or self._judge_loss(job, lost, broken)

    async def _generate(self, job: Job, lease: Lease, place: Place) -> Result:
        is_started = False
        previews = Previews(self._objects, job.id, lease.report)

        async def report(progress: Progress | None, preview: str | None) -> None:
            nonlocal is_started
            if progress:
                previews.take(progress, preview)
            is_started = is_started or await self._started(lease)

        async with AsyncExitStack() as stack, AsyncExitStack() as device:
            stack.push_async_callback(previews.close)
            url = await self._open(job, device)
            free = partial(self._device_free, job, device, place)
            result = await self._works[job.kind].run(url, job, Reports(report, free))
        return await self._verified(job, result)

    async def _device_free(self, job: Job, device: AsyncExitStack, place: Place) -> None:
        """Let the next job have the device and the slot. This one goes on: files, upload, verdict."""
        await device.aclose()
        try:
            await place.free(job)
        except Unavailable as error:
            log.warning("the slot stays taken until the job ends: %s", error)
            place.leave()

    async def _verified(self, job: Job, result: Result) -> Result:
        """Return the result in the manifest. Raises Broken if the predictor reported another one."""
        try:
            manifest_result = await self._works[job.kind].find(job, job.attempt)
        except WrongResult as error:
            raise Broken(f"the predictor reported a result that S3 does not confirm: {error}") from error
        if manifest_result is None:
            raise Broken("the predictor reported a result without a manifest in S3")
        if manifest_result != result:
            raise Broken("the predictor reported a result that differs from its manifest")
        return manifest_result

    async def _open(self, job: Job, stack: AsyncExitStack) -> str:
        """Return the URL of a predictor, kept open until the stack ends. Raises Failed, NotStarted."""
        try:
            return await stack.enter_async_context(self._endpoints.open(job.model, job.lane))
        except ModelUnavailable as error:
            raise Failed(Failure(code=error.code, message=error.message)) from error
        except Unavailable as error:
            raise NotStarted(error.code, error.message) from error

    async def _started(self, lease: Lease) -> bool:
        """Store that the predictor took the job. Return False if the database is away; the work goes on."""
        job = lease.job
        try:
            lease.job = await self._claims.start(job)
        except Unavailable as error:
            log.warning("the start cannot be stored yet: %s", error)
            return False
        self._watchers.changed(job.id)
        if self._sink:
            self._message_due.notify()
        return True

    async def _adopt(self, job: Job, last: int) -> Result | None:
        """Return the result of the latest finished attempt, from `last` down to 1, whose report was lost."""
        for attempt in range(last, 0, -1):
            try:
                result = await self._works[job.kind].find(job, attempt)
            except WrongResult as error:
                log.warning("a result is ignored: %s", error, extra={"attempt": attempt})
                continue
            if result is None:
                continue
            log.info("a finished result is adopted", extra={"attempt": attempt})
            ADOPTED.labels(job.model).inc()
            return result
        return None

    def _judge(self, failure: Failure, used: int) -> Failure | Retry:
        """Return a retry if the failure is retryable and an attempt is left. `used` includes this attempt."""
        if failure.retryable and used < self._max_attempts:
            return Retry(failure, backoff(used, self._retry), used=True)
        return failure

    def _judge_loss(self, job: Job, lost: Failure, broken: Broken) -> Failure | Retry:
        """Give the attempt back if its stream was cut at its start and the job may be cut once more."""
        if isinstance(broken, CutAtStart) and may_be_cut(job):
            return Retry(lost, backoff(job.early_cuts, self._retry), cut=True)
        return self._judge(lost, job.attempts_used + 1)

    async def _not_started(self, job: Job, refusal: NotStarted) -> Retry:
        """Return a retry that uses up no attempt. Count failed starts: they open the circuit breaker."""
        failure = Failure(code=refusal.code, message=str(refusal), retryable=True)
        if refusal.code == "busy":
            await self._claims.close_circuit(job)
            return Retry(failure, backoff(1, self._retry))
        START_FAILURES.labels(job.model, job.lane, code_label(refusal.code)).inc()
        probe_after = backoff(job.attempt, self._retry * 5)
        failures = await self._claims.start_failed(job, str(refusal), probe_after)
        if failures < OPEN_AFTER:
            return Retry(failure, backoff(failures, self._retry))
        message = f"the predictor of {job.model} does not start: {refusal}"
        return Retry(Failure(code="model_unavailable", message=message, retryable=True), 0.0)
