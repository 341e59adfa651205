"""Carry an attempt's records from the device thread to the one task on the event loop that reads them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from eventing.contract.codecs.stream import CompletedRecord, FailedRecord, HeartbeatRecord, ProgressRecord
from eventing.contract.records.models import Progress

Record = ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord
Terminal = CompletedRecord | FailedRecord


@dataclass(frozen=True)
class Preview:
    """The pixels of a preview, RGB (height, width, 3), and the step that they are of.

    The reader makes the record, off the device thread.
    """

    progress: Progress
    pixels: Any


Item = Record | Preview


class Channel:
    """A queue of records. It belongs to the event loop that makes it."""

    def __init__(self, first: Record) -> None:
        self._loop = asyncio.get_running_loop()
        self._records: asyncio.Queue[Item] = asyncio.Queue()
        self._records.put_nowait(first)

    def send(self, record: Item) -> None:
        """Add a record. Any thread may call it."""
        with suppress(RuntimeError):  # the loop is closed: the process ends and has no reader
            self._loop.call_soon_threadsafe(self._records.put_nowait, record)

    async def receive(self, seconds: float) -> Item | None:
        """Wait for the next record; None after so many seconds without one."""
        try:
            async with asyncio.timeout(seconds):
                return await self._records.get()
        except TimeoutError:
            return None
