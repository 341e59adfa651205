"""Follow one attempt on the device: a stream of records with heartbeats and exactly one terminal record."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from eventing.contract.codecs.stream import FailedRecord, HeartbeatRecord, ProgressRecord
from eventing.contract.errors import GenerationTimeout
from eventing.contract.records.models import Progress
from predictor.device.channel import Channel, Preview, Record, Terminal
from predictor.generation.attempt import Attempt
from predictor.generation.failures import as_failure
from predictor.generation.monitor import Monitor, ignore

STUCK_SECONDS = 30.0  # the device thread does not come back when it is this far past its limit
log = logging.getLogger(__name__)


class Run:
    """An attempt that has the device. The device thread sends records; a task on the event loop reads."""

    def __init__(
        self,
        attempt: Attempt,
        model: str,
        limit: float,
        on_stage: Callable[[str], None] = ignore,
        on_stuck: Callable[[str], None] = ignore,
    ) -> None:
        self.attempt = attempt
        self._on_stuck = on_stuck
        self.monitor = Monitor(model, limit, self._send_progress, on_stage, self._send_preview)
        # The first record is ready before the thread starts, so that bytes flow at once.
        self._channel = Channel(ProgressRecord(progress=self.monitor.progress))

    def finish(self, terminal: Terminal) -> None:
        """Send the last record. Any thread may call it."""
        self._channel.send(terminal)

    def leave_device(self) -> None:
        """Send the record after which the device is free. Any thread may call it."""
        self._channel.send(ProgressRecord(progress=self.monitor.progress, device_free=True))

    def cancel(self) -> None:
        """Stop the attempt at its next step. Any thread may call it."""
        self.monitor.cancel()

    def stuck(self) -> str | None:
        """Return why the device thread counts as lost; None while it may still come back."""
        if self.monitor.remaining >= -STUCK_SECONDS:
            return None
        return f"the device did not come back from {self.monitor.progress.stage.value}"

    async def records(self, heartbeat: float) -> AsyncIterator[Record]:
        """Yield every record up to the terminal one, and a heartbeat after `heartbeat` seconds without any.

        Closing the iterator early cancels the attempt: a closed connection frees the device that way.
        """
        try:
            while True:
                record = await self._channel.receive(heartbeat) or self._silence()
                if isinstance(record, Preview):
                    record = await asyncio.to_thread(self._drawn, record)
                yield record
                if isinstance(record, Terminal):
                    return
        finally:
            self.cancel()

    async def result(self, heartbeat: float) -> Terminal:
        """Wait for the terminal record."""
        async for record in self.records(heartbeat):
            if isinstance(record, Terminal):
                return record
        raise AssertionError("a stream of records ends with a terminal one")

    def _silence(self) -> Record:
        if cause := self.stuck():
            self._on_stuck(cause)
            return FailedRecord(error=as_failure(GenerationTimeout(cause)))
        elapsed = round(self.monitor.elapsed, 3)
        return HeartbeatRecord(progress=self.monitor.progress.model_copy(update={"elapsed_seconds": elapsed}))

    def _drawn(self, preview: Preview) -> Record:
        from predictor.generation.preview import to_jpeg  # noqa: PLC0415 - brings torch, loaded by now

        try:
            jpeg = base64.b64encode(to_jpeg(preview.pixels)).decode()
        except Exception:  # a picture of the way is not worth the video
            log.exception("a preview is no picture")
            jpeg = ""
        return ProgressRecord(progress=preview.progress, preview=jpeg or None)

    def _send_preview(self, pixels: Any) -> None:
        self._channel.send(Preview(self.monitor.progress, pixels))

    def _send_progress(self, progress: Progress) -> None:
        self._channel.send(ProgressRecord(progress=progress))
