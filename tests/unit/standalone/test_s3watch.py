"""A server that could not be restarted is tried again, whatever the reason was."""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import S3Location
from eventing.standalone.s3 import s3watch
from eventing.standalone.s3.s3watch import DiskWatch


class Server:
    """Fails to start for each of the given reasons, then starts."""

    location = S3Location("reelzero", "http://127.0.0.1:1")

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.started = asyncio.Event()

    async def stop(self) -> None:
        """Stops at once."""

    async def start(self) -> S3Location:
        if self.failures:
            raise self.failures.pop(0)
        self.started.set()
        return self.location


async def test_a_start_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3watch, "POLL", 0)
    monkeypatch.setattr(s3watch, "LEAST_SPACE", 0)
    log = tmp_path / "s3.log"
    log.write_text("no space left on device\n")
    server: Any = Server(StorageError("no"), OSError(errno.ENOSPC, "No space left on device"))
    watching = asyncio.create_task(DiskWatch(server, tmp_path, log).run())
    starting = asyncio.create_task(server.started.wait())
    await asyncio.wait({watching, starting}, return_when=asyncio.FIRST_COMPLETED)
    assert server.started.is_set(), "the watch has ended"
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
