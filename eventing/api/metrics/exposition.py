"""Turn levels and the state of a replica into metrics beside those that prometheus_client keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from eventing import __version__
from eventing.api.dependencies import Container
from eventing.contract.metrics.declare import Sample
from eventing.contract.metrics.machine import Machine, content
from eventing.metrics import gauges
from eventing.metrics.deliveries import KINDS
from eventing.store.levels import Levels


class Exposition:
    """What one scrape shows. `Exposition.collect` makes it a registry for prometheus_client's encoders."""

    def __init__(self, container: Container, levels: Levels | None, *, current: bool) -> None:
        self._container = container
        self._levels = levels
        self._current = current

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield from REGISTRY.collect()
        yield gauges.DATABASE_UP.of([((), float(self._current))])
        yield from _replica(self._container)
        if self._levels:
            yield from _database(self._levels)


def machine(container: Container) -> Machine:
    """Return the collector of a replica's files and volumes."""
    settings = container.settings
    folders = {"temporary": Path(gettempdir())}
    if container.database.is_sqlite:
        folders["data"] = Path(str(container.database.url.database)).absolute().parent
    certificates = {"sink_ca": content(settings.sink_ca_file), "oidc_ca": content(settings.oidc_ca_file)}
    tokens = {"sink": content(settings.sink_token_file), "oidc": content(settings.oidc_token_file)}
    return Machine("eventing", __version__, folders, certificates, tokens)


def _replica(container: Container) -> Iterator[Metric]:
    yield from machine(container).collect()
    obstacles, served = container.served.obstacles(), container.served
    lanes = [(model, lane) for model in served.models() for lane in served.lanes(model)]
    yield gauges.UNAVAILABLE.of((route, float(route in obstacles)) for route in lanes)
    yield gauges.QUEUE_GOAL.of((route, _goal(container, route[0])) for route in lanes)
    yield gauges.GPUS.of(((model,), container.catalog.get(model).gpus) for model in served.models())


def _goal(container: Container, model: str) -> float:
    """Return how long the oldest job of a model may wait, in seconds."""
    budget = container.catalog.get(model).budget
    return budget.cold_start_seconds + 2 * budget.generation_seconds


def _database(levels: Levels) -> Iterator[Metric]:
    yield gauges.JOBS.of(_jobs(levels))
    yield gauges.QUEUE_AGE.of((route, lane.oldest_age) for route, lane in levels.lanes.items())
    yield gauges.SLOTS.of(
        ((pool, state), count)
        for pool, (free, taken) in levels.slots.items()
        for state, count in (("free", free), ("taken", taken))
    )
    yield gauges.PAUSED.of((route, float(lane.is_paused)) for route, lane in levels.lanes.items())
    yield gauges.START_FAILURES.of((route, lane.failures) for route, lane in levels.lanes.items())
    yield gauges.OUTBOX.of(
        ((kind, status), levels.messages.get((kind, status), (0, 0.0))[0])
        for kind in KINDS
        for status in ("pending", "dead")
    )
    yield gauges.DEAD_LETTERS.of([((), levels.dead_letters)])
    yield gauges.OUTBOX_AGE.of(
        ((kind,), levels.messages.get((kind, "pending"), (0, 0.0))[1]) for kind in KINDS
    )


def _jobs(levels: Levels) -> Iterator[Sample]:
    for route, lane in levels.lanes.items():
        yield (*route, "queued"), lane.queued
        yield (*route, "in_progress"), lane.in_progress
