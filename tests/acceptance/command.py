"""`reelzero` as a person runs it: a subprocess whose lines are read as they come."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 900.0  # seconds that only a hang needs
ROOT = Path(__file__).parents[2]


@dataclass
class Command:
    """One running command; `lines` are those read so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All output so far."""
        return "".join(self.lines)

    def until(self, words: str) -> str:
        """The first line that matches a pattern. Fails if the output ends before."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(words, line):
                return line
        raise AssertionError(f"{words!r} was never said:\n{self.text}")

    def end(self) -> int:
        """Read to the end; the exit status."""
        assert self.process.stdout
        self.lines.extend(self.process.stdout)
        return self.process.wait()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)


@contextmanager
def reelzero(*arguments: str, **environment: str) -> Iterator[Command]:
    """Start it on the CPU, without settings from outside; killed at the end, or when it hangs."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REELZERO_", "AWS_"))}
    env = {
        **clean,
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "eventing", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, start_new_session=True,
    )  # fmt: skip
    watchdog = threading.Timer(LIMIT, process.kill)
    watchdog.start()
    try:
        yield Command(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()
