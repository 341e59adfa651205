"""Take one attempt to its terminal record: first on the device, then off it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from opentelemetry import trace

from eventing.contract.codecs.stream import CompletedRecord, FailedRecord, Output
from eventing.contract.errors import Cancelled, ReelzeroError
from eventing.contract.storage.s3 import Bucket
from eventing.contract.telemetry import Failing, exemplar, job_context, tracer
from predictor.device.channel import Terminal
from predictor.device.run import Run
from predictor.generation.failures import as_failure, explain
from predictor.generation.scratch import job_folder
from predictor.metrics.jobs import GENERATION, JOBS, RUNNING, WASTED
from predictor.models.loading import Model
from predictor.settings import PredictorSettings

if TYPE_CHECKING:
    from predictor.generation.finish import Finish  # brings PyAV, loaded beside the weights

log = logging.getLogger(__name__)


class Execution:
    """One attempt. `on_failure` gets the error of a failure before its record is made."""

    def __init__(
        self, run: Run, settings: PredictorSettings, on_failure: Callable[[ReelzeroError], None], devices: int
    ) -> None:
        self._run, self._settings, self._on_failure = run, settings, on_failure
        self._devices = devices
        self._span: trace.Span = trace.INVALID_SPAN
        self._model = run.attempt.spec.model
        self._rest: Callable[[], CompletedRecord] | None = None
        self._device_seconds: float | None = None  # None while the attempt is on the device
        self._kept = ExitStack()  # what the rest needs, such as the folder on the scratch disk

    def on_device(
        self, model: Model, finish: Finish, cold_start: float, reserve: Callable[[Run], None]
    ) -> Terminal | None:
        """Do what needs the device. Return the terminal record of an attempt that ends here. Never raises.

        `reserve` waits for the place after the device, where `off_device` runs.
        """
        run = self._run
        run.monitor.start()
        with self._context(), RUNNING.labels(self._model).track_inprogress():
            self._span = tracer.start_span("generate", attributes=self._attributes())
            with trace.use_span(self._span):
                try:
                    with ExitStack() as stack:
                        self._rest = self._begin(model, finish, cold_start, stack)
                        reserve(run)
                        self._kept = stack.pop_all()
                        self._device_seconds = run.monitor.elapsed
                except Exception as error:
                    return self._failed(explain(error))
        return None

    def off_device(self) -> Terminal:
        """Do the rest. Never raises."""
        with self._context(), trace.use_span(self._span):
            try:
                assert self._rest is not None, "on_device came first"  # noqa: S101 - for the type checker
                with self._kept:
                    record = self._rest()
            except Exception as error:
                return self._failed(explain(error))
            self._count("completed")
        return record

    @contextmanager
    def _context(self) -> Iterator[None]:
        with job_context(self._run.attempt.address.job_id, self._run.attempt.traceparent):
            yield

    def _begin(
        self, model: Model, finish: Finish, cold_start: float, stack: ExitStack
    ) -> Callable[[], CompletedRecord]:
        from predictor.generation.generate import begin  # noqa: PLC0415 - brings torch, loaded by now
        from predictor.generation.workspace import Workspace  # noqa: PLC0415 - the same

        attempt, settings = self._run.attempt, self._settings
        secret = set() if settings.log_prompts else {"prompt"}
        log.info("job taken", extra=attempt.spec.model_dump(exclude={"negative_prompt", *secret}))
        needs_s3 = attempt.address.output is Output.s3 or attempt.spec.pictures()
        bucket = Bucket(settings.s3()) if needs_s3 else None
        folder = stack.enter_context(job_folder(settings.scratch_dir))
        space = Workspace(folder, bucket, cold_start, finish, settings.preview_steps)
        return begin(model, attempt, self._run.monitor, space, stack)

    def _failed(self, error: ReelzeroError) -> FailedRecord:
        if isinstance(error, Cancelled):
            log.info("job cancelled", extra={"stage": self._run.monitor.progress.stage.value})
        else:
            log.error("job failed", extra={"code": error.code}, exc_info=error)
        Failing(self._span).fail(error.code)
        self._on_failure(error)
        self._count(error.code)
        return FailedRecord(error=as_failure(error))

    def _attributes(self) -> dict[str, str | int]:
        """Return what the span tells of the video; of its prompt only if the logs may have it too."""
        spec, address = self._run.attempt.spec, self._run.attempt.address
        size = {"width": spec.width, "height": spec.height, "num_frames": spec.num_frames, "fps": spec.fps}
        attributes: dict[str, str | int] = {f"reelzero.video.{name}": value for name, value in size.items()}
        attributes |= {"reelzero.job.id": address.job_id, "reelzero.attempt": address.attempt}
        attributes |= {"gen_ai.request.model": spec.model, "gen_ai.request.seed": spec.seed}
        return attributes | ({"reelzero.prompt": spec.prompt} if self._settings.log_prompts else {})

    def _count(self, outcome: str) -> None:
        seconds = self._run.monitor.elapsed
        JOBS.labels(self._model, outcome).inc()
        GENERATION.labels(self._model, outcome).observe(seconds, exemplar=exemplar())
        if outcome != "completed":
            wasted = seconds if self._device_seconds is None else self._device_seconds
            WASTED.labels(self._model, outcome).inc(wasted * self._devices)
        log.info("job ended", extra={"outcome": outcome, "seconds": round(seconds, 3)})
        self._span.end()
