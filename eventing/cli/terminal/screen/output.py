"""Write what a command has to say: for people, for `--json`, or ids alone (`-q`).

Both options together mean JSON. Results go to standard output, notes and errors to standard error. On a
terminal tables fit its width and have colours, unless NO_COLOR is set; in a pipe they are tab-separated and
nothing is cut. Control characters in what a server answers are written as `\\x1b`, as a terminal would obey
them.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from eventing.contract.records.models import Status

COLOURS = {
    Status.queued: "yellow",
    Status.in_progress: "cyan",
    Status.completed: "green",
    Status.failed: "red",
    Status.cancelled: "dim",
}

GAP = 2  # columns between two of a table
LEAST = 8  # columns that are left to the last one
WIDE = 100  # columns of a terminal that shows everything
# C0, DEL and C1, which a terminal obeys; not the ends of lines and tabs.
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
ONE_LINE = CONTROL | {9: " ", 10: " "}
ESCAPED = {code: f"\\u{code:04x}" for code in range(127, 160)}  # those that JSON leaves as they are


def _stdout() -> Console:
    _write_any_text(sys.stdout)
    return Console(highlight=False, soft_wrap=False)


def _stderr() -> Console:
    _write_any_text(sys.stderr)
    return Console(highlight=False, stderr=True)


def _write_any_text(stream: Any) -> None:
    """Let a stream write what its encoding lacks as `\\u4e2d`, instead of an error."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


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
        self.console.print(Text(safe(text), style), soft_wrap=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Write a remark to standard error, unless only ids or JSON are wanted."""
        if not (self.quiet or self.as_json):
            self.errors.print(Text(safe(text), style), soft_wrap=True)

    def error(self, text: str) -> None:
        """Write an error."""
        self.errors.print(Text(safe(text), "red"), soft_wrap=True)

    def json(self, value: Any) -> None:
        """Write one JSON document: on a terminal indented, in a pipe on one line."""
        indent, is_utf8 = 2 if self.console.is_terminal else None, self.console.encoding.startswith("utf")
        text = json.dumps(_plain(value), indent=indent, ensure_ascii=not is_utf8)
        sys.stdout.write(text.translate(ESCAPED) + "\n")
        sys.stdout.flush()

    def ids(self, ids: Iterable[str]) -> None:
        """Write ids or paths, one a line."""
        for each in ids:
            sys.stdout.write((safe(each) if self.console.is_terminal else each) + "\n")
        sys.stdout.flush()

    def answer(self, value: Any, ids: Iterable[str], people: Callable[[], None]) -> None:
        """Write a result in one of three forms: as JSON, else as ids alone, else for people."""
        if self.as_json:
            self.json(value)
        elif self.quiet:
            self.ids(ids)
        else:
            people()

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
    under 100 columns does not show those of `wide`, and a narrow one none that would cut an id.
    """
    if not console.is_terminal:
        return Raw("\n".join("\t".join(str(_cell(cell)) for cell in row) for row in (heads, *rows)))
    cells = [[_cell(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    *whole, last = [n for n, head in enumerate(heads) if console.width >= WIDE or head not in wide]
    widths = [max(cell_len(str(row[n])) for row in (heads, *cells)) + GAP for n in range(len(heads))]
    while len(whole) > 1 and sum(widths[n] for n in whole) + LEAST > console.width:
        whole.pop()
    for n in whole:
        table.add_column(heads[n], no_wrap=True, min_width=widths[n] - GAP)
    table.add_column(heads[last], no_wrap=True)
    taken = sum(widths[n] for n in whole)
    for row in cells:
        table.add_row(*(row[n] for n in whole), _cut(row[last], console.width - taken))
    return table


def safe(text: str) -> str:
    """Return a text without control characters, but for tabs and ends of lines."""
    return text.translate(CONTROL)


def _cell(cell: str | Text) -> Text:
    """Return a cell as one line."""
    if isinstance(cell, str):
        return Text(cell.translate(ONE_LINE))
    return Text(cell.plain.translate(ONE_LINE), cell.style)


def _cut(cell: Text, width: int) -> Text:
    text = cell.copy()
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
