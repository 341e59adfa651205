"""Estimate what a request would take: its spec, seconds, wait and price. Nothing is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eventing.contract.catalog import Catalog
from eventing.contract.records.models import GenerationSpec, JobRequest
from eventing.costs import Costs
from eventing.domain import estimate
from eventing.domain.estimate import Basis, Expected
from eventing.domain.job import Job
from eventing.domain.pool import PredictorState
from eventing.drafts import Drafts, Origin
from eventing.settings import Endpoint, Settings
from eventing.store.claims import ClaimStore
from eventing.store.forecast import ForecastStore, Outlook
from eventing.store.jobs import JobStore


@dataclass(frozen=True)
class Estimate:
    """What a request would take. Seconds are of one video, GPU-seconds and cost of all."""

    job: Job
    videos: int
    seconds: float | None
    basis: Basis
    ahead: int
    cold_start: float | None  # None: a predictor is awake
    wait: float | None  # until a predictor takes the first video, cold start included
    end: float | None  # until the last video is there
    gpu_seconds: float | None
    cost: float | None


class Estimates:
    """Makes estimates from the jobs that ended last, the queue and the slots."""

    def __init__(
        self, settings: Settings, catalog: Catalog, drafts: Drafts, jobs: JobStore, claims: ClaimStore,
        store: ForecastStore, costs: Costs, predictors: Callable[[], list[PredictorState]],
    ) -> None:  # fmt: skip
        self._endpoints = {(each.model, each.lane): each for each in settings.endpoints}
        self._catalog = catalog
        self._drafts = drafts
        self._jobs = jobs
        self._claims = claims
        self._store = store
        self._costs = costs
        self._predictors = predictors

    async def of(self, request: JobRequest, origin: Origin) -> Estimate:
        """Return the estimate of a request. Raises what a submission would raise; no picture is fetched."""
        submission = self._drafts.submission(request, origin)
        job, videos = submission.job, len(submission.jobs)
        await self._jobs.check_room(job.owner, videos)
        entry, samples = self._catalog.get(job.model), await self._store.samples(job.model)
        pool = await self._pool(job)
        outlook = await self._store.outlook(job, pool)
        expected = estimate.expect(job.video, entry, samples)
        cold = None if self._is_awake(job, pool, outlook) else estimate.cold_start(samples, entry)
        wait = estimate.queue_wait(outlook.ahead, outlook.free, outlook.slots, expected.seconds)
        wait = None if wait is None else wait + (cold or 0.0)
        return Estimate(
            job=job, videos=videos, seconds=expected.seconds, basis=expected.basis, ahead=outlook.ahead,
            cold_start=cold, wait=wait, end=_end(wait, expected, videos, outlook.slots),
            **self._price(job.model, expected, videos, cold or 0.0),
        )  # fmt: skip

    async def history(self, models: Iterable[str]) -> Callable[[GenerationSpec], Expected]:
        """Return what tells how long videos of these models take, by those that ended last."""
        samples = {model: await self._store.samples(model) for model in models}
        return lambda spec: estimate.expect(spec, self._catalog.get(spec.model), samples[spec.model])

    def _price(self, model: str, expected: Expected, videos: int, cold: float) -> dict[str, float | None]:
        """Return the GPU-seconds and the cost of the videos and one cold start."""
        if expected.used is None:
            return {"gpu_seconds": None, "cost": None}
        seconds = expected.used * videos + cold
        return {
            "gpu_seconds": self._costs.gpu_seconds(model, seconds),
            "cost": self._costs.money(model, seconds),
        }

    async def _pool(self, job: Job) -> str:
        """Return the pool of a job: that of its lane, or on one machine the one of all devices."""
        pools = await self._claims.slots()
        own = f"{job.model}/{job.lane}"
        return own if own in pools else next(iter(pools), own)

    def _is_awake(self, job: Job, pool: str, outlook: Outlook) -> bool:
        """Tell whether a predictor of the model is awake, as far as this replica knows."""
        if any(each.model == job.model for each in self._predictors()):
            return True
        if pool != f"{job.model}/{job.lane}":
            return False
        endpoint = self._endpoints.get((job.model, job.lane), Endpoint(model=job.model))
        stays = outlook.slept is not None and outlook.slept < endpoint.idle_seconds
        return stays or outlook.free == 0 or endpoint.always_on > outlook.slots - outlook.free


def _end(wait: float | None, expected: Expected, videos: int, slots: int) -> float | None:
    if wait is None or expected.seconds is None:
        return None
    return wait + math.ceil(videos / max(1, slots)) * expected.seconds
