"""Answer a job from the finished result of an equal one, without a predictor, by copies of its files.

S3 copies the files into the new job's folder. So each job still owns its folder, and deleting the source, or
the end of its retention, takes nothing away from the others. A source whose files are gone, or are in
another bucket, is no source.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from eventing.contract.errors import StorageError, Unavailable
from eventing.contract.records.results import Manifest, VideoResult
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.domain.job import Job
from eventing.domain.reuse import files_of, reused
from eventing.store.jobs import JobStore


class Reuse:
    """Finds results and copies them."""

    def __init__(self, store: JobStore, bucket: Bucket) -> None:
        self._store = store
        self._bucket = bucket

    async def take(self, job: Job, folder: Folder) -> VideoResult | None:
        """Return a result for a job, whose files are in a folder now; None if there is none to reuse.

        Without a result, the folder may hold a part of the files. Raises Unavailable.
        """
        source = await self._store.equal_result(job)
        if source is None:
            return None
        try:
            return await asyncio.to_thread(self._copy, source, job, folder)
        except StorageError as error:
            raise Unavailable("object storage cannot be reached", retry_after=5) from error

    def _copy(self, source: Job, job: Job, folder: Folder) -> VideoResult | None:
        assert source.video_result is not None  # noqa: S101 - only a completed job is a source
        uris: dict[str, str] = {}
        for name, file in files_of(source.video_result).items():
            if not file.uri.startswith(self._bucket.uri("")):
                return None
            key = folder.prefix + file.uri.rpartition("/")[2]
            if not self._bucket.copy(self._bucket.key(file.uri), key):
                return None
            uris[name] = self._bucket.uri(key)
        key = f"{folder.prefix}manifest.json"
        result = reused(source, job, uris, self._bucket.uri(key))
        manifest = Manifest(request=job.video, result=result, created_at=datetime.now(UTC).isoformat())
        self._bucket.put(key, manifest.model_dump_json(exclude_none=True).encode(), "application/json")
        return result
