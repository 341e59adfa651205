"""The use cases of jobs and groups: submit, cancel, retry, reject, delete, remove what has expired.

Every way in (REST, CloudEvents, OpenAI, V2, the command line) translates its request and calls one of these.
They notify the loops that wait for their result, and they remove a job's objects together with its rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any

from eventing import traces
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import Conflict, InvalidRequest, NotFound, StorageError, TooMany
from eventing.contract.records.models import Failure, GenerationSpec, JobRequest
from eventing.contract.records.pictures import Fit
from eventing.contract.records.results import VideoResult, job_prefix
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.contract.telemetry import current_traceparent, span
from eventing.domain.group import Group
from eventing.domain.job import Job, Status
from eventing.drafts import Drafts, Origin
from eventing.metrics.jobs import REUSED, SUBMITTED, count_end
from eventing.pictures.intake import Frame, PictureIntake
from eventing.reuse import Reuse
from eventing.signal import Signals
from eventing.store.database.shielded import finish, shielded
from eventing.store.dead_letters import DeadLetterStore
from eventing.store.jobs import JobStore, check_alone
from eventing.store.outbox import OutboxMessage, OutboxStore
from eventing.store.submissions import Submission
from eventing.watchers import Watchers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retention:
    """Where expired rows and objects are, and how long the rows of no job are kept, in seconds."""

    bucket: Bucket
    outbox: OutboxStore
    dead_letters: DeadLetterStore
    keep_seconds: float
    keep_keys_seconds: float


class Jobs:
    """The use cases of one replica."""

    def __init__(
        self, drafts: Drafts, store: JobStore, pictures: PictureIntake, reuse: Reuse,
        retention: Retention, signals: Signals, watchers: Watchers,
    ) -> None:  # fmt: skip
        self._drafts = drafts
        self._store = store
        self._retention = retention
        self._signals = signals
        self._watchers = watchers
        self._pictures = pictures
        self._reuse = reuse

    async def submit(self, request: JobRequest, origin: Origin) -> tuple[Job, bool]:
        """Store all jobs of a request or none; return the first, and whether it is new.

        It is not new if an equal submission made it before. Raises InvalidRequest naming the field, Conflict,
        TooMany, Unavailable.
        """
        with span("intake", attributes={"reelzero.way": origin.way}) as work:
            job, new = await self._submit(request, origin)
            work.set(traces.of_job(job))
        return job, new

    async def _submit(self, request: JobRequest, origin: Origin) -> tuple[Job, bool]:
        submission = self._drafts.submission(request, origin)
        if not request.pictures() and not self._drafts.reuses(request):
            job, new = await self._store.submit(self._drafts.sealed(submission))
        elif earlier := await self._store.earlier(submission):  # its files need not be fetched again
            job, new = earlier, False
        else:
            job, new = await self._submit_with_files(request, submission)
        if new:
            SUBMITTED.labels(job.model, job.lane, origin.way).inc(len(submission.jobs))
            self._signals.job_ready.notify()
            self._watchers.changed(job.id)
        return job, new

    def check(self, request: JobRequest, origin: Origin) -> GenerationSpec:
        """Return the spec of a request, and store nothing. Raises InvalidRequest naming the field."""
        return self._drafts.submission(request, origin).job.video

    async def fetch(self, field: str, address: str, owner: str) -> bytes:
        """Return the file at an address in a request. Raises InvalidRequest naming the field, Unavailable."""
        return await self._pictures.fetch(field, address, lambda job_id: self._owns(job_id, owner))

    async def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """End a waiting job now, and a running one within one denoising step. Raises NotFound."""
        before = await self._store.get(job_id, owner)
        job = await self._store.cancel(job_id, owner)
        if before.status is Status.queued and job.status is Status.cancelled:
            traces.waited(job)
        self._signals.message_due.notify()
        if job.story_id:
            self._signals.story_due.notify()
        self._watchers.changed(job.id)
        return job

    async def cancel_group(self, group_id: str, owner: str) -> Group:
        """Cancel every job of a group that has not ended. Raises NotFound."""
        for job in (await self._store.group(group_id, owner)).jobs:
            if not job.status.is_terminal:
                with contextlib.suppress(NotFound):  # it has ended and was deleted meanwhile
                    await self.cancel(job.id)
        return await self._store.group(group_id, owner)

    async def delete_group(self, group_id: str, owner: str) -> None:
        """Delete the jobs of a group, which have all ended, and their objects. Raises NotFound, Conflict."""
        group = await self._store.group(group_id, owner)
        if not group.is_over:
            raise Conflict(
                f"group {group_id} is {group.status}; only one whose jobs have all ended can be deleted",
                field="id",
            )
        for job in group.jobs:
            with contextlib.suppress(NotFound):  # deleted by another call meanwhile
                await self.delete(job.id, owner)

    async def requeue(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with all its attempts. Raises NotFound, Conflict."""
        job = await self._store.requeue(job_id)
        self._signals.job_ready.notify()
        self._watchers.changed(job.id)
        return job

    async def retry(self, job_id: str, origin: Origin) -> tuple[Job, bool]:
        """Queue an owner's failed or cancelled job again; return it, and whether this call did that.

        It did not if the job waits or runs, or if an earlier call had the same key. Raises NotFound, Conflict
        with what would be right, InvalidRequest if the job could not start here, TooMany.
        """
        job = await self._store.get(job_id, origin.owner)
        self._drafts.check_again(job, origin)
        job, queued = await self._store.retry(job, origin.key)
        if queued:
            self._signals.job_ready.notify()
            self._watchers.changed(job.id)
        return job, queued

    async def reject(self, source: str, event_id: str, owner: str, error: Failure, field: str | None) -> None:
        """Announce, once per source and id, that an event cannot become a job."""
        await self._store.reject(source, event_id, owner, error, field, current_traceparent())
        self._signals.message_due.notify()

    async def remove(self, job_id: str) -> None:
        """Delete a job of a story that is removed, and its objects. Raises StorageError, Unavailable."""
        await self._remove(job_id)

    @shielded  # a cut between the objects and the row would leave a job without its files
    async def delete(self, job_id: str, owner: str) -> None:
        """Delete an ended job and its objects before its retention ends. Raises NotFound, Conflict.

        Pending events are still sent.
        """
        job = await self._store.get(job_id, owner)
        if not job.status.is_terminal:
            raise Conflict(f"job {job_id} is {job.status}; only an ended job can be deleted", field="id")
        check_alone(job)
        await self._remove(job.id)
        await self._remove_objects(job.id)  # a relay may have written the event meanwhile

    async def send_again(self, message_id: str, job_id: str | None = None) -> OutboxMessage:
        """Send a message again now, under its id; with a job, only one of that job. Raises NotFound."""
        message = await self._retention.outbox.replay(message_id, job_id)
        self._signals.message_due.notify()
        return message

    async def remove_expired(self) -> None:
        """Delete what has outlived its retention. Raises StorageError, Unavailable."""
        while expired := await self._store.expired():
            for job_id in expired:
                await self._remove(job_id)
        keep = self._retention
        await keep.outbox.sweep(keep.keep_seconds)
        await keep.dead_letters.sweep(keep.keep_seconds)
        await self._store.forget(positions_after=keep.keep_seconds, keys_after=keep.keep_keys_seconds)

    async def _submit_with_files(self, request: JobRequest, submission: Submission) -> tuple[Job, bool]:
        """Store pictures and reused results, then the jobs that name them. Files of no job are deleted."""
        folders: list[Folder] = []
        try:
            if request.pictures():
                submission = await self._with_pictures(request, submission, folders)
            submission = self._drafts.sealed(submission)
            if self._drafts.reuses(request):
                submission = await self._with_results(submission, folders)
        except BaseException:
            await finish(self._discard(folders))
            raise
        return await self._store_with(submission, folders)

    async def _with_pictures(
        self, request: JobRequest, submission: Submission, folders: list[Folder]
    ) -> Submission:
        """Return the jobs with the records of their pictures, which are in the folders now."""
        spec, owner = submission.job.video, submission.job.owner
        folders += [_folder(job, "inputs") for job in submission.jobs]
        frame = Frame(spec.width, spec.height, request.image_fit or Fit.crop)
        records = await self._pictures.take(
            request.pictures(), frame, folders, lambda job_id: self._owns(job_id, owner)
        )
        specs = zip(submission.jobs, records, strict=True)
        return submission.of([
            replace(job, spec=job.video.model_copy(update=pictures)) for job, pictures in specs
        ])  # fmt: skip

    async def _with_results(self, submission: Submission, folders: list[Folder]) -> Submission:
        """Return the submission with the results that are reused, whose files are in the folders now."""
        results: dict[str, VideoResult] = {}
        for job in submission.jobs:
            folder = _folder(job, "reused")
            folders.append(folder)
            if result := await self._reuse.take(job, folder):
                results[job.id] = result
            else:
                await self._discard([folder])
        return replace(submission, results=results)

    @shielded  # a caller that leaves after the commit must not take the files of the job away
    async def _store_with(self, submission: Submission, folders: list[Folder]) -> tuple[Job, bool]:
        """Store jobs whose files are in folders; delete these if it is certain that no job names them."""
        try:
            job, new = await self._store.submit(submission)
        except (Conflict, InvalidRequest, TooMany):
            await self._discard(folders)
            raise
        if new:
            REUSED.labels(job.model).inc(len(submission.results))
            self._signals.message_due.notify()
            for _ in submission.results:
                count_end(job.model, job.lane, "completed", "", 0.0)
        else:
            await self._discard(folders)
        return job, new

    async def _owns(self, job_id: str, owner: str) -> bool:
        try:
            await self._store.get(job_id, owner)
        except NotFound:
            return False
        return True

    async def _discard(self, folders: list[Folder]) -> None:
        for folder in folders:
            try:
                await self._pictures.discard(folder)
            except StorageError:
                log.warning("files of no job stay in S3", extra={"prefix": folder.prefix}, exc_info=True)

    async def _remove(self, job_id: str) -> None:
        # The row goes last: if this fails between the two, the row makes the next sweep repeat it.
        await self._remove_objects(job_id)
        await self._store.drop(job_id)
        self._watchers.changed(job_id)

    async def _remove_objects(self, job_id: str) -> None:
        await asyncio.to_thread(self._retention.bucket.delete_folder, Folder(job_prefix(job_id)))


def _folder(job: Job, kind: str) -> Folder:
    """Return a new folder below that of a job, so that racing submissions do not share one."""
    return Folder(f"{job_prefix(job.id)}{kind}/{secrets.token_hex(6)}/")


def parse_request(data: Any) -> JobRequest:
    """Return a JobRequest from decoded JSON. Raises InvalidRequest naming the first wrong field."""
    return validated(JobRequest, data)
