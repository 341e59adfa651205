"""Starts the S3 server anew after its disk was full: by itself it would refuse writes for ever.

SeaweedFS keeps the names of objects in LevelDB, whose journal stays broken after one write for which there
was no room (seen with weed 4.48). Its log is what tells: a disk can fill up and be cleared between two looks,
but whatever is refused afterwards still names the cause.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path

from eventing.contract.errors import ReelzeroError
from eventing.standalone.s3server import LEAST_SPACE, S3Server

CAUSE = b"no space left on device"
POLL = 2.0  # seconds; a log has no event to wait for
MOST = 16 << 20  # bytes of log per look
log = logging.getLogger(__name__)


class DiskWatch:
    """Looks after one running server."""

    def __init__(self, server: S3Server, folder: Path, server_log: Path) -> None:
        self._server = server
        self._folder = folder
        self._log = server_log
        self._read = 0
        self._refused = False

    async def run(self) -> None:
        """Look until cancelled; then the server is up or stopped, never in between."""
        while True:
            await asyncio.sleep(POLL)
            if await asyncio.to_thread(self._is_broken):
                await self._start_anew()

    def _is_broken(self) -> bool:
        """Whether a write was refused for want of room since the server started, and there is room now."""
        if not self._refused:
            with suppress(OSError), self._log.open("rb") as file:
                file.seek(self._read)
                text = file.read(MOST)
                self._refused = CAUSE in text
                self._read += text.rfind(b"\n") + 1
        return self._refused and shutil.disk_usage(self._folder).free >= LEAST_SPACE

    async def _start_anew(self) -> None:
        log.warning("the disk of %s was full and has room again: the S3 server is started anew", self._folder)
        before = self._server.location
        try:
            await self._server.stop()
            after = await self._server.start()
        except (ReelzeroError, OSError) as error:  # its log and its ports are files on the same disk
            log.warning("the S3 server does not start; it is tried again: %s", error)
            return
        self._read, self._refused = 0, False
        log.info("the S3 server serves again", extra={"endpoint": after.endpoint})
        if after != before:
            log.error("the S3 server had to move to %s: stop this service and start it again", after.endpoint)
