"""Own the device: one thread loads the weights and then runs one attempt at a time.

An attempt is taken or refused at once, never queued. A cancel sets a flag that the device thread reads at
its next step. The device is free again only after the thread has left the attempt, so two attempts never
share it. What needs no device happens after that, in the tail (tail.py), while the next attempt is taken.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module

import psutil

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import FailedRecord
from eventing.contract.errors import (
    Busy,
    DeviceLost,
    ModelUnavailable,
    ReelzeroError,
    Unavailable,
)
from predictor import collector
from predictor.device.execution import Execution
from predictor.device.run import Run
from predictor.device.tail import Tail
from predictor.generation.attempt import Attempt
from predictor.generation.failures import as_failure, explain
from predictor.generation.monitor import ignore
from predictor.generation.scratch import sweep
from predictor.metrics.device_time import DeviceTime, Use
from predictor.metrics.jobs import BUSY, LOAD
from predictor.models.loading import LoadedModel, Model
from predictor.models.ranks.processes import Ranks
from predictor.settings import PredictorSettings

AWAY_POLL = 1.0  # seconds between two looks for an engine that is away
log = logging.getLogger(__name__)


class State(StrEnum):
    """What the worker can do now."""

    loading = "loading"  # the weights are read, or the engine that makes the videos is away
    ready = "ready"
    failed = "failed"  # the weights could not be loaded; the process stays up and answers with the cause
    lost = "lost"  # the device failed or is stuck; the process must be replaced
    draining = "draining"  # shutting down: the running attempt goes on, no other is taken


class Worker:
    """Owns the device. Its methods are for the event loop's thread; the device thread runs `_live`."""

    def __init__(
        self,
        entry: CatalogEntry,
        settings: PredictorSettings,
        load: Callable[[CatalogEntry, PredictorSettings], Model],
        on_stage: Callable[[str], None] = ignore,
        on_rank_lost: Callable[[str], None] = ignore,
    ) -> None:
        self.entry = entry
        self.state = State.loading
        self.cause = f"{entry.name} is loading its weights"
        self._settings = settings
        self._load = load
        self._on_stage = on_stage
        self._on_rank_lost = on_rank_lost
        self._model: Model | None = None
        self._cold_start = 0.0  # seconds; reported by the first attempt only
        self._load_times: tuple[float, float] | None = None
        self.device_time = DeviceTime(max(1, entry.gpus), time.monotonic() - _age())
        self._inbox: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._run: Run | None = None  # which has the device
        self._device = threading.Lock()  # held from `take` until the device thread has left the attempt
        self._tail = Tail(entry.name)
        self._thread = threading.Thread(target=self._live, name=f"device-{entry.name}", daemon=True)

    def begin(self) -> None:
        """Start the device thread, which loads the weights first. Returns at once."""
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Tell whether the weights are in memory and attempts are taken, now or after the running one."""
        return self.look() is State.ready

    @property
    def busy(self) -> bool:
        """Tell whether an attempt has the device."""
        return self._device.locked()

    @property
    def occupied(self) -> bool:
        """Tell whether weights are loading or an attempt has not ended."""
        return self.busy or self._tail.busy or (self._model is None and self.state is not State.failed)

    def look(self) -> State:
        """Return the state now. An attempt far past its limit is stuck, even if no client waits for it."""
        for run in filter(None, (self._run, self._tail.run)):
            if self.state is not State.lost and (cause := run.stuck()):
                self._lose(cause)
        return self.state

    def take(self, attempt: Attempt) -> Run:
        """Give the device to an attempt. Never waits.

        Raises Busy, ModelUnavailable or Unavailable, and InvalidRequest for what the model would round.
        """
        self._require_ready()
        self._loaded_model().require_exact(attempt.spec)
        if not self._device.acquire(blocking=False):
            BUSY.labels(self.entry.name).inc()
            raise Busy(f"{self.entry.name} is busy with another job", retry_after=1)
        limit = self.entry.budget.predictor_limit
        run = Run(attempt, self.entry.name, limit, self._on_stage, self._lose)
        self._run = run
        self._inbox.put(run)
        return run

    def take_load(self) -> tuple[float, float] | None:
        """Return once when the process began and when the weights were loaded, as seconds since the epoch."""
        times, self._load_times = self._load_times, None
        return times

    def drain(self) -> None:
        """Take no more attempts; the running one goes on."""
        if self.state is not State.lost:
            self.state, self.cause = State.draining, f"{self.entry.name} is shutting down"

    def close(self) -> None:
        """End the other processes of a model that runs on several GPUs."""
        if ranks := self._ranks():
            ranks.close()

    def _require_ready(self) -> None:
        state = self.look()
        if state is State.failed:
            raise ModelUnavailable(self.cause)
        if state is not State.ready:
            raise Unavailable(self.cause, retry_after=1)

    def _loaded_model(self) -> Model:
        assert self._model is not None, "no attempt is taken before the load"  # noqa: S101 - for the type checker
        return self._model

    def _ranks(self) -> Ranks | None:
        return self._model.ranks if isinstance(self._model, LoadedModel) else None

    def _lose(self, cause: str) -> None:
        self.state, self.cause = State.lost, cause
        log.error("device lost", extra={"cause": cause})

    def _lose_rank(self, cause: str) -> None:
        """End the running attempt at once: its thread may wait for the lost rank. Any thread may call it."""
        self._lose(cause)
        if run := self._run:
            run.finish(FailedRecord(error=as_failure(DeviceLost(cause))))
        self._on_rank_lost(cause)

    def _live(self) -> None:
        """Run the device thread: load once, then one attempt after the other."""
        sweep(self._settings.scratch_dir)
        if not self._loaded():
            return
        self._tail.start()
        while True:
            self._execute(self._inbox.get())
            if self.state is State.loading and self._open():  # the engine went away and is back
                self._become_ready()

    def _execute(self, run: Run) -> None:
        """Run an attempt on the device, then hand it to the tail."""
        execution = Execution(run, self._settings, self._look_at, self.device_time.devices)
        cold_start, self._cold_start = self._cold_start, 0.0
        with self.device_time.busy():
            terminal = execution.on_device(self._loaded_model(), self._finish, cold_start, self._tail.reserve)
        self._release()
        self._run = None
        self._device.release()
        # Only now, so that a client that reads it can send its next request to a free device.
        if terminal:
            run.finish(terminal)
        else:
            run.leave_device()
            self._tail.begin(execution.off_device)

    def _look_at(self, error: ReelzeroError) -> None:
        if isinstance(error, DeviceLost):
            self._lose(error.message)

    def _open(self) -> bool:
        """Load the model. Try again while what it needs is away, such as an engine that loads its weights.

        False if the process shuts down before.
        """
        while self.state is State.loading:
            try:
                self._model = self._load(self.entry, self._settings)
                return True
            except Unavailable as error:
                if error.message != self.cause:
                    log.warning("the model has to wait", extra={"cause": error.message})
                self.cause = error.message
            finally:
                collector.resume()
            time.sleep(AWAY_POLL)
        return False

    def _become_ready(self) -> None:
        if self.state is State.loading:
            self.device_time.become(Use.idle)
            self.state, self.cause = State.ready, ""

    def _loaded(self) -> bool:
        try:
            self._on_stage("load")
            import_module("predictor.generation.generate")  # PyAV: import it here, not in the first attempt
            self._finish = import_module("predictor.generation.finish").load_finish(self._settings)
            if not self._open():
                return False
        except DeviceLost as error:  # a rank is gone, which no later attempt can mend
            self._lose(error.message)
            self._on_rank_lost(error.message)
            return False
        except Exception as error:
            log.exception("the model could not be loaded")
            self.state, self.cause = State.failed, self._load_failure(error)
            self.device_time.become(Use.idle)
            return False
        began, ready = psutil.Process().create_time(), time.time()
        self._cold_start, self._load_times = ready - began, (began, ready)
        LOAD.labels(self.entry.name).set(self._cold_start)
        log.info("ready", extra={"model": self.entry.name, "seconds": round(self._cold_start, 3)})
        self._become_ready()
        if ranks := self._ranks():
            ranks.when_lost(self._lose_rank)
        return True

    def _load_failure(self, error: Exception) -> str:
        if isinstance(error, ReelzeroError):
            return error.message
        name = type(error).__name__
        return f"{self.entry.name} could not be loaded: {name}; the predictor's log has the details"

    def _release(self) -> None:
        """Free the memory of an attempt, also of one that was stopped."""
        if self.state is State.lost:
            return
        try:
            self._loaded_model().release()
        except Unavailable as error:
            if self.state is State.ready:
                self.device_time.become(Use.loading)
                self.state, self.cause = State.loading, error.message
        except Exception as error:
            self._lose(explain(error).message)


def _age() -> float:
    """Return the seconds since this process began."""
    return time.time() - float(psutil.Process().create_time())
