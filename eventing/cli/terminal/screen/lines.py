"""Say what happens in lines, each with the seconds since the start: what a pipe gets of a display."""

from __future__ import annotations

import time
from typing import Self

from eventing.cli.terminal.screen.output import Output

BAR = 18  # columns of a progress bar on a terminal
REFRESH = 4  # a second, of a live display


class Lines:
    """One line for each change; nothing for `--json` and `-q`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last: dict[str, str] = {}
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _say(self, words: str) -> None:
        self._output.note(f"[{time.monotonic() - self._start:6.1f} s] {words}", "")
