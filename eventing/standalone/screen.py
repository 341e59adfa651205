"""What `reelzero run` shows while it works: a live list of steps on a terminal, plain lines elsewhere."""

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
    """Steps in order. A step begins, may move, and is done when the next begins or `done` says so."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(broken=kind is not None)

    def close(self, broken: bool) -> None:  # noqa: B027 - most screens hold nothing
        """Leave the steps as they are; `broken`: the one that runs did not end well."""

    @abstractmethod
    def step(self, name: str, text: str) -> None:
        """Begin a step, or say more about the one that runs."""

    @abstractmethod
    def move(self, name: str, step: int, total: int) -> None:
        """Progress within a step: `step` of `total`."""

    @abstractmethod
    def done(self, name: str, text: str) -> None:
        """The step is finished."""

    def say(self, text: str = "", style: str = "", copy: bool = False) -> None:
        """A line for people; with `copy` it is never wrapped, so that it can be copied whole."""
        self.console.print(
            Text(text, style), soft_wrap=copy, overflow="ignore" if copy else None, no_wrap=copy, crop=False
        )


def open_screen(console: Console) -> Screen:
    """The screen that suits where the output goes."""
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
        """Say it once."""
        if (name, text) != self._last:
            self._last = (name, text)
            self._line(name, text)

    def move(self, name: str, step: int, total: int) -> None:
        """Say it now and then, and at the end."""
        now = time.monotonic()
        if step == total or now - self._moved >= QUIET_SECONDS:
            self._moved = now
            self.step(name, f"{step} of {total}")

    def done(self, name: str, text: str) -> None:
        """Say it once."""
        self.step(name, text)

    def _line(self, name: str, text: str) -> None:
        seconds = time.monotonic() - self._start
        self.say(f"[{seconds:6.1f} s] {name:<12} {text}", copy=True)


class LiveScreen(Screen):
    """A list of steps with a bar and a clock for the one that runs."""

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
        self._last_words: dict[str, str] = {}
        self._current = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self, broken: bool) -> None:
        """Stop drawing, with a cross at the step that broke."""
        if broken and self._current:
            self._progress.update(self._tasks[self._current], broken=True)
            self._progress.stop_task(self._tasks[self._current])
        self._progress.stop()

    def step(self, name: str, text: str) -> None:
        """Begin it, and finish the one before."""
        if self._current not in ("", name):
            self._finish(self._current)
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(text, total=None, name=name)
        self._current = name
        self._progress.update(self._tasks[name], description=text)

    def move(self, name: str, step: int, total: int) -> None:
        """Move the bar; the last step does not finish it, what follows does."""
        self.step(name, f"{step} of {total}")
        self._last_words[name] = f"{total} steps"  # progress is seen now and then; the last step may not be
        self._progress.update(self._tasks[name], completed=min(step, total - 0.01), total=total)

    def done(self, name: str, text: str) -> None:
        """Tick it off."""
        self.step(name, text)
        self._finish(name)
        self._current = ""

    def _finish(self, name: str) -> None:
        text = self._last_words.get(name) or self._progress.tasks[self._tasks[name]].description
        self._progress.update(self._tasks[name], total=1, completed=1, description=text)
        self._progress.stop_task(self._tasks[name])


class _Mark(SpinnerColumn):
    """Turning, done or broken."""

    def render(self, task: Task) -> Any:
        return Text("✗", "red") if task.fields.get("broken") else super().render(task)


class _Bar(BarColumn):
    """A bar while there is something to count."""

    def render(self, task: Task) -> Any:
        return Text("") if task.total is None or task.finished else super().render(task)


class _Clock(ProgressColumn):
    """Seconds a step runs or took."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0.0:6.1f} s", "dim")
