"""Waking idle loops."""

from __future__ import annotations

import asyncio

from eventing.signal import Signal


async def test_a_loop_that_is_woken_and_cancelled_at_once_ends() -> None:
    wake = Signal()

    async def forever() -> None:
        while True:
            await wake.wait(wake.mark(), 60)

    loop = asyncio.create_task(forever())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    wake.notify()
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=2)
    assert done and loop.cancelled()
