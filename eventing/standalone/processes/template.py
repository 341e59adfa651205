"""Keep a process that has imported what predictors need, and fork predictors from it (predictor/template.py).

It is a help and never a condition: where it is missing, refuses, or has ended, `fork` returns None, and the
predictor starts as a process of its own. The first such time is a warning. `begin` starts it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from eventing.standalone.data.files import append_private
from eventing.standalone.processes.process import Process, last_words

ANSWER_BYTES = 1 << 16
IMPORT_SECONDS = 300.0  # on a busy machine
FORK_SECONDS = 30.0
REPORT_SECONDS = 5.0
UNKNOWN = -1  # the status of a predictor whose template has ended before it
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # numpy would start threads, and a fork has one
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asks the driver for GPUs without initialising CUDA
}
T = TypeVar("T")
log = logging.getLogger(__name__)


class Refused(Exception):
    """The template has not made a predictor. The text says why."""


@dataclass(frozen=True)
class Order:
    """What is to come of one order: the process id, then the exit status."""

    pid: asyncio.Future[int]
    status: asyncio.Future[int]


class Template:
    """One template process at a time. Its methods are for the event loop's thread."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], new_log: Callable[[], Path]
    ) -> None:
        self._command = command
        self._environment = {**environment, **ENVIRONMENT}
        self._new_log = new_log
        self._life: asyncio.Task[None] | None = None
        self._control: socket.socket | None = None
        self._imported = asyncio.Event()  # or its end has come
        self._numbers = count(1)
        self._orders: dict[int, Order] = {}
        self._reason = ""  # of its latest end
        self._has_warned = False
        self._is_useless = False

    def begin(self) -> None:
        """Start the template unless it runs, or would refuse again. Returns at once."""
        if not self._is_useless and (self._life is None or self._life.done()):
            self._imported.clear()
            self._life = asyncio.create_task(self._live(), name="template", context=Context())

    async def close(self) -> None:
        """End the template. Predictors that came from it go on."""
        if self._life:
            self._life.cancel()
            await asyncio.wait({self._life})

    async def fork(self, arguments: Sequence[str], env: Mapping[str, str], log_file: Path) -> Process | None:
        """Return a new predictor; None if it must be started without a template."""
        try:
            return await self._fork({"arguments": list(arguments), "env": dict(env)}, log_file)
        except (Refused, OSError) as error:  # a TimeoutError is an OSError
            level = logging.INFO if self._has_warned else logging.WARNING
            self._has_warned = True
            log.log(level, "a predictor starts without the warm template", extra={"cause": str(error)})
            return None

    async def _fork(self, order: dict[str, Any], log_file: Path) -> Process:
        await self._within(self._imported.wait(), IMPORT_SECONDS)
        ours, theirs = socket.socketpair()
        try:
            with theirs, append_private(log_file) as output:
                made = self._send(order, [output.fileno(), theirs.fileno()])
            pid = await self._within(made.pid, FORK_SECONDS)
        except BaseException:
            ours.close()  # which ends a predictor that is made nevertheless
            raise
        return Process(pid, _end(made, ours), log_file)

    async def _within(self, answer: Awaitable[T], seconds: float) -> T:
        """Wait for a template that may hang. One that does is ended."""
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError as error:
            if self._life:
                self._life.cancel()
            raise Refused(f"it has not answered within {seconds:g} s") from error

    def _send(self, order: dict[str, Any], descriptors: list[int]) -> Order:
        if self._control is None:
            raise Refused(f"it has ended: {self._reason}")
        loop = asyncio.get_running_loop()
        number, made = next(self._numbers), Order(loop.create_future(), loop.create_future())
        try:
            socket.send_fds(self._control, [json.dumps({"order": number, **order}).encode()], descriptors)
        except ConnectionError as error:
            raise Refused("it has ended") from error
        self._orders[number] = made
        return made

    async def _live(self) -> None:
        """Run the template until it ends or this task is cancelled."""
        log_file = self._new_log()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with ours, theirs:
                process = await Process.start(
                    self._command, log_file, self._environment, stdin=theirs.fileno()
                )
                theirs.close()
                try:
                    await self._listen(ours)
                finally:
                    await process.stop(grace=0)
        except OSError:
            log.exception("the warm template cannot be started")
        finally:
            self._control, self._reason = None, last_words(log_file)
            self._imported.set()
            self._release()

    async def _listen(self, control: socket.socket) -> None:
        with suppress(ConnectionError):
            while data := await asyncio.get_running_loop().sock_recv(control, ANSWER_BYTES):
                self._take(json.loads(data), control)

    def _take(self, message: dict[str, Any], control: socket.socket) -> None:
        if message.get("ready"):
            mib = round(message["memory_bytes"] / 2**20)
            log.info("the warm template is ready", extra={"memory_mib": mib})
            self._control = control
            self._imported.set()
            return
        order = self._orders[message["order"]]
        if "pid" in message:
            _settle(order.pid, message["pid"])
            return
        del self._orders[message["order"]]
        if "status" in message:
            _settle(order.status, message["status"])
        if "refused" in message and self._life:
            self._is_useless = not message["again"]
            self._life.cancel()
        _refuse(order, message.get("refused", "the new process has ended"))

    def _release(self) -> None:
        """End every wait for a message of a template that has ended."""
        orders, self._orders = self._orders, {}
        for order in orders.values():
            _settle(order.status, UNKNOWN)
            _refuse(order, f"it has ended: {self._reason}")


def _settle(future: asyncio.Future[int], value: int) -> None:
    if not future.done():
        future.set_result(value)


def _refuse(order: Order, reason: str) -> None:
    if not order.pid.done():
        order.pid.set_exception(Refused(reason))


async def _end(order: Order, lifeline: socket.socket) -> int:
    """Wait for the end of a predictor and return its status. Closing the lifeline would end it."""
    lifeline.setblocking(False)
    with lifeline, suppress(ConnectionError):
        await asyncio.get_running_loop().sock_recv(lifeline, 1)
    with suppress(TimeoutError):
        async with asyncio.timeout(REPORT_SECONDS):
            return await order.status
    return UNKNOWN
