"""Fork steps from a process that has imported what those of the box need: most of a short step is imports.

The process has one thread. An order comes as one message, {"words": […], "folder": …, "run": …} with two
descriptors: where the output of the step goes, and where its process id and its exit status go, a line each.
A step ends with this process. This process ends with the other end of its socket, and all its steps and what
they started with it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any

from steps.forks import ORDER_BYTES
from steps.runner.command import kill
from steps.runner.processes import MARK, TOKEN
from steps.runner.settings import How

PR_SET_PDEATHSIG = 1  # prctl(2)
NOT_RUNNABLE = 127
USUAL = (signal.SIGCHLD, signal.SIGTERM)  # what a step does as any process does
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)  # by Python; a command would inherit that
OWN = [sys.executable, "-m", "steps"]  # the begin of the words of a step of the box


class Template:
    """Serves the orders of one socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control, self._pid = control, os.getpid()
        self._steps: dict[int, tuple[str, socket.socket]] = {}  # by process id: its run, where its end goes
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def serve(self) -> None:
        """Fork a step for each order, until there are no more."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        with selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ, self._reap)
            selector.register(self._control, selectors.EVENT_READ, self._take)
            while all(key.data() for key, _ in selector.select()):
                pass
        for pid, (run, _) in self._steps.items():
            kill(run, pid)

    def _take(self) -> bool:
        """Read an order and fork. Returns False when there are no more."""
        data, descriptors, _, _ = socket.recv_fds(self._control, ORDER_BYTES, 2)
        if not data:
            return False
        order = json.loads(data)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        output, end = descriptors[0], socket.socket(fileno=descriptors[1])
        if (pid := os.fork()) == 0:
            self._become(order, output, end)
        os.close(output)
        self._steps[pid] = (order["run"], end)
        return True

    def _reap(self) -> bool:
        """Report the steps that have ended."""
        os.read(self._ended, 4096)
        with suppress(ChildProcessError):
            while (end := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                _, lines = self._steps.pop(end[0])
                with lines, suppress(OSError):
                    lines.sendall(b"%d\n" % os.waitstatus_to_exitcode(end[1]))
        return True

    def _become(self, order: dict[str, Any], output: int, end: socket.socket) -> None:
        """Be the step, and end."""
        status = 1
        try:
            os.setsid()
            _end_with(self._pid)
            signal.set_wakeup_fd(-1)
            for number in USUAL:
                signal.signal(number, signal.SIG_DFL)
            for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
                os.dup2(source, target)
            self._control.close()
            end.sendall(b"%d\n" % os.getpid())  # its group can be signalled now
            os.chdir(order["folder"])
            os.environ[MARK] = order["run"]
            status = run(order["words"])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def run(words: list[str]) -> int:
    """Run a step of the box here. Become the command of any other."""
    if words[:3] == OWN:
        status: int = import_module("steps.__main__").main(words[3:])
        return status
    try:
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        os.execvp(words[0], words)  # noqa: S606 - it is the operator's command
    except OSError as error:
        print(f"the command {words[0]} cannot be started: {error.strerror}")
        return NOT_RUNNABLE


def begin(commands: Iterable[How]) -> socket.socket:
    """Start the template of these commands, and return its socket for orders. Call it before any thread."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    status = 1
    try:
        os.setsid()  # what ends the runner's group is to leave it the time to end its steps
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.environ.pop(TOKEN, None)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy would start threads, and a fork has one
        for words in commands:
            if list(words[:3]) == OWN:
                import_module("steps.__main__")
                import_module(f"steps.builtin.{words[3]}")
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - only their number is wanted
            raise RuntimeError("a library has started threads, and a fork would have one")
        gc.collect()
        gc.freeze()  # a collection would write to every page that is shared with the steps
        Template(theirs).serve()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end_with(parent: int) -> None:
    """End when the parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
