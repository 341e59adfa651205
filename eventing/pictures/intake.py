"""Take the pictures of a request in: fetch each, decode it in a process of its own, store it as PNG."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eventing.contract.errors import InvalidRequest, StorageError, Unavailable
from eventing.contract.records.pictures import Fit, Picture
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.contract.telemetry import span
from eventing.pictures.decoders import Decoders
from eventing.pictures.fetch import Fetcher, OwnsJob

DECODE_SECONDS = 30.0
FETCHES, DECODES = 6, 2  # at once, which bounds the memory of a replica
PNG = "image/png"


@dataclass(frozen=True)
class Frame:
    """The size of the video and how a picture of another shape is fitted."""

    width: int
    height: int
    fit: Fit


class PictureIntake:
    """Takes pictures in. `pixels` is the most that a picture may have."""

    def __init__(self, bucket: Bucket, fetcher: Fetcher, pixels: int) -> None:
        self._bucket = bucket
        self._fetcher = fetcher
        self._decoders = Decoders(pixels)
        self._fetches = asyncio.Semaphore(FETCHES)
        self._decodes = asyncio.Semaphore(DECODES)

    async def take(
        self, addresses: Mapping[str, str], frame: Frame, folders: Sequence[Folder], owns_job: OwnsJob
    ) -> list[dict[str, Picture]]:
        """Store the pictures of a request in each folder; return their records by field, for each folder.

        Raises InvalidRequest naming the field, Unavailable.
        """
        taken = {
            field: await self._take_one(field, address, frame, folders, owns_job)
            for field, address in addresses.items()
        }
        return [dict(zip(taken, records, strict=True)) for records in zip(*taken.values(), strict=True)]

    async def fetch(self, field: str, address: str, owns_job: OwnsJob) -> bytes:
        """Return the file at an address. Raises InvalidRequest naming the field, Unavailable."""
        async with self._fetches:
            return await self._fetcher.fetch(field, address, owns_job)

    async def discard(self, folder: Folder) -> None:
        """Delete the pictures of a request that made no job. Raises StorageError."""
        await asyncio.to_thread(self._bucket.delete_folder, folder)

    async def _take_one(
        self, field: str, address: str, frame: Frame, folders: Sequence[Folder], owns_job: OwnsJob
    ) -> list[Picture]:
        async with self._fetches:
            with span("fetch_input", attributes={"reelzero.field": field}) as work:
                file = await self._fetcher.fetch(field, address, owns_job)
                work.set({"reelzero.bytes": len(file)})
            async with self._decodes:
                head, png = await self._decode(field, file, frame)
        keys = [f"{folder.prefix}{field}.png" for folder in folders]
        try:
            for key in keys:
                await asyncio.to_thread(self._bucket.put, key, png, PNG)
        except StorageError as error:
            raise Unavailable("object storage cannot be reached", retry_after=5) from error
        first = Picture(
            uri=self._bucket.uri(keys[0]),
            sha256=hashlib.sha256(png).hexdigest(),
            bytes=len(png),
            width=frame.width,
            height=frame.height,
            fit=frame.fit,
            source_width=head["width"],
            source_height=head["height"],
            source_sha256=hashlib.sha256(file).hexdigest(),
        )
        return [first.model_copy(update={"uri": self._bucket.uri(key)}) for key in keys]

    async def _decode(self, field: str, file: bytes, frame: Frame) -> tuple[dict[str, Any], bytes]:
        """Return what the decoder reports and the PNG. Raises InvalidRequest."""
        order = f"{frame.width} {frame.height} {frame.fit.value}"
        try:
            async with asyncio.timeout(DECODE_SECONDS):
                out = await self._decoders.run(order, file)
        except TimeoutError as error:
            raise InvalidRequest(
                f"{field}: the picture takes more than {DECODE_SECONDS:g} s to decode; send a smaller one",
                field=field,
            ) from error
        head, _, png = out.partition(b"\n")
        gone = {"error": "cannot be decoded within the limits of memory and time; send a smaller one"}
        report: dict[str, Any] = json.loads(head) if head else gone
        if "error" in report:
            raise InvalidRequest(f"{field}: the picture {report['error']}", field=field)
        return report, png
