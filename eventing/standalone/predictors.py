"""Predictors as local processes: one pool of devices, from zero to one per device and back.

A job opens its model: an idle process that has it is reused; else free devices get a new one; else the
process idle for longest makes room. What is idle too long is stopped, so that its memory is free again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from eventing.contract.catalog import Catalog, CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.domain.pool import Pool
from eventing.standalone.devices import CPU
from eventing.standalone.launch import Launcher, Predictor

POOL = "local"
STOP_SECONDS = 10.0  # an idle predictor ends in less than one
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Place:
    """Devices in use: by a process that starts (predictor None), works or idles."""

    devices: tuple[str, ...]
    model: str
    predictor: Predictor | None = None
    idle_since: float | None = None  # by the loop's clock
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    leaving: bool = False  # being stopped


class LocalPredictors:
    """The Endpoints of one machine."""

    def __init__(
        self, launcher: Launcher, catalog: Catalog, routes: Iterable[tuple[str, str]],
        devices: Sequence[str], idle_seconds: float,
    ) -> None:  # fmt: skip
        self._launcher = launcher
        self._catalog = catalog
        self._routes = tuple(routes)
        self._devices = tuple(devices)
        self._idle_seconds = idle_seconds
        self._places: list[Place] = []
        self._turn = asyncio.Lock()  # first come, first served: a model of many devices is not passed by
        self._changed = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    def pools(self) -> tuple[Pool, ...]:
        """One pool with a place per device, shared by all models and lanes."""
        return (Pool(POOL, len(self._devices), self._routes),)

    def running(self) -> Mapping[int, str]:
        """Process id → model of all predictors that are up, for tests and for people."""
        return {place.predictor.process.pid: place.model for place in self._places if place.predictor}

    def working(self) -> int:
        """How many places a job holds now."""
        return sum(place.idle_since is None for place in self._places)

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """A ready predictor of the model, this caller's alone. Raises ModelUnavailable with the reason."""
        place = await self._take(self._catalog.get(model))
        try:
            if place.predictor is None:
                place.predictor = await self._launcher.start(self._catalog.get(model), place.devices)
                self._watch(place, place.predictor)
            yield place.predictor.url
        finally:
            self._give_back(place)

    async def close(self) -> None:
        """Stop every predictor."""
        places, self._places = self._places, []
        await asyncio.gather(*(self._stop(place) for place in places))
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _take(self, entry: CatalogEntry) -> Place:
        """A place with an idle predictor of the model, or one with free devices for a new process."""
        needed = self._needed(entry)
        async with self._turn:
            while True:
                self._changed.clear()
                if place := await self._reuse(entry.name):
                    return place
                free = self._free()
                if len(free) >= needed:
                    place = Place(free[:needed], entry.name)
                    self._places.append(place)
                    return place
                if not await self._evict():
                    await self._changed.wait()

    def _needed(self, entry: CatalogEntry) -> int:
        gpus = [device for device in self._devices if device != CPU]
        on_cpu = self._launcher.environment.get("REELZERO_DEVICE") == CPU
        if entry.gpus <= len(gpus) or on_cpu:
            return max(1, min(entry.gpus, len(self._devices)))
        have = f"{len(gpus)}" if gpus else "no GPU"
        raise ModelUnavailable(
            f"{entry.name} needs {entry.gpus} GPU{'s' * (entry.gpus > 1)} and this machine has {have}; "
            "REELZERO_DEVICE=cpu tries the CPU all the same"
        )

    def _free(self) -> tuple[str, ...]:
        used = {device for place in self._places for device in place.devices}
        return tuple(device for device in self._devices if device not in used)

    async def _reuse(self, model: str) -> Place | None:
        for place in [place for place in self._idle() if place.model == model]:
            self._occupy(place)
            # Asked, since a process can live on with its device lost.
            if place.predictor and await self._settled(place, place.predictor):
                return place
            await self._remove(place)
        return None

    async def _settled(self, place: Place, predictor: Predictor) -> bool:
        try:
            return await predictor.is_ready()
        except asyncio.CancelledError:
            self._give_back(place)
            raise

    async def _evict(self) -> bool:
        """Stop the process that is idle for longest; False if all work."""
        idle = self._idle()
        if not idle:
            return False
        log.info("a predictor makes room for another model", extra={"model": idle[0].model})
        self._occupy(idle[0])
        await self._remove(idle[0])
        return True

    def _idle(self) -> list[Place]:
        return sorted(
            (place for place in self._places if place.idle_since is not None),
            key=lambda place: place.idle_since or 0.0,
        )

    def _occupy(self, place: Place) -> None:
        place.idle_since = None
        if place.timer:
            place.timer.cancel()

    def _give_back(self, place: Place) -> None:
        if place not in self._places:
            return
        if place.predictor is None or not place.predictor.process.alive:
            self._forget(place)
            return
        loop = asyncio.get_running_loop()
        place.idle_since = loop.time()
        place.timer = loop.call_later(self._idle_seconds, self._expire, place, context=Context())
        self._changed.set()

    def _expire(self, place: Place) -> None:
        if place.idle_since is not None:
            log.info("a predictor was idle and is stopped", extra={"model": place.model})
            self._occupy(place)
            self._keep(self._remove(place))

    def _watch(self, place: Place, predictor: Predictor) -> None:
        async def watch() -> None:
            status = await predictor.process.wait()
            await predictor.stop(grace=0)
            if place in self._places and not place.leaving:
                log.warning("a predictor ended", extra={"model": place.model, "status": status})
                self._forget(place)

        self._keep(watch())

    async def _remove(self, place: Place) -> None:
        """Stop a place's process, then free its devices: the next one needs their memory."""
        place.leaving = True
        try:
            await self._stop(place)
        finally:
            self._forget(place)

    async def _stop(self, place: Place) -> None:
        if place.timer:
            place.timer.cancel()
        if place.predictor:
            await place.predictor.stop(STOP_SECONDS)

    def _forget(self, place: Place) -> None:
        if place in self._places:
            self._places.remove(place)
        self._changed.set()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, context=Context())  # no job's log context: it outlives the job
        self._background.add(task)
        task.add_done_callback(self._background.discard)
