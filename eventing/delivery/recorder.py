"""Record the outcomes of deliveries, those of a moment in one transaction.

An outcome is written at once if none was written within the last GAP seconds; otherwise it waits for the end
of that time, and for what comes meanwhile. A delivery that is cut before its outcome is written is repeated,
as it was when each outcome had a transaction of its own. Outcomes that cannot be written together are written
one by one: one of them may be at fault, or they and the deletion of a job wait for each other.
"""

from __future__ import annotations

import asyncio

from eventing.contract.errors import Unavailable
from eventing.store.database.shielded import shielded
from eventing.store.outbox import OutboxMessage, OutboxStore, Outcome, Try

GAP = 0.025  # seconds


class Pace:
    """Keeps GAP seconds between two moments."""

    def __init__(self) -> None:
        self._next = 0.0

    async def wait(self) -> None:
        """Return at once, or GAP seconds after the last return."""
        clock = asyncio.get_running_loop().time
        if (rest := self._next - clock()) > 0:
            await asyncio.sleep(rest)
        self._next = clock() + GAP


Waiting = tuple[Outcome, asyncio.Future[bool]]


class Recorder:
    """Writes outcomes to the store by a task that lives while there are some."""

    def __init__(self, store: OutboxStore) -> None:
        self._store = store
        self._pace = Pace()
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    @shielded
    async def record(self, message: OutboxMessage, outcome: Try) -> bool:
        """Write an outcome. Return False if the message is gone. Raises what the store raises."""
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(((message, outcome), written))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        return await written

    async def _write(self) -> None:
        while self._waiting:
            await self._pace.wait()
            batch, self._waiting = self._waiting, []
            error = await self._together(batch)
            if error and len(batch) > 1:
                await self._one_by_one(batch)
            elif error:
                _fail(batch, error)

    async def _together(self, batch: list[Waiting]) -> Exception | None:
        """Write outcomes in one transaction. Return the error, if it fails."""
        try:
            gone = await self._store.record_all([outcome for outcome, _ in batch])
        except Exception as error:
            return error
        for (message, _), written in batch:
            if not written.done():
                written.set_result(message.id not in gone)
        return None

    async def _one_by_one(self, batch: list[Waiting]) -> None:
        while batch:
            one, batch = batch[:1], batch[1:]
            if error := await self._together(one):
                _fail(one, error)
            if isinstance(error, Unavailable):  # so the database is away for the others too
                _fail(batch, error)
                return


def _fail(batch: list[Waiting], error: Exception) -> None:
    for _, written in batch:
        if not written.done():
            written.set_exception(error)
