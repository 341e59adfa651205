"""The one-machine edition's S3 server on a really full disk: what it refuses, and how it comes back."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.standalone.s3 import s3watch
from eventing.standalone.s3.s3server import LEAST_SPACE, S3Server
from eventing.standalone.s3.s3watch import DiskWatch
from predictor.generation.attempt import make_attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import ResultStore
from tests.support.disks import Disk, small_disk
from tests.support.waiting import eventually

SIZE = LEAST_SPACE + (64 << 20)
VIDEO = 3 << 20
NAMES = 60  # so many names fill what is left of the last page of a journal


@asynccontextmanager
async def served(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    """A bucket whose server, log and all, lives on the disk, watched as the edition does it."""
    log = disk.path / "s3.log"
    server = S3Server(disk.path, log)
    try:
        location = await server.start()
        for name, value in server.credentials.environment().items():
            monkeypatch.setitem(os.environ, name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the credentials it began with
        watching = asyncio.create_task(DiskWatch(server, disk.path, log).run())
        yield Bucket(S3Location(location.bucket, location.endpoint, region="disk-1"))  # a client of its own
        watching.cancel()
        await asyncio.wait({watching})
    finally:
        await server.stop()


async def refuse_names(bucket: Bucket) -> int:
    """Write small objects; how many were refused."""
    refused = 0
    for number in range(NAMES):
        try:
            await asyncio.to_thread(bucket.put, f"small/{number}", b"x", "text/plain")
        except StorageError:
            refused += 1
    return refused


async def test_an_upload_waits_for_room_and_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(s3watch, "POLL", 0.1)
    caplog.set_level(logging.INFO)
    file = tmp_path / "video.mp4"
    file.write_bytes(os.urandom(VIDEO))
    attempt = make_attempt(
        load_catalog().get("tiny"), {"prompt": "a cat", "job_id": secrets.token_hex(8), "attempt": 1}
    )
    monitor = Monitor("tiny", 10**6)  # with patience for a week
    with small_disk(tmp_path / "disk", SIZE) as disk:
        async with served(disk, monkeypatch) as bucket:
            await asyncio.to_thread(bucket.upload, "before", str(file), "video/mp4")
            with disk.full():
                with pytest.raises(StorageError, match="InternalError"):
                    await asyncio.to_thread(bucket.upload, "refused", str(file), "video/mp4")
                assert await refuse_names(bucket)
                store = ResultStore(bucket, attempt.address)
                storing = asyncio.create_task(asyncio.to_thread(store.upload, file, "video/mp4", monitor))
                await eventually(lambda: "S3 is away; trying again" in caplog.text)
                assert await asyncio.to_thread(bucket.get, "before") == file.read_bytes()
            try:
                stored = await asyncio.wait_for(storing, 120)
            finally:
                monitor.cancel()
            assert await asyncio.to_thread(bucket.get, bucket.key(stored.uri)) == file.read_bytes()
            assert await asyncio.to_thread(bucket.get, "before") == file.read_bytes()
            await eventually(lambda: "the S3 server runs again" in caplog.text)
            assert "refused" not in await asyncio.to_thread(bucket.keys, "")
            assert not await refuse_names(bucket)
