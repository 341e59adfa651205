"""Show the steps of `reelzero run`: a live list on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

QUIET_SECONDS = 2.0  # between plain lines of one stage


class Screen(ABC):
    """Steps in order. A step begins, may move, and ends when the next begins or with `done`."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(broken=kind is not None)

    def close(self, broken: bool) -> None:  # noqa: B027 - most screens hold nothing
        """Leave the steps as they are. `broken`: the running step failed."""

    @abstractmethod
    def step(self, name: str, text: str) -> None:
        """Begin a step, or change the text of the running one."""

    @abstractmethod
    def move(self, name: str, step: int, total: int) -> None:
        """Show progress within a step: `step` of `total`."""

    @abstractmethod
    def done(self, name: str, text: str) -> None:
        """End the step."""

    def say(self, text: str = "", style: str = "", copy: bool = False) -> None:
        """Print a line. With `copy` it is never wrapped, so that it can be copied whole."""
        self.console.print(
            Text(text, style), soft_wrap=copy, overflow="ignore" if copy else None, no_wrap=copy, crop=False
        )


def open_screen(console: Console) -> Screen:
    """Return the live screen for a terminal, else the plain one."""
    return (
        LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else PlainScreen(console)
    )


class PlainScreen(Screen):
    """One line per event, with the seconds since the start; for logs, pipes and CI."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._start = time.monotonic()
        self._last: tuple[str, str] = ("", "")
        self._moved = 0.0

    def step(self, name: str, text: str) -> None:
        """Print the line unless it is the same as the last."""
        if (name, text) != self._last:
            self._last = (name, text)
            self._line(name, text)

    def move(self, name: str, step: int, total: int) -> None:
        """Print a line every few seconds, and at the end."""
        now = time.monotonic()
        if step == total or now - self._moved >= QUIET_SECONDS:
            self._moved = now
            self.step(name, f"{step} of {total}")

    def done(self, name: str, text: str) -> None:
        """Print the line unless it is the same as the last."""
        self.step(name, text)

    def _line(self, name: str, text: str) -> None:
        seconds = time.monotonic() - self._start
        self.say(f"[{seconds:6.1f} s] {name:<12} {text}", copy=True)


class LiveScreen(Screen):
    """A list of steps, with a bar and a clock for the running one."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = Progress(
            _Mark(finished_text="[green]✓"),
            TextColumn("{task.fields[name]:<12}", markup=False),
            TextColumn("{task.description}", markup=False, table_column=Column(min_width=46, no_wrap=True)),
            _Bar(bar_width=24),
            _Clock(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_texts: dict[str, str] = {}
        self._current = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self, broken: bool) -> None:
        """Stop drawing; a step that failed gets a cross."""
        if broken and self._current:
            self._progress.update(self._tasks[self._current], broken=True)
            self._progress.stop_task(self._tasks[self._current])
        self._progress.stop()

    def step(self, name: str, text: str) -> None:
        """Begin a step and finish the one before."""
        if self._current not in ("", name):
            self._finish(self._current)
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(text, total=None, name=name)
        self._current = name
        self._progress.update(self._tasks[name], description=text)

    def move(self, name: str, step: int, total: int) -> None:
        """Move the bar. Only the next step finishes it."""
        self.step(name, f"{step} of {total}")
        self._last_texts[name] = f"{total} steps"  # the last step may not be reported
        self._progress.update(self._tasks[name], completed=min(step, total - 0.01), total=total)

    def done(self, name: str, text: str) -> None:
        """End the step with a tick."""
        self.step(name, text)
        self._finish(name)
        self._current = ""

    def _finish(self, name: str) -> None:
        text = self._last_texts.get(name) or self._progress.tasks[self._tasks[name]].description
        self._progress.update(self._tasks[name], total=1, completed=1, description=text)
        self._progress.stop_task(self._tasks[name])


class _Mark(SpinnerColumn):
    """A spinner, a tick or a cross."""

    def render(self, task: Task) -> Any:
        return Text("✗", "red") if task.fields.get("broken") else super().render(task)


class _Bar(BarColumn):
    """A bar while the step has a total."""

    def render(self, task: Task) -> Any:
        return Text("") if task.total is None or task.finished else super().render(task)


class _Clock(ProgressColumn):
    """The seconds that a step has taken."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0.0:6.1f} s", "dim")
