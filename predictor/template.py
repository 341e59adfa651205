"""Fork predictors from a process that has imported what they need: `python -m predictor.template FAMILY…`.

Imports are most of a start. This process makes them once, holds no weights and never initialises CUDA. So a
predictor starts in the time that a fork and its weights take. Standard input is a socket of whole messages
(SOCK_SEQPACKET). An order is {"order": N, "arguments": […], "env": {…}} with two descriptors: the log, and a
lifeline, which is one end of a socket pair. The answer has `order` and `pid`; or `refused` with the reason,
and `again` if a new template would do it. The end of a predictor is `order` and `status`, and the end of its
lifeline. A predictor outlives this process, but not the process at the other end of its lifeline. This
process ends with its standard input.
"""

from __future__ import annotations

import gc
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from predictor import collector

ORDER_BYTES = 1 << 20  # an environment and a command line
DESCRIPTORS = 2
CUDA_DEVICE = "/dev/nvidia-uvm"  # open once a process has initialised CUDA; a fork could not use it
SOURCES = (Path(__file__).parent, Path(__file__).parents[1] / "eventing" / "contract")
Stamp = frozenset[tuple[str, int]]
Refusal = dict[str, Any]  # `refused` and `again` of an answer


def main(load: Callable[[Sequence[str]], Callable[[], None]] | None = None) -> None:
    """Import, then serve orders. In a forked predictor this becomes the predictor's own `main`."""
    with socket.socket(fileno=os.dup(0)) as control:
        _replace(0, os.open(os.devnull, os.O_RDONLY))
        before = stamp()
        collector.rest()  # here and in the predictors, until their worker has loaded the model
        run = (load or load_predictor)(sys.argv[1:])
        if not serve(control, lambda: refusal(before)):
            return
    reseed()
    run()


def load_predictor(families: Sequence[str]) -> Callable[[], None]:
    """Import what predictors of these families need, and return their main function.

    Modules of the operator are left to the predictor: what they do when imported is not known.
    """
    from predictor.models import families as known  # noqa: PLC0415 - `serve` needs none of this

    server = import_module("predictor.serving.server")
    for name in ("predictor.generation.generate", "predictor.generation.finish"):
        import_module(name)
    known.import_less()
    for family in set(families) & set(known.known_families()):
        import_module(f"predictor.models.pipelines.{family}")
    main: Callable[[], None] = server.main
    return main


def serve(control: socket.socket, refused: Callable[[], Refusal | None]) -> bool:
    """Fork a process for each order. Returns True in such a process, False when there are no more orders."""
    gc.freeze()  # a collection would write to every page that is shared with the predictors
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    handler = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    send(control, {"ready": True, "memory_bytes": memory()})
    orders: dict[int, int] = {}  # by process id
    outcome = None
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ, lambda: reap(control, ended, orders))
        selector.register(control, selectors.EVENT_READ, lambda: take(control, refused(), orders))
        while outcome is None:
            (key, _), *_ = selector.select()
            outcome = key.data()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, handler)
    os.close(ended)
    os.close(wake)
    return bool(outcome)


def take(control: socket.socket, refused: Refusal | None, orders: dict[int, int]) -> bool | None:
    """Read an order and fork. Returns True in the new process, False at the end of orders, None to go on."""
    data, descriptors, _, _ = socket.recv_fds(control, ORDER_BYTES, DESCRIPTORS)
    if not data:
        return False
    order = json.loads(data)
    try:
        if refused:
            send(control, {"order": order["order"], **refused})
            return None
        if pid := os.fork():
            orders[pid] = order["order"]
            return None
        become(order, *descriptors)
        send(control, {"order": order["order"], "pid": os.getpid()})  # its process group can be signalled now
        return True
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def become(order: dict[str, Any], log: int, lifeline: int) -> None:
    """Take on a session, output, an environment and arguments, and end with the lifeline."""
    os.setsid()
    _replace(1, os.dup(log))
    _replace(2, os.dup(log))
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv[1:] = order["arguments"]
    own = socket.socket(fileno=os.dup(lifeline))
    threading.Thread(target=end_with, args=(own,), name="lifeline", daemon=True).start()


def end_with(lifeline: socket.socket) -> None:
    """Kill this process and its children when the other end of the lifeline is closed."""
    with suppress(ConnectionError):
        while lifeline.recv(1):
            pass
    os.killpg(0, signal.SIGKILL)


def reap(control: socket.socket, ended: int, orders: dict[int, int]) -> None:
    """Report the processes that have ended."""
    os.read(ended, 4096)
    with suppress(ChildProcessError):
        while (end := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            send(control, {"order": orders.pop(end[0]), "status": os.waitstatus_to_exitcode(end[1])})


def refusal(before: Stamp) -> Refusal | None:
    """Return why this process must not be forked; None if it may be."""
    if stamp() != before:
        return {"refused": "the code has changed since it was imported", "again": True}
    if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208 - only their number is wanted
        return {"refused": f"it has {threads} threads, and a fork would have one", "again": False}
    if any(target == CUDA_DEVICE for target in _open_files()):
        return {"refused": "a library has initialised CUDA in it", "again": False}
    return None


def stamp() -> Stamp:
    """Return what changes when this code or an installed package does."""
    packages = [Path(folder) for folder in sys.path if folder.endswith("site-packages")]
    files = [file for folder in SOURCES for file in folder.rglob("*.py")]
    return frozenset((str(path), path.stat().st_mtime_ns) for path in packages + files if path.exists())


def memory() -> int:
    """Return the bytes of memory that this process has for itself or shares."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def reseed() -> None:
    """Draw new seeds: forks would otherwise all continue the same random numbers."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Send a message. A reader that is gone is noticed at the next read."""
    with suppress(OSError):
        control.send(json.dumps(message).encode())


def _open_files() -> list[str]:
    targets = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            targets.append(str(path.readlink()))
    return targets


def _replace(target: int, descriptor: int) -> None:
    """Make `target` the file of another descriptor, which is closed. A standard stream is inherited."""
    os.dup2(descriptor, target)
    os.close(descriptor)


if __name__ == "__main__":
    main()
