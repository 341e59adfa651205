"""Show the progress of a story: a line for each change in a pipe, a row for each step on a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from eventing.cli.terminal.screen.lines import BAR, REFRESH, Lines
from eventing.cli.terminal.screen.output import Output, duration, safe
from eventing.client.story_records import Story, StoryStep

ROWS = 24  # steps that are all shown; of more those that run or failed
MARKS = {
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("✗", "dim"),
    "skipped": ("-", "dim"),
    "waiting": ("·", "dim"),
}


class Plain(Lines):
    """One line whenever the state of a step changes; nothing for `--json` and `-q`."""

    def show(self, story: Story) -> None:
        """Take a story as it is now."""
        for step in story.steps:
            words = describe(step)
            if words != self._last.get(step.name, "waits"):
                self._last[step.name] = words
                self._say(f"{story.percent:3} %  {step.name}  {words}")


class LiveDisplay(Plain):
    """A row for each step and one for the whole, drawn over themselves."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._story: Story | None = None
        self._live = Live(get_renderable=self._render, console=output.console, refresh_per_second=REFRESH)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, story: Story) -> None:
        """Take a story as it is now."""
        self._story = story

    def _render(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        if self._story is None:
            return table
        for step in shown(self._story.steps):
            mark, colour = MARKS.get(step.state, ("", ""))
            bar = ProgressBar(total=100, completed=step.percent, width=BAR, pulse=step.queued)
            first = bar if step.state == "running" else Text(mark, colour)
            table.add_row(first, Text(safe(step.name)), Text(safe(describe(step)), colour))
        done = sum(step.state == "completed" for step in self._story.steps)
        whole = ProgressBar(total=100, completed=self._story.percent, width=BAR)
        elapsed = duration(time.monotonic() - self._start)
        words = f"{self._story.percent} %, {done} of {len(self._story.steps)} steps, {elapsed}"
        table.add_row(whole, Text("the whole", "bold"), Text(words, "bold"))
        return table


def open_story(output: Output) -> Plain:
    """Return the display that fits where the output goes."""
    return LiveDisplay(output) if output.is_live else Plain(output)


def shown(steps: Sequence[StoryStep]) -> Sequence[StoryStep]:
    """Return the steps that fit on a screen."""
    if len(steps) <= ROWS:
        return steps
    return [step for step in steps if step.state in ("running", "failed")][:ROWS]


def describe(step: StoryStep) -> str:
    """Put the state of a step into words."""
    if step.state == "waiting":
        return "waits"
    if step.state == "running":
        return "waits for a worker" if step.queued else "runs"
    if step.error and step.state == "failed":
        return f"failed: {step.error.message}"
    if step.reused:
        return "as before, reused"
    seconds = "" if step.seconds is None else f" in {step.seconds:.1f} s"
    return f"{step.state}{seconds if step.state == 'completed' else ''}"
