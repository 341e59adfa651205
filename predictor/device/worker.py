"""One device, one thread, one job.

The thread is the only one that touches the device: it loads the weights and then runs jobs. A job is
taken or refused at once, never queued. Cancelling sets a flag that the thread sees at its next step, and
the worker is free again only when the thread has really let go, so two jobs can never share the device.
"""

from __future__ import annotations

import gc
import logging
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from pathlib import Path

import psutil
from opentelemetry import trace

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import (
    Busy,
    Cancelled,
    DeviceLost,
    ModelUnavailable,
    ReelzeroError,
    Unavailable,
)
from eventing.contract.s3 import Bucket
from eventing.contract.stream import CompletedRecord, FailedRecord, Output
from eventing.contract.telemetry import job_context, tracer
from predictor import metrics
from predictor.device.run import Run, Terminal
from predictor.generation.attempt import Attempt
from predictor.generation.failures import as_failure, explain
from predictor.generation.monitor import ignore
from predictor.models.loading import LoadedModel
from predictor.settings import PredictorSettings

log = logging.getLogger(__name__)


class State(StrEnum):
    """What the worker can do now."""

    loading = "loading"
    ready = "ready"
    failed = "failed"  # the weights could not be loaded; stays up and says why
    lost = "lost"  # the device is gone or stuck; the process must be replaced
    draining = "draining"  # told to stop; finishes its job and takes no other


class Worker:
    """Owns the device. All methods are for the event loop's thread; the device thread is inside."""

    def __init__(
        self,
        entry: CatalogEntry,
        settings: PredictorSettings,
        load: Callable[[CatalogEntry, PredictorSettings], LoadedModel],
        on_stage: Callable[[str], None] = ignore,
    ) -> None:
        self.entry = entry
        self.state = State.loading
        self.cause = f"{entry.name} is loading its weights"
        self._settings = settings
        self._load = load
        self._on_stage = on_stage
        self._model: LoadedModel | None = None
        self._cold_start = 0.0  # reported by the first job only
        self._inbox: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._run: Run | None = None  # the latest
        self._device = threading.Lock()  # held from the moment a job is taken until its thread let go
        self._thread = threading.Thread(target=self._live, name=f"device-{entry.name}", daemon=True)

    def begin(self) -> None:
        """Start the device thread, which loads first. Returns at once."""
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether weights are in memory and jobs are taken, now or when the running one ends."""
        return self.look() is State.ready

    @property
    def busy(self) -> bool:
        """Whether a job holds the device."""
        return self._device.locked()

    @property
    def occupied(self) -> bool:
        """Whether the device thread is inside a load or a job."""
        return self.busy or (self._model is None and self.state is not State.failed)

    def look(self) -> State:
        """The state now: a device that keeps a job far past its limit is lost, waited for or not."""
        if self.state is not State.lost and self.busy and self._run and (cause := self._run.stuck()):
            self._lose(cause)
        return self.state

    def take(self, attempt: Attempt) -> Run:
        """Give the device to an attempt. Never waits.

        Raises Busy, ModelUnavailable or Unavailable, and InvalidRequest for what the model would round.
        """
        self._require_ready()
        self._loaded_model().pipeline.require_exact(attempt.spec)
        if not self._device.acquire(blocking=False):
            metrics.busy.labels(self.entry.name).inc()
            raise Busy(f"{self.entry.name} is busy with another job", retry_after=1)
        limit = self.entry.time_budget().predictor_limit
        run = Run(attempt, self.entry.name, limit, self._on_stage, self._lose)
        self._run = run
        self._inbox.put(run)
        return run

    def drain(self) -> None:
        """Take no more jobs; the running one goes on."""
        if self.state is not State.lost:
            self.state, self.cause = State.draining, f"{self.entry.name} is shutting down"

    def _require_ready(self) -> None:
        state = self.look()
        if state is State.failed:
            raise ModelUnavailable(self.cause)
        if state is not State.ready:
            raise Unavailable(self.cause, retry_after=1)

    def _loaded_model(self) -> LoadedModel:
        assert self._model is not None, "attempts are taken after the load"  # noqa: S101 - for the type checker
        return self._model

    def _lose(self, cause: str) -> None:
        self.state, self.cause = State.lost, cause
        log.error("device lost", extra={"cause": cause})

    def _live(self) -> None:
        """The device thread: load once, then one job after the other, forever."""
        if not self._loaded():
            return
        while True:
            run = self._inbox.get()
            terminal = self._do(run)
            self._release()
            self._device.release()
            # Last, so that whoever reads the end of a job finds the device free for the next one.
            run.publish(terminal)

    def _loaded(self) -> bool:
        try:
            self._on_stage("load")
            self._model = self._load(self.entry, self._settings)
            import_module("predictor.generation.generate")  # PyAV: the first job must not wait for it
        except Exception as error:
            log.exception("the model could not be loaded")
            told = error if isinstance(error, ReelzeroError) else explain(error)
            self.state, self.cause = State.failed, told.message
            return False
        # The weights live as long as the process: the collector need never look at them again.
        gc.collect()
        gc.freeze()
        self._cold_start = time.time() - psutil.Process().create_time()
        metrics.load_seconds.labels(self.entry.name).set(self._cold_start)
        log.info("ready", extra={"model": self.entry.name, "seconds": round(self._cold_start, 3)})
        if self.state is State.loading:
            self.state, self.cause = State.ready, ""
        return True

    def _do(self, run: Run) -> Terminal:
        """Run a job to its terminal record; never raises."""
        run.monitor.start()
        with (
            job_context(run.attempt.address.job_id, run.attempt.traceparent),
            metrics.running.labels(self.entry.name).track_inprogress(),
            tracer.start_as_current_span("generate") as span,
        ):
            try:
                record: Terminal = self._generate(run)
                self._count(run, "completed")
            except Exception as error:
                record = self._failed(run, explain(error), span)
        return record

    def _generate(self, run: Run) -> CompletedRecord:
        from predictor.generation.generate import Workspace, generate  # noqa: PLC0415 - brings torch, loaded by now

        bucket = Bucket(self._settings.s3()) if run.attempt.address.output is Output.s3 else None
        cold_start, self._cold_start = self._cold_start, 0.0
        prompt = {"prompt": run.attempt.spec.prompt} if self._settings.log_prompts else {}
        log.info(
            "job taken", extra=run.attempt.spec.model_dump(exclude={"prompt", "negative_prompt"}) | prompt
        )
        with tempfile.TemporaryDirectory(prefix="reelzero-", dir=self._settings.scratch_dir) as folder:
            workspace = Workspace(Path(folder), bucket, cold_start)
            return generate(self._loaded_model(), run.attempt, run.monitor, workspace)

    def _failed(self, run: Run, error: ReelzeroError, span: trace.Span) -> FailedRecord:
        if isinstance(error, Cancelled):
            log.info("job cancelled", extra={"stage": run.monitor.progress.stage.value})
        else:
            log.error("job failed", extra={"code": error.code}, exc_info=error)
            span.set_status(trace.StatusCode.ERROR, error.code)
        if isinstance(error, DeviceLost):
            self._lose(error.message)
        self._count(run, error.code)
        return FailedRecord(error=as_failure(error))

    def _count(self, run: Run, outcome: str) -> None:
        metrics.jobs.labels(self.entry.name, outcome).inc()
        metrics.generation_seconds.labels(self.entry.name, outcome).observe(run.monitor.elapsed)
        log.info("job ended", extra={"outcome": outcome, "seconds": round(run.monitor.elapsed, 3)})

    def _release(self) -> None:
        """Give back what a job took, also after it was cut short."""
        if self._model is None or self.state is State.lost:
            return
        try:
            self._model.pipeline.release()
        except Exception as error:
            self._lose(explain(error).message)
