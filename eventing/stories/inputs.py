"""Fetch the files at the addresses in a story, check what they are, and keep them in the story's folder.

A file's name is its SHA-256, so a file that several steps use is stored once, and a repeated submission
changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from eventing.contract.errors import InvalidRequest, StorageError, Unavailable
from eventing.contract.records.results import StoredFile
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.document import ADDRESS
from eventing.contract.stories.graph import Step, sources_of
from eventing.contract.stories.types import InputRule
from eventing.pictures.fetch import OwnsJob
from eventing.pictures.intake import PictureIntake
from eventing.stories.magic import media_type


@dataclass(frozen=True)
class Use:
    """One place in a story where an address is, and what the file there may be."""

    path: str
    address: str
    rule: InputRule


class InputFiles:
    """Fetches and stores. It fetches within the same bounds as the pictures of jobs."""

    def __init__(self, bucket: Bucket, pictures: PictureIntake) -> None:
        self._bucket = bucket
        self._pictures = pictures

    async def take(
        self, folder: str, steps: Sequence[Step], owns: OwnsJob, kept: Mapping[str, StoredFile]
    ) -> dict[str, StoredFile]:
        """Return the records of the files by address; they are in the folder now.

        `kept` are files of another story by address, which are copied. Raises InvalidRequest naming the path
        of the input, Unavailable.
        """
        uses = list(uses_of(steps))
        tasks = {use.address: use for use in reversed(uses)}  # the first place of each
        fetches = [
            asyncio.create_task(self._one(folder, use, owns, kept.get(use.address))) for use in tasks.values()
        ]
        try:
            files = dict(zip(tasks, await asyncio.gather(*fetches), strict=True))
        finally:
            for fetch in fetches:
                fetch.cancel()
            await asyncio.gather(*fetches, return_exceptions=True)
        for use in uses:
            _check(use, files[use.address].content_type)
        return files

    async def _one(self, folder: str, use: Use, owns: OwnsJob, kept: StoredFile | None) -> StoredFile:
        if kept and await self._stored(self._bucket.copy, self._bucket.key(kept.uri), folder + kept.sha256):
            return kept.model_copy(update={"uri": self._bucket.uri(folder + kept.sha256)})
        body = await self._pictures.fetch(use.path, use.address, owns)
        media, digest = media_type(body), hashlib.sha256(body).hexdigest()
        _check(use, media)
        key = f"{folder}{digest}"
        await self._stored(self._bucket.put, key, body, media)
        return StoredFile(uri=self._bucket.uri(key), sha256=digest, bytes=len(body), content_type=media)

    async def _stored(self, call: Callable[..., object], *arguments: object) -> object:
        try:
            return await asyncio.to_thread(call, *arguments)
        except StorageError as error:
            raise Unavailable("object storage cannot be reached", retry_after=5) from error


def uses_of(steps: Iterable[Step]) -> Iterator[Use]:
    """Yield every address in the steps."""
    for step in steps:
        for source in sources_of(step.name, step.request):
            if ADDRESS.match(source.text):
                yield Use(source.path, source.text, step.inputs[source.input])


def _check(use: Use, media: str) -> None:
    if not use.rule.takes(media):
        wanted = " or ".join(use.rule.media)
        raise InvalidRequest(f"{use.path}: the file is {media}, and {wanted} is needed", field=use.path)
