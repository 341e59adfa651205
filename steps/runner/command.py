"""Run the command of an attempt: read its output, and leave none of its processes behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from steps.runner.failures import Failed
from steps.runner.processes import MARK, Start

LAST_LINES = 20
LINE_BYTES = 2000  # of a line that is kept
BLOCK = 1 << 16
LOOK = 0.05  # seconds between two looks at the process
CLOSE_LOOK = 0.002  # seconds, where it is about to end
PROGRESS = re.compile(rb"^progress (0(?:\.\d+)?|1(?:\.0+)?)$")


class Command:
    """One run of a command. `progress` gets the shares that it prints, 0 to 1."""

    def __init__(
        self, start: Start, words: Sequence[str], folder: Path, run: str, progress: Callable[[float], None]
    ) -> None:
        self._start, self._words, self._folder = start, list(words), folder
        self._run, self._progress = run, progress
        self._lines: list[str] = []

    def call(self, look: Callable[[], None]) -> None:
        """Run it to its end. `look` is called meanwhile, and may raise to stop. Raises Failed."""
        try:
            process = self._start(self._words, self._folder, self._run)
        except OSError as error:
            problem = f"the command {self._words[0]} cannot be started: {error.strerror}"
            raise Failed("step_failed", problem) from error
        reader = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                look()
                reader.join(LOOK)  # its output ends with it, as a rule
                if not reader.is_alive():
                    time.sleep(CLOSE_LOOK)
        finally:
            kill(self._run, process.pid)  # also the children that it left: they would keep its output open
            status = process.wait()
        reader.join(5)
        if status:
            raise Failed("step_failed", f"the command ended with {_how(status)}{self.last_words()}")

    def last_words(self) -> str:
        """Return the last lines that it wrote, for a message."""
        return ": " + " | ".join(self._lines) if self._lines else ", and wrote nothing"

    def _read(self, output: IO[bytes]) -> None:
        """Read the output. Of a line that never ends only its begin is kept."""
        pending = b""
        while block := os.read(output.fileno(), BLOCK):
            *lines, pending = (pending + block).split(b"\n")
            pending = pending[: LINE_BYTES + 1]
            for line in lines:
                self._take(line)
        self._take(pending)

    def _take(self, line: bytes) -> None:
        match = PROGRESS.match(line.strip())
        if match:
            self._progress(float(match[1]))
        elif line.strip():
            self._lines = [*self._lines, line[:LINE_BYTES].decode("utf-8", "replace")][-LAST_LINES:]


def kill(run: str, group: int = 0) -> None:
    """Kill the process group, and every process with the mark of a run, also one that left the group.

    Only Linux shows the marks.
    """
    if group:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    wanted = f"{MARK}={run}".encode()
    for _ in range(100):
        found = list(_marked(wanted))
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.01)


def _how(status: int) -> str:
    return f"status {status}" if status > 0 else signal.Signals(-status).name


def _marked(wanted: bytes) -> Iterator[int]:
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():  # noqa: PTH112,PTH208 - at each end of a step
        with contextlib.suppress(OSError):
            if name.isdecimal() and wanted in _read(f"/proc/{name}/environ").split(b"\0"):
                state = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()[0]
                if state != b"Z":
                    yield int(name)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        return file.read()
