"""Run decode.py: one process for each picture, started before the picture is there.

The start of Python and of Pillow takes about 100 ms. So one process waits, with Pillow imported, for the
next picture. It ends by itself after IDLE_SECONDS (decode.py), and when this service ends. The first picture
after a pause finds none, and starts its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import weakref
from importlib.util import find_spec
from pathlib import Path

DECODER = Path(__file__).with_name("decode.py")
DECODE_BYTES = 512 << 20  # address space of a process
PIPE_BYTES = 1 << 20  # in place of 64 KiB, where the system allows it: fewer turns for a large file
ENVIRONMENT = {"PATH": os.defpath, "MALLOC_ARENA_MAX": "1"}  # a thread then takes no 64 MiB of its own
Process = subprocess.Popen[bytes]


class Decoders:
    """Processes that decode one picture each, of `pixels` at most. One of them waits for the next picture."""

    def __init__(self, pixels: int) -> None:
        package = find_spec("PIL")
        assert package is not None and package.origin is not None  # noqa: S101 - a dependency
        libraries = str(Path(package.origin).parents[1])
        limits = (str(pixels), str(DECODE_BYTES))
        self.command = [sys.executable, "-I", "-S", str(DECODER), libraries, *limits]
        self._waiting: list[Process] = []
        weakref.finalize(self, _end, self._waiting)

    async def run(self, order: str, file: bytes) -> bytes:
        """Return the output of a process for one picture; nothing if a limit has ended it.

        `order` is the size and the fit. A cancelled call kills the process.
        """
        while True:
            process = await asyncio.to_thread(self._take)
            try:
                out = await asyncio.to_thread(_exchange, process, order, file)
            except asyncio.CancelledError:
                process.kill()  # the thread ends with it
                raise
            if out or process.returncode:  # neither: it waited for so long that it ended by itself
                asyncio.get_running_loop().run_in_executor(None, self._prepare)
                return out if process.returncode == 0 else b""

    def _take(self) -> Process:
        """Return the process that waits, or a new one."""
        while self._waiting:
            process = self._waiting.pop()
            if process.poll() is None:
                return process
            _end([process])
        return self._start()

    def _prepare(self) -> None:
        """Start the process for the next picture, if none waits."""
        if not self._waiting:
            self._waiting.append(self._start())

    def _start(self) -> Process:
        process = subprocess.Popen(  # noqa: S603 - a command of our own
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=ENVIRONMENT, cwd="/", bufsize=0,
        )  # fmt: skip
        _widen(process)
        return process


def _widen(process: Process) -> None:
    """Give the pipes more room. Linux only, and bounded there for each user."""
    for pipe in (process.stdin, process.stdout):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)  # type: ignore[arg-type] # both are there
        except (AttributeError, OSError):
            return


def _exchange(process: Process, order: str, file: bytes) -> bytes:
    """Write the picture, read the answer, and wait for the end of the process."""
    with process:  # closes the pipes and waits
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - asked for in _start
        try:
            for part in (f"{order}\n".encode(), file):
                _write(process.stdin.fileno(), memoryview(part))
            process.stdin.close()
        except BrokenPipeError:
            return b""
        return process.stdout.read()


def _write(pipe: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _end(waiting: list[Process]) -> None:
    """End the process that waits: the end of its input does."""
    for process in waiting:
        with process:
            pass
