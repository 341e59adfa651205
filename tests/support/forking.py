"""Predictors forked from one process that has imported what they need (predictor/template.py).

Imports are nearly all of a predictor's start, and many tests start one. The first call of `fork` starts the
template of this test process. It refuses once the code has changed: then a test starts a process of its own.
Run as `python -m tests.support.forking` this is the template.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from predictor import template

ROOT = Path(__file__).parents[2]
FAMILIES = ("cogvideox", "openai-video")  # of the models that tests start
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # a fork has one thread
POLL = 0.01  # seconds between two looks at a process
IMPORT_SECONDS = 300.0  # on a busy machine


class Running(Protocol):
    """What tests use of a process; `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """The process id."""

    def poll(self) -> int | None:
        """The exit status, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Forked:
    """A predictor that came from the template. It ends with this test process."""

    def __init__(self, number: int, pid: int, lifeline: socket.socket, source: Template) -> None:
        self.pid = pid
        self._number = number
        self._lifeline = lifeline
        self._source = source

    def poll(self) -> int | None:
        return self._source.status(self._number)

    def wait(self, timeout: float | None = None) -> int:
        end = time.monotonic() + timeout if timeout else None
        while (status := self.poll()) is None:
            if end and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"predictor {self.pid}", timeout or 0)
            time.sleep(POLL)
        self._lifeline.close()
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Template:
    """The process that predictors are forked from. Its methods are for one thread at a time."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking"],
                cwd=ROOT, env=os.environ | ENVIRONMENT, stdin=theirs.fileno(),
            )  # fmt: skip
        self._control.settimeout(IMPORT_SECONDS)
        self._orders = 0
        self._ended: dict[int, int] = {}
        assert self._next().get("ready"), "the template of predictors has not started"

    def fork(self, arguments: Sequence[str], env: Mapping[str, str], log: int) -> Forked | None:
        """Return a new predictor; None if it must be started without the template."""
        self._orders += 1
        number = self._orders
        ours, theirs = socket.socketpair()
        with theirs:
            order = {"order": number, "arguments": list(arguments), "env": dict(env)}
            socket.send_fds(self._control, [json.dumps(order).encode()], [log, theirs.fileno()])
        while (message := self._next()).get("order") != number:
            self._note(message)
        if "pid" not in message:
            ours.close()
            return None
        return Forked(number, message["pid"], ours, self)

    def status(self, number: int) -> int | None:
        """Return the exit status of an order's process; None while it runs."""
        self._control.settimeout(0)
        try:
            while number not in self._ended:
                self._note(self._next())
        except BlockingIOError:
            return None
        finally:
            self._control.settimeout(IMPORT_SECONDS)
        return self._ended[number]

    def _note(self, message: dict[str, Any]) -> None:
        if "status" in message:
            self._ended[message["order"]] = message["status"]

    def _next(self) -> dict[str, Any]:
        data = self._control.recv(1 << 16)
        assert data, "the template of predictors has ended"
        return dict(json.loads(data))


@functools.cache
def _template() -> Template:
    return Template()


def fork(arguments: Sequence[str], env: Mapping[str, str], log: int) -> Forked | None:
    """Return a new predictor whose output goes to the descriptor `log`; None if the template refuses."""
    return _template().fork(arguments, env, log)


def _load(families: Sequence[str]) -> Any:
    template.load_predictor(families or FAMILIES)
    from predictor import testing

    return testing.run


if __name__ == "__main__":
    template.main(_load)
