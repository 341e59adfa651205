"""Restart the S3 server after its disk was full; without a restart it would refuse all further writes.

SeaweedFS keeps the names of objects in LevelDB. Its journal stays broken after one write that found the disk
full (seen with weed 4.48). The log shows it: a disk can fill up and be cleared between two checks, but every
write that is refused afterwards still logs the cause.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path

from eventing.contract.errors import ReelzeroError
from eventing.standalone.s3.s3server import LEAST_SPACE, S3Server

CAUSE = b"no space left on device"
POLL = 2.0  # seconds; a log has no event to wait for
MOST = 16 << 20  # bytes of log per check
log = logging.getLogger(__name__)


class DiskWatch:
    """Watches one running server."""

    def __init__(self, server: S3Server, folder: Path, server_log: Path) -> None:
        self._server = server
        self._folder = folder
        self._log = server_log
        self._read = 0
        self._refused = False

    async def run(self) -> None:
        """Check the log until cancelled, and restart the server when needed."""
        while True:
            await asyncio.sleep(POLL)
            if await asyncio.to_thread(self._is_broken):
                await self._restart()

    def _is_broken(self) -> bool:
        """Tell whether a write was refused because the disk was full, and there is room now."""
        if not self._refused:
            with suppress(OSError), self._log.open("rb") as file:
                file.seek(self._read)
                text = file.read(MOST)
                self._refused = CAUSE in text
                self._read += text.rfind(b"\n") + 1
        return self._refused and shutil.disk_usage(self._folder).free >= LEAST_SPACE

    async def _restart(self) -> None:
        log.warning("the disk of %s was full and has room again: the S3 server is restarted", self._folder)
        before = self._server.location
        try:
            await self._server.stop()
            after = await self._server.start()
        except (ReelzeroError, OSError) as error:  # its log and its ports are files on the same disk
            log.warning("the S3 server does not start and is tried again: %s", error)
            return
        self._read, self._refused = 0, False
        log.info("the S3 server runs again", extra={"endpoint": after.endpoint})
        if after != before:
            log.error("the S3 server has another port now (%s): restart this service", after.endpoint)
