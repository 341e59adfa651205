"""The use cases of jobs: submit, cancel, queue again, reject, delete, and remove what has expired.

Every way in (REST, CloudEvents, OpenAI, V2, the command line) translates its request and calls one of these.
They notify the loops that wait for their result, and they remove a job's objects together with its rows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from eventing.contract.catalog import Catalog
from eventing.contract.errors import Conflict, InvalidRequest, NotFound, StorageError, TooMany
from eventing.contract.models import Failure, JobRequest
from eventing.contract.pictures import Fit
from eventing.contract.results import job_prefix
from eventing.contract.s3 import Bucket, Folder
from eventing.contract.telemetry import current_traceparent
from eventing.contract.validation import validated
from eventing.domain.job import Job, owned_id
from eventing.metrics import SUBMITTED
from eventing.pictures.intake import Frame, PictureIntake
from eventing.served import Served
from eventing.signal import Signals
from eventing.store.dead_letters import DeadLetterStore
from eventing.store.jobs import JobStore, Submission, digest
from eventing.store.outbox import OutboxStore
from eventing.store.shielded import finish, shielded
from eventing.watchers import Watchers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Who submits a job, by which way in, and what makes the submission idempotent."""

    owner: str
    way: str
    job_id: str | None = None
    key: str | None = None
    traceparent: str | None = None
    callback_format: str = "cloudevents"
    remixed_from: str | None = None


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
        self, catalog: Catalog, served: Served, store: JobStore, pictures: PictureIntake,
        retention: Retention, signals: Signals, watchers: Watchers, *, has_webhooks: bool,
    ) -> None:  # fmt: skip
        self._catalog = catalog
        self._served = served
        self._store = store
        self._retention = retention
        self._signals = signals
        self._watchers = watchers
        self._pictures = pictures
        self._has_webhooks = has_webhooks

    async def submit(self, request: JobRequest, origin: Origin) -> tuple[Job, bool]:
        """Store a job, or return the one that an equal submission made before; True if it is new.

        Raises InvalidRequest naming the field, Conflict, TooMany, Unavailable.
        """
        submission = Submission(self._draft(request, origin), origin.key, request.start_within_seconds)
        if not request.pictures():
            job, new = await self._store.submit(submission)
        elif earlier := await self._store.earlier(submission):  # its pictures need not be fetched again
            job, new = earlier, False
        else:
            job, new = await self._submit_with_pictures(request, submission)
        if new:
            SUBMITTED.labels(job.model, job.lane, origin.way).inc()
            self._signals.job_ready.notify()
        return job, new

    async def fetch(self, field: str, address: str, owner: str) -> bytes:
        """Return the file at an address in a request. Raises InvalidRequest naming the field, Unavailable."""
        return await self._pictures.fetch(field, address, lambda job_id: self._owns(job_id, owner))

    async def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """End a waiting job now, and a running one within one denoising step. Raises NotFound."""
        job = await self._store.cancel(job_id, owner)
        self._signals.message_due.notify()
        self._watchers.changed(job_id)
        return job

    async def requeue(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with all its attempts. Raises NotFound, Conflict."""
        job = await self._store.requeue(job_id)
        self._signals.job_ready.notify()
        return job

    async def reject(self, source: str, event_id: str, owner: str, error: Failure, field: str | None) -> None:
        """Announce, once per source and id, that an event cannot become a job."""
        await self._store.reject(source, event_id, owner, error, field)
        self._signals.message_due.notify()

    @shielded  # a cut between the objects and the row would leave a job without its files
    async def delete(self, job_id: str, owner: str) -> None:
        """Delete an ended job and its objects before its retention ends. Raises NotFound, Conflict.

        Pending events are still sent.
        """
        job = await self._store.get(job_id, owner)
        if not job.status.is_terminal:
            raise Conflict(f"job {job_id} is {job.status}; only an ended job can be deleted", field="id")
        await self._remove(job.id)
        await self._remove_objects(job.id)  # a relay may have written the event meanwhile

    async def remove_expired(self) -> None:
        """Delete what has outlived its retention. Raises StorageError, Unavailable."""
        while expired := await self._store.expired():
            for job_id in expired:
                await self._remove(job_id)
        keep = self._retention
        await keep.outbox.sweep(keep.keep_seconds)
        await keep.dead_letters.sweep(keep.keep_seconds)
        await self._store.forget(positions_after=keep.keep_seconds, keys_after=keep.keep_keys_seconds)

    async def _submit_with_pictures(self, request: JobRequest, submission: Submission) -> tuple[Job, bool]:
        """Store the pictures, then the job that names them. Pictures of no job are deleted."""
        draft = submission.job
        folder = Folder(f"{job_prefix(draft.id)}inputs/{secrets.token_hex(6)}/")
        frame = Frame(draft.spec.width, draft.spec.height, request.image_fit or Fit.crop)
        try:
            pictures = await self._pictures.take(
                request.pictures(), frame, folder, lambda job_id: self._owns(job_id, draft.owner)
            )
        except BaseException:
            await finish(self._discard(folder))
            raise
        job = replace(draft, spec=draft.spec.model_copy(update=pictures))
        return await self._store_with(replace(submission, job=job), folder)

    @shielded  # a caller that leaves after the commit must not take the pictures of the job away
    async def _store_with(self, submission: Submission, folder: Folder) -> tuple[Job, bool]:
        """Store a job whose pictures are in a folder; delete them if it is certain that no job names them."""
        try:
            job, new = await self._store.submit(submission)
        except (Conflict, InvalidRequest, TooMany):
            await self._discard(folder)
            raise
        if not new:
            await self._discard(folder)
        return job, new

    async def _owns(self, job_id: str, owner: str) -> bool:
        try:
            await self._store.get(job_id, owner)
        except NotFound:
            return False
        return True

    async def _discard(self, folder: Folder) -> None:
        try:
            await self._pictures.discard(folder)
        except StorageError:
            log.warning("pictures of no job stay in S3", extra={"prefix": folder.prefix}, exc_info=True)

    async def _remove(self, job_id: str) -> None:
        # The row goes last: if this fails between the two, the row makes the next sweep repeat it.
        await self._remove_objects(job_id)
        await self._store.drop(job_id)
        self._watchers.changed(job_id)

    async def _remove_objects(self, job_id: str) -> None:
        await asyncio.to_thread(self._retention.bucket.delete_folder, Folder(job_prefix(job_id)))

    def _draft(self, request: JobRequest, origin: Origin) -> Job:
        """Return the job that a request asks for. Raises InvalidRequest, NotFound."""
        entry = self._catalog.get(request.model or self._served.default())
        spec = entry.resolve(request)
        if request.callback_url and not self._has_webhooks:
            raise InvalidRequest(
                "webhooks are not configured here: REELZERO_WEBHOOK_SECRETS is empty", field="callback_url"
            )
        return Job(
            id=owned_id(origin.owner, origin.job_id) if origin.job_id else new_job_id(),
            chosen_id=origin.job_id,
            owner=origin.owner,
            model=entry.name,
            lane=self._served.lane(entry.name, spec.num_frames, request.lane),
            spec=spec,
            digest=digest(request),
            submitted_at=0.0,  # the store fills these in from the database's clock
            updated_at=0.0,
            metadata=request.metadata,
            callback_url=request.callback_url,
            callback_format=origin.callback_format,
            remixed_from=origin.remixed_from,
            traceparent=origin.traceparent or current_traceparent(),
        )


def parse_request(data: Any) -> JobRequest:
    """Return a JobRequest from decoded JSON. Raises InvalidRequest naming the first wrong field."""
    return validated(JobRequest, data)


def new_job_id() -> str:
    """Return `vid_` and 26 characters: a time in milliseconds, so ids sort by age, and 80 random bits."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letters that look alike
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "vid_" + "".join(alphabet[(number >> shift) & 31] for shift in range(125, -1, -5))
