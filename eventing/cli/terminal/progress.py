"""Show the progress of jobs: one line per change in a pipe, a live display on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self

from eventing.cli.terminal.output import Output
from eventing.client import Job, Model, Update
from eventing.contract.models import Stage

STAGES = {
    Stage.queued: "waits for its turn",
    Stage.starting: "a predictor starts",
    Stage.encode_prompt: "reads the prompt",
    Stage.denoise: "makes the picture",
    Stage.decode: "latents to frames",
    Stage.encode_video: "frames to H.264",
    Stage.upload: "to S3",
    Stage.engine_queue: "waits in the engine",
    Stage.generate: "makes the video",
    Stage.download: "fetches the video",
}


class Plain:
    """One line for each stage of each job; nothing for `--json` and `-q`, which print the end alone."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last: dict[str, str] = {}
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, update: Update) -> None:
        """Take an update of one job."""
        text = describe(update)
        if update.job is None and self._last.get(update.id) != update.stage:
            self._last[update.id] = update.stage
            self._output.note(f"[{time.monotonic() - self._start:6.1f} s] {update.id}  {text}", "")


def open_progress(output: Output, jobs: Sequence[Job], models: Sequence[Model]) -> Plain:
    """Return the display that fits where the output goes."""
    return Plain(output)


def describe(update: Update) -> str:
    """Put the state of a running job into words."""
    if update.stage is Stage.queued and update.waiting_for:
        return f"queued: another attempt follows ({update.waiting_for})"
    if update.stage is Stage.queued and update.queue_position:
        return f"queued: {update.queue_position} jobs are before this one"
    if update.total_steps:
        return f"{update.stage}: step {update.step} of {update.total_steps}"
    return f"{update.stage}: {STAGES[update.stage]}"
