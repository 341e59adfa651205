"""A job on its way, as its caller sees it: a stream of records with a heartbeat and exactly one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from eventing.contract.errors import GenerationTimeout
from eventing.contract.models import Progress
from eventing.contract.stream import CompletedRecord, FailedRecord, HeartbeatRecord, ProgressRecord
from predictor.generation.attempt import Attempt
from predictor.generation.failures import as_failure
from predictor.generation.monitor import Monitor, ignore

Record = ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord
Terminal = CompletedRecord | FailedRecord
STUCK_SECONDS = 30.0  # a device thread this far past its limit will not come back


class Run:
    """The two ends of a running job: the device thread publishes, one task on the loop reads."""

    def __init__(
        self,
        attempt: Attempt,
        model: str,
        limit: float,
        on_stage: Callable[[str], None] = ignore,
        on_stuck: Callable[[str], None] = ignore,
    ) -> None:
        self.attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._records: asyncio.Queue[Record] = asyncio.Queue()
        self._on_stuck = on_stuck
        self.monitor = Monitor(model, limit, lambda p: self.publish(ProgressRecord(progress=p)), on_stage)
        # The first record is there before the thread is: bytes flow at once, and time never runs backwards.
        self._records.put_nowait(ProgressRecord(progress=self.monitor.progress))

    def publish(self, record: Record) -> None:
        """Hand a record to the reader, from any thread."""
        with suppress(RuntimeError):  # the loop is closed: the process ends and nobody reads
            self._loop.call_soon_threadsafe(self._records.put_nowait, record)

    def cancel(self) -> None:
        """Stop the job at its next step. Callable from any thread."""
        self.monitor.cancel()

    def stuck(self) -> str | None:
        """Why the device thread is given up; None while it may still come back."""
        if self.monitor.remaining >= -STUCK_SECONDS:
            return None
        return f"the device did not come back from {self.monitor.progress.stage.value}"

    async def records(self, heartbeat: float) -> AsyncIterator[Record]:
        """Every record up to the terminal one, with a heartbeat after `heartbeat` seconds of silence.

        The first is a progress record at once, so that bytes flow. Whoever stops reading early cancels
        the job: that is how a closed connection frees the device.
        """
        try:
            while True:
                record = await self._next(heartbeat)
                yield record
                if isinstance(record, Terminal):
                    return
        finally:
            self.cancel()

    async def result(self, heartbeat: float) -> Terminal:
        """The terminal record alone."""
        async for record in self.records(heartbeat):
            if isinstance(record, Terminal):
                return record
        raise AssertionError("a stream of records ends with a terminal one")

    async def _next(self, heartbeat: float) -> Record:
        try:
            async with asyncio.timeout(heartbeat):
                return await self._records.get()
        except TimeoutError:
            if cause := self.stuck():
                self._on_stuck(cause)
                return FailedRecord(error=as_failure(GenerationTimeout(cause)))
            return HeartbeatRecord(progress=self._progress())

    def _progress(self) -> Progress:
        return self.monitor.progress.model_copy(update={"elapsed_seconds": round(self.monitor.elapsed, 3)})
