"""Find and delete files in the bucket that belong to no job, as after a restore from an older dump.

A dump of the database is older than the bucket: jobs that were submitted after it have files and no row. No
retention removes them, since retention goes by rows.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from eventing.contract.records.results import JOBS, job_prefix
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.store.jobs import JobStore

BATCH = 500  # ids in one statement


class Orphans:
    """The folders of the bucket without a row."""

    def __init__(self, bucket: Bucket, store: JobStore) -> None:
        self._bucket = bucket
        self._store = store

    async def find(self, older_than: timedelta) -> list[str]:
        """Return the ids of jobs that have files and no row, if none of the files is younger.

        Files of a submission come before its row, so young ones may be of a job that is being made.
        Raises StorageError, Unavailable.
        """
        newest = await asyncio.to_thread(self._bucket.newest, JOBS)
        limit = datetime.now(UTC) - older_than
        return await self._without_row([name for name, at in newest.items() if at < limit])

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete the files of jobs that still have no row; return their number."""
        files = 0
        for job_id in await self._without_row(ids):
            files += await asyncio.to_thread(self._bucket.delete_folder, Folder(job_prefix(job_id)))
        return files

    async def _without_row(self, ids: Sequence[str]) -> list[str]:
        left: list[str] = []
        for batch in _batches(ids):
            known = await self._store.known(batch)
            left += [job_id for job_id in batch if job_id not in known]
        return left


def _batches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(ids)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield batch
