"""A predictor that makes nothing, as a process: the real protocol over real HTTP, and no file.

It stands for as many predictors as there are places, behind one address. REELZERO_NOOP_PORT;
REELZERO_NOOP_JOURNAL gets a line with the job's id and the time when a job reaches it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from eventing.testing import FakePredictor


class Noop(FakePredictor):
    """Never busy: whoever calls has a place."""

    def _refusal(self) -> str | None:
        return None


def journal(job_id: str) -> None:
    """Note the start of a job, as the peer's worker does."""
    with Path(os.environ["REELZERO_NOOP_JOURNAL"]).open("a") as file:
        file.write(f"{job_id} {time.time()}\n")


async def serve() -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Noop(port=int(os.environ["REELZERO_NOOP_PORT"]), on_start=journal):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
