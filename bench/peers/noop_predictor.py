"""A predictor process that generates nothing: the real protocol over HTTP, with files of
a few bytes in S3.

It replaces as many predictors as there are slots. REELZERO_NOOP_PORT is its port. It writes a line with
the job's id and the time to REELZERO_NOOP_JOURNAL when a job arrives.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from eventing.contract.env import S3Settings, read
from eventing.contract.storage.s3 import Bucket
from eventing.testing import FakePredictor


class Noop(FakePredictor):
    """Takes any number of jobs at once."""

    def _refusal(self) -> str | None:
        return None


def journal(job_id: str) -> None:
    """Note the start of a job in the journal, as the peer's worker does."""
    with Path(os.environ["REELZERO_NOOP_JOURNAL"]).open("a") as file:
        file.write(f"{job_id} {time.time()}\n")


async def serve() -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Noop(
        Bucket(read(S3Settings).s3()), port=int(os.environ["REELZERO_NOOP_PORT"]), on_start=journal
    ):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve())
