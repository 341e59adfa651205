"""Starts real processes in milliseconds: it imports once what they need, then forks one per order.

`python -m tests.faults.zygote MODULE…` reads orders as JSON lines: {"main": "module:function", "env": {…},
"log": PATH}. It answers {"pid": …} to each, and {"pid": …, "status": …} when a child ends. A child has
its own session, environment and log, and dies with the zygote. The zygote ends with its standard input.
With "inside": PID the child uses the disk of that process.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.support.disks import enter

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.freeze()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # thousands of streams at one replica
    ended, signal_end = os.pipe()
    os.set_blocking(signal_end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(signal_end)
    selector = selectors.DefaultSelector()
    selector.register(ended, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    say({"ready": True})
    buffer = b""
    while True:
        for key, _ in selector.select():
            data = os.read(key.fd, 65536)
            if key.fd == ended:
                reap()
            elif not data:
                return
            else:
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    start(json.loads(line))


def start(order: dict[str, Any]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        say({"pid": pid})
        return
    code = 1
    try:
        if order["inside"]:
            enter(order["inside"])  # first: a change of user namespace clears what the next line sets
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        become(order)
        module, function = order["main"].split(":")
        getattr(importlib.import_module(module), function)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def become(order: dict[str, Any]) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [order["main"], *order.get("arguments", [])]
    os.chdir(Path(order["log"]).parent)


def reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        say({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
