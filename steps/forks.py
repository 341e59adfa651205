"""Start steps in a process that has imported what those of the box need (template.py): Linux only.

It is a help and never a condition: where the template has ended, a step starts as a process of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from steps.runner.processes import Process, popen

ORDER_BYTES = 1 << 20  # the words of a command, and two descriptors
LOST = -9  # the status of a step whose template has ended: it ended with it


class Forks:
    """Starts commands by one template. `control` is a socket of whole messages."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def start(self, words: Sequence[str], folder: Path, run: str) -> Process:
        """Start a command in a folder. `run` marks all that it starts. Raises OSError."""
        read, write = os.pipe()
        ours, theirs = socket.socketpair()
        order = json.dumps({"words": list(words), "folder": str(folder), "run": run}).encode()
        try:
            with theirs:
                socket.send_fds(self._control, [order], [write, theirs.fileno()])
        except OSError:
            os.close(read)
            ours.close()
            return popen(words, folder, run)
        finally:
            os.close(write)
        fork = Fork(ours, os.fdopen(read, "rb"))
        return fork if fork.pid else popen(words, folder, run)


class Fork:
    """A step in a process of the template's. Its lines are `pid N`, then `status N`."""

    def __init__(self, lines: socket.socket, stdout: IO[bytes]) -> None:
        self.stdout = stdout
        self._lines = lines.makefile("rb")
        lines.close()  # the file keeps it
        self.pid = self._number(0)
        self._status: int | None = None
        self._end = threading.Thread(target=self._watch, daemon=True)
        self._end.start()

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal's number; None while it runs."""
        return self._status

    def wait(self) -> int:
        """Wait for its end, and return the exit status."""
        self._end.join()
        return LOST if self._status is None else self._status

    def _watch(self) -> None:
        self._status = self._number(LOST)
        self._lines.close()

    def _number(self, otherwise: int) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int(self._lines.readline())
        return otherwise
