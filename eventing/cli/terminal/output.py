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
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
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

GAP = 2  # columns between two of a table
WIDE = 100  # columns of a terminal that shows everything


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

    def table(
        self, heads: Sequence[str], rows: Sequence[Sequence[str | Text]], wide: Sequence[str] = ()
    ) -> None:
        """Write a table; see table_of."""
        table = table_of(self.console, heads, rows, wide)
        self.console.print(table, soft_wrap=not self.console.is_terminal)


@dataclass(frozen=True)
class Raw:
    """Lines that rich must leave as they are: it would replace tabs by spaces."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self.text)
        yield Segment.line()


def table_of(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str | Text]], wide: Sequence[str] = ()
) -> RenderableType:
    """Return a table as wide as the terminal, or tab-separated text for a pipe.

    The last column takes what is left of the width; the others stay whole, since ids are copied. A terminal
    under 100 columns does not show those of `wide`.
    """
    if not console.is_terminal:
        return Raw("\n".join("\t".join(str(cell) for cell in row) for row in (heads, *rows)))
    table = Table(box=None, pad_edge=False, header_style="bold")
    *whole, last = [n for n, head in enumerate(heads) if console.width >= WIDE or head not in wide]
    for n in whole:
        table.add_column(heads[n], no_wrap=True)
    table.add_column(heads[last], no_wrap=True)
    taken = sum(max(cell_len(str(row[n])) for row in (heads, *rows)) + GAP for n in whole)
    for row in rows:
        table.add_row(*(row[n] for n in whole), _cut(row[last], console.width - taken))
    return table


def _cut(cell: str | Text, width: int) -> Text:
    text = cell.copy() if isinstance(cell, Text) else Text(cell)
    text.truncate(max(width, 1), overflow="ellipsis")
    return text


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
