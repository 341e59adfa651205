"""Copy the outputs of an earlier equal step into a story's folder. S3 does it, so no byte comes here.

So each story owns its files, and deleting one takes nothing away from the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from eventing.contract.errors import StorageError, Unavailable
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import step_prefix
from eventing.contract.storage.s3 import Bucket
from eventing.domain.story import Story, StoryStep

Outputs = Mapping[str, StoredFile]


async def copies(bucket: Bucket, story: Story, step: StoryStep, outputs: Outputs) -> Outputs | None:
    """Return copies of these files; None if one of them is gone. Raises Unavailable."""
    try:
        return await asyncio.to_thread(_copied, bucket, f"{step_prefix(story.id, step.name)}reused/", outputs)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error


def _copied(bucket: Bucket, folder: str, outputs: Outputs) -> Outputs | None:
    files: dict[str, StoredFile] = {}
    for name, file in outputs.items():
        key = folder + name
        if not file.uri.startswith(bucket.uri("")) or not bucket.copy(bucket.key(file.uri), key):
            return None
        files[name] = file.model_copy(update={"uri": bucket.uri(key)})
    return files
