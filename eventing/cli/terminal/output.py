"""Write what a command has to say: for people, for `--json`, or ids alone (`-q`).

Results go to standard output, notes and errors to standard error. On a terminal tables fit its width and have
colours, unless NO_COLOR is set; in a pipe they are tab-separated and nothing is cut.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventing.contract.models import Status

COLOURS = {
    Status.queued: "yellow",
    Status.in_progress: "cyan",
    Status.completed: "green",
    Status.failed: "red",
    Status.cancelled: "dim",
}


def _stdout() -> Console:
    return Console(highlight=False, soft_wrap=False)


def _stderr() -> Console:
    return Console(highlight=False, stderr=True)


@dataclass(frozen=True)
class Output:
    """How one command writes."""

    as_json: bool = False
    quiet: bool = False
    console: Console = field(default_factory=_stdout)
    errors: Console = field(default_factory=_stderr)

    @property
    def is_live(self) -> bool:
        """Tell whether a live display makes sense: a terminal, and a person who reads it."""
        console = self.console
        return console.is_terminal and not console.is_dumb_terminal and not (self.as_json or self.quiet)

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line that is never wrapped, so that it can be copied whole."""
        self.console.print(Text(text, style), soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Write a remark to standard error, unless only ids or JSON are wanted."""
        if not (self.quiet or self.as_json):
            self.errors.print(Text(text, style))

    def error(self, text: str) -> None:
        """Write an error."""
        self.errors.print(Text(text, "red"), soft_wrap=True)

    def json(self, value: Any) -> None:
        """Write one JSON document: on a terminal indented, in a pipe on one line."""
        text = json.dumps(_plain(value), indent=2 if self.console.is_terminal else None, ensure_ascii=False)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def ids(self, ids: Iterable[str]) -> None:
        """Write ids or paths, one a line."""
        for each in ids:
            sys.stdout.write(each + "\n")
        sys.stdout.flush()

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Write a table. Its last column takes what is left of the width; the others stay whole."""
        if not self.console.is_terminal:
            self.ids("\t".join(str(cell) for cell in row) for row in (heads, *rows))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in heads[:-1]:
            table.add_column(head, no_wrap=True)
        table.add_column(heads[-1], no_wrap=True, overflow="ellipsis", ratio=1)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def coloured(status: Status) -> Text:
    """Return a status in its colour."""
    return Text(str(status), COLOURS[status])


def ago(moment: datetime) -> str:
    """Return how long ago something was, in its largest unit."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def duration(seconds: float) -> str:
    """Return a duration as minutes and seconds, or hours."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
