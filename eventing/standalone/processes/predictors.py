"""Run predictors as local processes on one pool of devices, from none to one per device.

A job opens its model. If an idle process has the model, it is reused. Else a new process starts on free
devices; if too few are free, the process that has been idle longest is stopped first. A process that is idle
too long is stopped to free its memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from eventing.contract.catalog import Catalog, CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.domain.pool import Pool, PredictorState
from eventing.served import Obstacle, no_obstacle
from eventing.standalone.processes.devices import CPU
from eventing.standalone.processes.launch import Launcher, Predictor

POOL = "local"
STOP_SECONDS = 30.0  # at the end of this service, when no job is left; a predictor without one ends in less
log = logging.getLogger(__name__)


@dataclass(eq=False)
class Slot:
    """Devices in use by a process that starts (`predictor` is None), works or idles."""

    devices: tuple[str, ...]
    model: str
    predictor: Predictor | None = None
    idle_since: float | None = None  # by the loop's clock
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    stopping: bool = False

    def shown(self) -> PredictorState:
        """Return what an operator sees of it."""
        if self.predictor is None:
            return PredictorState(self.model, "new process", "starting")
        name = f"process {self.predictor.process.pid}"
        if self.stopping:
            return PredictorState(self.model, name, "stopping")
        state: Literal["working", "idle"] = "working" if self.idle_since is None else "idle"
        return PredictorState(self.model, name, state, urlsplit(self.predictor.url).netloc)


class LocalPredictors:
    """The Endpoints of one machine."""

    def __init__(
        self, launcher: Launcher, catalog: Catalog, routes: Iterable[tuple[str, str]],
        devices: Sequence[str], idle_seconds: float, missing_weights: Obstacle = no_obstacle,
    ) -> None:  # fmt: skip
        self._launcher = launcher
        self._catalog = catalog
        self._routes = tuple(routes)
        self._devices = tuple(devices)
        self._idle_seconds = idle_seconds
        self._missing_weights = missing_weights
        self._slots: list[Slot] = []
        self._turn = (
            asyncio.Lock()
        )  # first come, first served: a model that needs many devices does not starve
        self._changed = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()

    def pools(self) -> tuple[Pool, ...]:
        """Return one pool with a slot per device, shared by all models and lanes."""
        return (Pool(POOL, len(self._devices), self._routes, self._idle_seconds),)

    def running(self) -> Mapping[int, str]:
        """Return process id → model of all running predictors, for tests and logs."""
        return {slot.predictor.process.pid: slot.model for slot in self._slots if slot.predictor}

    def predictors(self) -> list[PredictorState]:
        """Return the predictors of this machine, also those that start or stop."""
        return [slot.shown() for slot in self._slots]

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """Lend a ready predictor of the model to one caller. Raises ModelUnavailable with the reason."""
        slot = await self._take(self._catalog.get(model))
        try:
            if slot.predictor is None:
                slot.predictor = await self._launcher.start(self._catalog.get(model), slot.devices)
                self._watch(slot, slot.predictor)
            yield slot.predictor.url
        finally:
            self._give_back(slot)

    async def close(self) -> None:
        """Stop every predictor."""
        slots, self._slots = self._slots, []
        await asyncio.gather(*(self._stop(slot, STOP_SECONDS) for slot in slots))
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _take(self, entry: CatalogEntry) -> Slot:
        """Return a slot with an idle predictor of the model, or with free devices for a new process."""
        needed = self._needed(entry)
        async with self._turn:
            while True:
                self._changed.clear()
                if slot := await self._reuse(entry.name):
                    return slot
                free = self._free()
                if len(free) >= needed:
                    slot = Slot(free[:needed], entry.name)
                    self._slots.append(slot)
                    return slot
                if not await self._evict():
                    await self._changed.wait()

    def obstacle(self, model: str) -> str | None:
        """Return why this machine cannot run the model: missing GPUs or weights; None if it may."""
        try:
            self._needed(self._catalog.get(model))
        except ModelUnavailable as error:
            return error.message
        return self._missing_weights(model)

    def _needed(self, entry: CatalogEntry) -> int:
        gpus = [device for device in self._devices if device != CPU]
        on_cpu = self._launcher.environment.get("REELZERO_DEVICE") == CPU
        if entry.gpus <= len(gpus) or on_cpu:
            return max(1, min(entry.gpus, len(self._devices)))
        have = f"{len(gpus)}" if gpus else "no GPU"
        raise ModelUnavailable(
            f"{entry.name} needs {entry.gpus} GPU{'s' * (entry.gpus > 1)} and this machine has {have}; "
            "set REELZERO_DEVICE=cpu to try it on the CPU"
        )

    def _free(self) -> tuple[str, ...]:
        used = {device for slot in self._slots for device in slot.devices}
        return tuple(device for device in self._devices if device not in used)

    async def _reuse(self, model: str) -> Slot | None:
        for slot in [slot for slot in self._idle() if slot.model == model]:
            self._occupy(slot)
            # Checked, because a process can outlive the loss of its device.
            if slot.predictor and await self._settled(slot, slot.predictor):
                return slot
            await self._removed(slot)
        return None

    async def _settled(self, slot: Slot, predictor: Predictor) -> bool:
        try:
            return await predictor.is_ready()
        except asyncio.CancelledError:
            self._give_back(slot)
            raise

    async def _evict(self) -> bool:
        """Stop the process that has been idle longest; False if all work."""
        idle = self._idle()
        if not idle:
            return False
        log.info("a predictor makes room for another model", extra={"model": idle[0].model})
        self._occupy(idle[0])
        await self._removed(idle[0])
        return True

    def _idle(self) -> list[Slot]:
        return sorted(
            (slot for slot in self._slots if slot.idle_since is not None),
            key=lambda slot: slot.idle_since or 0.0,
        )

    def _occupy(self, slot: Slot) -> None:
        slot.idle_since = None
        if slot.timer:
            slot.timer.cancel()

    def _give_back(self, slot: Slot) -> None:
        if slot not in self._slots:
            return
        if slot.predictor is None or not slot.predictor.process.alive:
            self._forget(slot)
            return
        loop = asyncio.get_running_loop()
        slot.idle_since = loop.time()
        slot.timer = loop.call_later(self._idle_seconds, self._expire, slot, context=Context())
        self._changed.set()

    def _expire(self, slot: Slot) -> None:
        if slot.idle_since is not None:
            log.info("a predictor was idle and is stopped", extra={"model": slot.model})
            self._occupy(slot)
            self._keep(self._remove(slot))

    def _watch(self, slot: Slot, predictor: Predictor) -> None:
        async def watch() -> None:
            status = await predictor.process.wait()
            await predictor.stop(grace=0)
            if slot in self._slots and not slot.stopping:
                log.warning("a predictor ended", extra={"model": slot.model, "status": status})
                self._forget(slot)

        self._keep(watch())

    async def _removed(self, slot: Slot) -> None:
        """Remove a slot. A caller that is cancelled does not cut the upload of another job."""
        await asyncio.shield(self._keep(self._remove(slot)))

    async def _remove(self, slot: Slot) -> None:
        """Stop a slot's process, then free its devices: the next process needs their memory.

        Its last job may still be encoded and uploaded, so it gets the seconds that a pod gets.
        """
        slot.stopping = True
        try:
            await self._stop(slot, self._catalog.get(slot.model).budget.drain_grace)
        finally:
            self._forget(slot)

    async def _stop(self, slot: Slot, grace: float) -> None:
        if slot.timer:
            slot.timer.cancel()
        if slot.predictor:
            await slot.predictor.stop(grace)

    def _forget(self, slot: Slot) -> None:
        if slot in self._slots:
            self._slots.remove(slot)
        self._changed.set()

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, context=Context())  # no job's log context: it outlives the job
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
