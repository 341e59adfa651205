"""Ctrl-C and SIGTERM in steps: each signal runs the next step; one more ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

INTERRUPTED = 130


def on_interrupt(*steps: Callable[[], object]) -> None:
    """Set what the first, second, … signal does. Replaces earlier steps; call it on the running loop.

    One more signal ends the process at once. Its children are tied to it and end too; the next start removes
    the files that they leave.
    """
    left = list(steps)

    def handle() -> None:
        if not left:
            os._exit(INTERRUPTED)
        left.pop(0)()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle)
