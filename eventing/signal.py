"""Waking idle loops of this process at once; other replicas find the same work by polling."""

from __future__ import annotations

import asyncio
import contextlib


class Wake:
    """A counter one can wait on, so that no wake-up between a look and a wait is ever missed."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()

    def now(self) -> None:
        """Something changed."""
        self._count += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def mark(self) -> int:
        """What has been seen so far."""
        return self._count

    async def wait(self, seen: int, limit: float) -> None:
        """Return when something changed since `seen`, or after `limit` seconds."""
        if seen != self._count:
            return
        with contextlib.suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake-up,
            # and a loop that was told to stop would go on for ever.
            async with asyncio.timeout(limit):
                await self._changed.wait()
