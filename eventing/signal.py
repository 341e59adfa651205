"""Signals between the loops of one process. The dispatcher looks for work of other replicas once per poll."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

IDLE = 60.0  # seconds after which a loop looks without a signal; the sweep of each poll wakes it before


class Signal:
    """A counter that a loop can wait on, so that it misses no change between its look and its wait."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Wake every loop that waits."""
        self._count += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def mark(self) -> int:
        """Return the count before a look at the database; pass it to `wait`."""
        return self._count

    async def wait(self, mark: int, limit: float) -> None:
        """Return after a notification that is newer than `mark`, or after `limit` seconds."""
        if mark != self._count:
            return
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that arrives together with the result,
            # and the loop would never stop.
            async with asyncio.timeout(limit):
                await self._changed.wait()


async def wait_any(marks: Sequence[tuple[Signal, int]], limit: float) -> None:
    """Return after a notification of any signal that is newer than its mark, or after `limit` seconds."""
    if len(marks) == 1:
        (signal, mark), *_ = marks
        await signal.wait(mark, limit)
        return
    waits = [asyncio.ensure_future(signal.wait(mark, limit)) for signal, mark in marks]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


@dataclass(frozen=True)
class Signals:
    """The signals of one replica."""

    job_ready: Signal = field(default_factory=Signal)  # a queued job may start
    message_due: Signal = field(default_factory=Signal)  # an outbox message may be delivered
    story_due: Signal = field(default_factory=Signal)  # a job of a story has ended, or a story was changed
