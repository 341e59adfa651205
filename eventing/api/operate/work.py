"""Put together what an operator looks at: lanes with their owners, slots, predictors, recent work."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from statistics import median
from urllib.parse import urlsplit

from eventing import __version__
from eventing.api.dependencies import Container
from eventing.api.operate.views import (
    EndpointView,
    FlowView,
    LaneView,
    OperateView,
    PauseView,
    PoolView,
    PredictorView,
    RecentView,
    RunningView,
)
from eventing.contract.records.models import Status
from eventing.domain.announcer import seconds
from eventing.domain.envelope import timestamp
from eventing.domain.job import Job
from eventing.settings import Endpoint
from eventing.store.lanes.circuit_breaker import Circuit
from eventing.store.overview import Flow, Work

Route = tuple[str, str]


async def look(container: Container) -> OperateView:
    """Return the operator's view as it is now."""
    work = await container.overview.work()
    circuits = {(each.model, each.lane): each for each in await container.claims.circuits()}
    slots = await container.claims.slots()
    return OperateView(
        version=__version__,
        at=timestamp(work.at),
        lanes=tuple(_lane(container, route, work, circuits.get(route)) for route in _routes(container, work)),
        pools=tuple(PoolView(name=pool, free=free, taken=taken) for pool, (free, taken) in slots.items()),
        predictors=tuple(
            PredictorView(model=each.model, name=each.name, state=each.state)
            for each in container.predictors()
        ),
        endpoints=tuple(
            _endpoint(endpoint, slots[pool], work)
            for endpoint in container.settings.endpoints
            if (pool := f"{endpoint.model}/{endpoint.lane}") in slots
        ),
        running=tuple(_running(job, work.at) for job in work.running),
        recent=tuple(_recent(container, route, jobs) for route, jobs in _by_route(work.ended)),
        deliveries_pending=work.messages["pending"],
        deliveries_dead=work.messages["dead"],
    )


def _routes(container: Container, work: Work) -> list[Route]:
    """Return the lanes that are served, and those of jobs that no lane serves any more."""
    served = [(model, lane) for model in container.served.models() for lane in container.served.lanes(model)]
    return list(dict.fromkeys(served + [(flow.model, flow.lane) for flow in work.flows]))


def _lane(container: Container, route: Route, work: Work, circuit: Circuit | None) -> LaneView:
    flows = [flow for flow in work.flows if (flow.model, flow.lane) == route]
    waits = [work.at - flow.oldest_at for flow in flows if flow.oldest_at is not None]
    return LaneView(
        model=route[0],
        lane=route[1],
        queued=sum(flow.queued for flow in flows),
        in_progress=sum(flow.in_progress for flow in flows),
        oldest_seconds=max(map(_positive, waits), default=None),
        owners=tuple(_flow(flow, work.at) for flow in flows),
        paused=_pause(circuit),
        unavailable=container.served.obstacles().get(route),
    )


def _flow(flow: Flow, at: float) -> FlowView:
    return FlowView(
        owner=flow.owner, queued=flow.queued, in_progress=flow.in_progress,
        oldest_seconds=seconds(flow.oldest_at, at),
    )  # fmt: skip


def _pause(circuit: Circuit | None) -> PauseView | None:
    if circuit is None:
        return None
    return PauseView(
        reason=circuit.reason, failures=circuit.failures, next_probe_at=timestamp(circuit.next_probe_at)
    )


def _endpoint(endpoint: Endpoint, slots: tuple[int, int], work: Work) -> EndpointView:
    """Return what the jobs of a lane tell of its predictors."""
    free, taken = slots
    route = (endpoint.model, endpoint.lane)
    mine = [job for job in work.running if (job.model, job.lane) == route]
    working = sum(job.started_at is not None for job in mine)
    starting = len(mine) - working
    cold = [
        job
        for job in work.ended
        if (job.model, job.lane) == (endpoint.model, endpoint.lane) and _was_cold(job)
    ]
    last = max(cold, key=lambda job: job.started_at or 0.0, default=None)
    return EndpointView(
        model=endpoint.model, lane=endpoint.lane, address=urlsplit(endpoint.url).netloc.rpartition("@")[2],
        starting=starting, working=working, free=free, taken=taken,
        cold_start_at=timestamp(last.started_at) if last and last.started_at else None,
        cold_start_seconds=seconds(last.claimed_at, last.started_at) if last else None,
        state="working" if working else "starting" if starting else "idle",
    )  # fmt: skip


def _running(job: Job, at: float) -> RunningView:
    return RunningView(
        id=job.id, owner=job.owner, model=job.model, lane=job.lane, attempt=job.attempt, held_by=job.holder,
        stage=job.progress.stage, percent=job.percent, seconds=seconds(job.claimed_at, at) or 0.0,
    )  # fmt: skip


def _by_route(jobs: Iterable[Job]) -> list[tuple[Route, list[Job]]]:
    def route(job: Job) -> Route:
        return job.model, job.lane

    return [(key, list(group)) for key, group in groupby(sorted(jobs, key=route), key=route)]


def _recent(container: Container, route: Route, jobs: list[Job]) -> RecentView:
    model, lane = route
    devices = container.catalog.get(model).gpus if model in container.catalog.names() else 1
    cold = [seconds(job.claimed_at, job.started_at) or 0.0 for job in jobs if _was_cold(job)]
    ends = {status: sum(job.status is status for job in jobs) for status in Status}
    on_device = [job.used_seconds for job in jobs if job.result and not job.reused_from]
    return RecentView(
        model=model, lane=lane, completed=ends[Status.completed], failed=ends[Status.failed],
        cancelled=ends[Status.cancelled], cold_starts=len(cold),
        cold_start_seconds=round(median(cold), 1) if cold else None,
        device_seconds=round(sum(on_device) * max(1, devices), 1),
    )  # fmt: skip


def _was_cold(job: Job) -> bool:
    """Return whether the predictor loaded its weights for this job."""
    return job.result is not None and not job.reused_from and job.cold_starts > 0


def _positive(value: float) -> float:
    return round(max(0.0, value), 3)
