"""A fake predictor that takes its next job as soon as a job has left the device, as the real one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from eventing.contract.codecs.stream import Assignment, ProgressRecord
from eventing.contract.records.frozen import Frozen
from eventing.contract.records.models import Stage
from eventing.testing import FakePredictor, Script

POLL = 0.01  # seconds


class Pipelined(FakePredictor):
    """One job has the device, and one at most is between the device and its end."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._place = asyncio.Lock()
        self._left: set[str] = set()  # ids of jobs that have left the device
        self._open = 0

    async def drain(self) -> None:
        """Take no more jobs; return when all have ended."""
        self.draining = True
        while self._open:
            await asyncio.sleep(POLL)

    async def _work(self, assignment: Assignment, script: Script) -> AsyncIterator[Frozen]:
        async for record in super()._work(assignment, script):
            if isinstance(record, ProgressRecord) and record.progress.stage is Stage.encode_video:
                await self._place.acquire()
                super()._leave(assignment)
                self._left.add(assignment.job_id)
                yield ProgressRecord(progress=record.progress, device_free=True)
            yield record

    def _take(self, assignment: Assignment) -> None:
        super()._take(assignment)
        self._open += 1

    def _leave(self, assignment: Assignment) -> None:
        self._open -= 1
        if assignment.job_id not in self._left:
            super()._leave(assignment)
            return
        self._left.discard(assignment.job_id)
        self._place.release()
