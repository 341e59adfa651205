"""Show the progress of jobs: one line per stage in a pipe, a live display with a preview on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventing.cli.terminal.screen.lines import BAR, REFRESH, Lines
from eventing.cli.terminal.screen.output import Output, duration, safe
from eventing.cli.terminal.screen.preview import ERASE, Mode, Picture
from eventing.client import Job, Model, Update
from eventing.contract.records.models import Stage, Status

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
MARKS = {Status.completed: ("✓", "green"), Status.failed: ("✗", "red"), Status.cancelled: ("✗", "dim")}
SHORT = 8  # last characters of an id, where several jobs share the display


class Plain(Lines):
    """One line for each stage of each job; nothing for `--json` and `-q`, which print the end alone."""

    mode = Mode.off

    def show(self, update: Update) -> None:
        """Take an update of one job."""
        if update.job is None and self._last.get(update.id) != update.stage:
            self._last[update.id] = update.stage
            self._say(f"{update.id}  {describe(update)}")

    def draw(self, jpeg: bytes) -> None:
        """Take a preview."""


@dataclass
class Row:
    """What is known of one job: its latest update, when its stage began, and how long it may take."""

    update: Update | None = None
    stage_since: float = 0.0
    expected: float | None = None

    def take(self, update: Update) -> None:
        """Take an update."""
        if self.update is None or self.update.stage is not update.stage:
            self.stage_since = time.monotonic()
        self.update = update

    def clock(self) -> str:
        """Return elapsed against expected time: of the model's entry, else by the share that is done."""
        update = self.update
        if update is None or update.stage in (Stage.queued, Stage.starting):
            return duration(time.monotonic() - self.stage_since) if update else ""
        if update.job:
            return duration(update.job.result.timings.total if update.job.result else update.elapsed_seconds)
        elapsed = update.elapsed_seconds
        left = elapsed * (100 - update.percent) / update.percent if update.percent > 5 else None
        if self.expected is None and left is None:
            return duration(elapsed)
        return f"{duration(elapsed)} of ~{duration(self.expected or elapsed + (left or 0))}"


class LiveDisplay(Plain):
    """A row for each job, drawn over itself, and below one job its latest preview."""

    def __init__(self, output: Output, rows: Mapping[str, Row], mode: Mode) -> None:
        super().__init__(output)
        self.mode = mode if len(rows) == 1 else Mode.off
        self._rows = rows
        self._picture: Picture | None = None
        self._live = Live(
            get_renderable=self._render, console=output.console, refresh_per_second=REFRESH, transient=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._picture and self.mode is Mode.kitty:
            self._output.console.file.write(ERASE)
        self._picture = None  # the video says more
        self._live.stop()

    def show(self, update: Update) -> None:
        """Take an update of one job."""
        self._rows[update.id].take(update)

    def draw(self, jpeg: bytes) -> None:
        """Take a preview. One that cannot be read is left out."""
        try:
            self._picture = Picture.read(jpeg, self.mode)
        except OSError:
            self._picture = None

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for job_id, row in self._rows.items():
            name = [] if len(self._rows) == 1 else [Text("…" + job_id[-SHORT:], "dim")]
            table.add_row(*name, *_cells(row))
        return Group(self._picture, table) if self._picture else table


def open_progress(output: Output, jobs: Sequence[Job], models: Sequence[Model], mode: Mode) -> Plain:
    """Return the display that fits where the output goes."""
    if not output.is_live:
        return Plain(output)
    return LiveDisplay(output, {job.id: Row(expected=_expected(job, models)) for job in jobs}, mode)


def describe_progress(job: Job) -> str:
    """Put the state of a job into words."""
    return describe(Update.of_state(job))


def describe(update: Update) -> str:
    """Put the state of a running job into words."""
    if update.stage is Stage.queued and update.waiting_for:
        return f"queued: another attempt follows ({update.waiting_for})"
    if update.stage is Stage.queued and update.queue_position:
        jobs = "1 job is" if update.queue_position == 1 else f"{update.queue_position} jobs are"
        return f"queued: {jobs} before this one"
    if update.total_steps:
        return f"{update.stage}: step {update.step} of {update.total_steps}"
    return f"{update.stage}: {STAGES[update.stage]}"


def _cells(row: Row) -> list[RenderableType]:
    update = row.update
    if update is None:
        return [Text("…"), Text("")]
    if update.job:
        mark, colour = MARKS[update.job.status]
        return [Text(mark, colour), Text(""), Text(str(update.job.status), colour), Text(row.clock(), "dim")]
    bar = ProgressBar(total=100, completed=update.percent, width=BAR, pulse=update.percent == 0)
    return [bar, Text(f"{update.percent:3} %"), Text(safe(describe(update))), Text(row.clock(), "dim")]


def _expected(job: Job, models: Sequence[Model]) -> float | None:
    """Return the seconds that the catalog expects of the tier; None if it does not say."""
    tiers = next((model.quality for model in models if model.id == job.model), {})
    tier = tiers.get(job.request.quality)
    return tier.expected_seconds if tier else None
