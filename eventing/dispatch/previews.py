"""Store the latest preview of a running attempt in S3, beside its stream.

A preview replaces the one before. Its object is written while the stream goes on, so a slow bucket delays no
record. A preview that cannot be written is left out.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable

from eventing.contract.errors import StorageError
from eventing.contract.records.models import Progress
from eventing.contract.records.results import preview_key
from eventing.contract.storage.s3_http import ObjectClient

CLOSE_SECONDS = 5.0  # for the write that is under way when the attempt ends
log = logging.getLogger(__name__)


class Previews:
    """The previews of one attempt. `report` gets each progress, with the step of the preview in S3."""

    def __init__(self, objects: ObjectClient, job_id: str, report: Callable[[Progress], None]) -> None:
        self._objects = objects
        self._key = preview_key(job_id)
        self._report = report
        self._progress: Progress | None = None
        self._stored: int | None = None  # step of the preview in S3
        self._next: tuple[int, str] | None = None  # step and base64 of the next one
        self._writing: asyncio.Task[None] | None = None

    def take(self, progress: Progress, preview: str | None) -> None:
        """Report a progress. Write its preview, if it has one, after the one that is being written."""
        self._progress = progress
        self._show()
        if preview:
            self._next = (progress.step, preview)
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write no more, and wait for the write under way: it must not come after the job's deletion."""
        self._next = None
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_SECONDS)

    async def _write(self) -> None:
        while self._next is not None:
            (step, preview), self._next = self._next, None
            try:
                jpeg = base64.b64decode(preview, validate=True)
                await self._objects.put(self._key, jpeg, "image/jpeg")
            except (StorageError, ValueError) as error:
                log.warning("a preview is left out: %s", error)
                continue
            self._stored = step
            self._show()

    def _show(self) -> None:
        if self._progress is not None:
            self._report(self._progress.model_copy(update={"preview_step": self._stored}))
