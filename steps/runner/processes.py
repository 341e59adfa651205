"""Start the command of a step as a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

MARK = "REELZERO_STEP_RUN"  # in the environment of everything that a command starts
TOKEN = "REELZERO_PREDICTOR_TOKEN"  # noqa: S105 - a name; no step is to call the runner

_lock = threading.Lock()
_started: list[subprocess.Popen[bytes]] = []


class Process(Protocol):
    """A command that runs, the first of its process group and session."""

    @property
    def pid(self) -> int:
        """Return its process id."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Return where its output and its errors can be read."""

    def poll(self) -> int | None:
        """Return its exit status, negative for a signal's number; None while it runs."""

    def wait(self) -> int:
        """Wait for its end, and return the exit status."""


Start = Callable[[Sequence[str], Path, str], Process]  # (words, folder, run); raises OSError


def popen(words: Sequence[str], folder: Path, run: str) -> Process:
    """Start a command in a folder. `run` marks all that it starts. Raises OSError."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN}
    with _lock:
        process = subprocess.Popen(  # noqa: S603 - it is the operator's command
            list(words),
            cwd=folder,
            env={**kept, MARK: run},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        _started[:] = [one for one in _started if one.returncode is None] + [process]
    return process


def reap() -> None:
    """Reap what commands left, where this is the first process of a container: it is their parent then."""
    if os.getpid() != 1:
        return
    with _lock:
        own = {one.pid for one in _started if one.returncode is None}
        for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
            if name.isdecimal() and int(name) not in own and _is_dead_child(name):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(int(name), os.WNOHANG)


def _is_dead_child(name: str) -> bool:
    with contextlib.suppress(OSError):
        with open(f"/proc/{name}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - at each end of a step
            state, parent, *_ = file.read().rpartition(b")")[2].split()
        return (state, parent) == (b"Z", b"1")
    return False
