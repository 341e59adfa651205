"""Follow one running attempt: publish its stages, steps and timings, and stop it on cancel or time-out.

The device thread calls `stage`, `step` and `check`; any thread may call `cancel`. A cancel raises in the
device thread at its next check, because a thread that runs a CUDA kernel can be stopped in no other way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eventing.contract.errors import Cancelled, GenerationTimeout
from eventing.contract.records.models import Progress, Stage
from eventing.contract.records.results import Timings
from eventing.contract.telemetry import exemplar, span
from predictor.metrics.jobs import STAGE, STEP_RATE, STEPS, UPLOADED

AT_ENGINE = (Stage.engine_queue, Stage.generate, Stage.download)


def ignore(_: object) -> None:
    """Do nothing: the default for a listener."""


class Monitor:
    """Progress of one attempt. `limit` is in seconds from the moment its work starts."""

    def __init__(
        self,
        model: str,
        limit: float,
        publish: Callable[[Progress], None] = ignore,
        on_stage: Callable[[str], None] = ignore,
        show: Callable[[Any], None] = ignore,
    ) -> None:
        self._model = model
        self._limit = limit
        self._publish = publish
        self._on_stage = on_stage
        self.show = show  # takes the pixels of a preview
        self._cancelled = threading.Event()
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}
        self.progress = Progress(stage=Stage.encode_prompt)

    def start(self) -> None:
        """Count time from now."""
        self._started = time.monotonic()

    def cancel(self) -> None:
        """Stop the attempt at its next check. Any thread may call it, any number of times."""
        self._cancelled.set()

    @property
    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started

    @property
    def remaining(self) -> float:
        """Return the seconds until the limit; negative after it."""
        return self._limit - self.elapsed

    def check(self) -> None:
        """Raise Cancelled or GenerationTimeout if the attempt must stop."""
        if self._cancelled.is_set():
            raise Cancelled("the caller closed the connection or cancelled the job")
        if self.remaining < 0:
            raise GenerationTimeout(
                f"{self._model} took longer than its limit of {self._limit:g} s; "
                "ask for fewer frames or steps, or raise the model's budget"
            )

    def wait(self, seconds: float) -> None:
        """Wait until the time is over, the limit is reached or the attempt is cancelled; then check."""
        self._cancelled.wait(max(0.0, min(seconds, self.remaining)))
        self.check()

    def step(self, done: int, total: int) -> None:
        """Check, then publish that `done` of `total` steps of the stage are finished."""
        self.check()
        if self.progress.stage is Stage.denoise:
            STEPS.labels(self._model).inc(max(0, done - self.progress.step))
        self._show(self.progress.stage, min(done, total), total)

    @contextmanager
    def stage(self, stage: Stage, total: int = 0) -> Iterator[None]:
        """Run one stage: publish its begin, check, and measure it."""
        self._show(stage, 0, total)
        self._on_stage(stage.value)
        self.check()
        begin = time.monotonic()
        with span(stage.value, attributes={"reelzero.steps": total} if total else {}):
            yield
        self._seconds[stage.value] = time.monotonic() - begin
        STAGE.labels(self._model, stage.value).observe(self._seconds[stage.value], exemplar=exemplar())
        if stage is Stage.denoise and self._seconds[stage.value]:
            STEP_RATE.labels(self._model).set(self.progress.step / self._seconds[stage.value])

    def uploaded(self, size: int) -> None:
        """Count the bytes of a file that is in S3 now."""
        UPLOADED.labels(self._model).inc(size)

    def pass_point(self, name: str) -> None:
        """Report a point between stages, where a test may hold the attempt."""
        self._on_stage(name)

    def timings(self, load: float) -> Timings:
        """Return the seconds of every stage; 0 for a stage that did not run."""
        stages = ("encode_prompt", "denoise", "decode", "encode_video", "upload")
        seconds = {stage: round(self._seconds.get(stage, 0.0), 4) for stage in stages}
        engine = round(sum(self._seconds.get(stage, 0.0) for stage in AT_ENGINE), 4) or None
        return Timings(load=round(load, 4), total=round(self.elapsed, 4), engine=engine, **seconds)

    def _show(self, stage: Stage, step: int, total: int) -> None:
        self.progress = Progress(
            stage=stage, step=step, total_steps=total, elapsed_seconds=round(self.elapsed, 3)
        )
        self._publish(self.progress)
