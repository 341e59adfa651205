"""Ctrl-C and SIGTERM in steps: each signal takes the next, and after the last the process ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

INTERRUPTED = 130
T = TypeVar("T")


def on_interrupt(*steps: Callable[[], object]) -> None:
    """Set what the first, second, … signal does. Replaces earlier steps; call on the running loop.

    One signal more than there are steps ends the process without another word: its children, tied to it,
    end with it, and the next start clears what could not be cleared.
    """
    left = list(steps)

    def handle() -> None:
        if not left:
            os._exit(INTERRUPTED)
        left.pop(0)()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle)


async def uncut(work: Awaitable[T]) -> T:
    """Await something to its end even if this task is cancelled meanwhile; the cancel follows then."""
    inner = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(inner)
    except asyncio.CancelledError:
        await asyncio.wait({inner})
        if not inner.cancelled():
            inner.exception()  # seen: whoever asked is gone
        raise
