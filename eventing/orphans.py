"""Find and delete files in the bucket of no job and no story, as after a restore from an older dump.

A dump of the database is older than the bucket: jobs that were submitted after it have files and no row. No
retention removes them, since retention goes by rows.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from eventing.contract.records.results import JOBS
from eventing.contract.records.steps import STORIES
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.store.jobs import JobStore
from eventing.store.stories import StoryStore

BATCH = 500  # ids in one statement
Known = Callable[[Sequence[str]], Awaitable[set[str]]]


class Orphans:
    """The folders of the bucket without a row, such as `jobs/ID/` and `stories/ID/`."""

    def __init__(self, bucket: Bucket, jobs: JobStore, stories: StoryStore) -> None:
        self._bucket = bucket
        self._known: Mapping[str, Known] = {JOBS: jobs.known, STORIES: stories.known}

    async def find(self, older_than: timedelta) -> list[str]:
        """Return the folders of jobs and stories that have no row, if none of their files is younger.

        Files of a submission come before its row, so young ones may be of a job that is being made.
        Raises StorageError, Unavailable.
        """
        limit = datetime.now(UTC) - older_than
        old: list[str] = []
        for prefix in self._known:
            newest = await asyncio.to_thread(self._bucket.newest, prefix)
            old += [f"{prefix}{name}/" for name, at in newest.items() if at < limit]
        return await self._without_row(old)

    async def delete(self, folders: Sequence[str]) -> int:
        """Delete the files of folders that still have no row; return their number."""
        files = 0
        for folder in await self._without_row(folders):
            files += await asyncio.to_thread(self._bucket.delete_folder, Folder(folder))
        return files

    async def _without_row(self, folders: Sequence[str]) -> list[str]:
        left: list[str] = []
        for prefix, known in self._known.items():
            mine = [folder for folder in folders if folder.startswith(prefix)]
            for batch in _batches(mine):
                ids = {folder: folder.removeprefix(prefix).rstrip("/") for folder in batch}
                rows = await known(list(ids.values()))
                left += [folder for folder in batch if ids[folder] not in rows]
        return left


def _batches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(ids)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield batch
