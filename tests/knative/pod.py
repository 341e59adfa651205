"""The life of a pod's container, as Knative and the kubelet end it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from tests.support.forking import Running


async def end(process: Running, pre_stop: Callable[[], Awaitable[None]], grace: float) -> int:
    """preStop, SIGTERM, and SIGKILL once the grace, preStop included, is over. The exit status."""
    try:
        async with asyncio.timeout(grace):
            await pre_stop()
            process.send_signal(signal.SIGTERM)
            while process.poll() is None:
                await asyncio.sleep(0.02)
    except TimeoutError:
        process.kill()
    return await asyncio.to_thread(process.wait, 30)
