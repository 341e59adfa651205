"""Ctrl-C and SIGTERM in steps: each signal takes the next, and after the last the process ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

INTERRUPTED = 130


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
