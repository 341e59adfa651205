"""Read and change jobs for the API: read, list, queue position, cancel, retry, drop; and groups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Select, delete, exists, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import Conflict, NotFound
from eventing.contract.records.models import Failure
from eventing.domain import job as state
from eventing.domain import retries
from eventing.domain.group import Group
from eventing.domain.job import Job, Status
from eventing.store import listing
from eventing.store.database.engine import db_now, insert_from, insert_once, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes import turns
from eventing.store.rows import job_from_row
from eventing.store.stories import story_exists
from eventing.store.submissions import Submission, SubmissionStore, event_key, find_job
from eventing.store.tables import dropped_jobs, idempotency, jobs
from eventing.store.transitions import (
    add_messages,
    drop_messages,
    locked,
    read_group,
    transition,
    write_transition,
)
from eventing.store.usage import delete_counted


@shielded_methods
class JobStore(SubmissionStore):
    """The callers' half of the job table."""

    async def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return one job; an owner names it by its public id. Raises NotFound, also if it is another's."""
        async with self._database.read() as connection:
            job = await find_job(connection, job_id, owner)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        return job

    async def group(self, group_id: str, owner: str) -> Group:
        """Return an owner's group. Raises NotFound, also if it is another's or all its jobs are deleted."""
        async with self._database.read() as connection:
            group = await read_group(connection, group_id)
        if group is None or group.jobs[0].owner != owner:
            raise NotFound(f"there is no group {group_id}")
        return group

    async def equal_result(self, job: Job) -> Job | None:
        """Return the owner's latest completed job that made the same frames and has not expired."""
        same = (jobs.c.owner == job.owner) & (jobs.c.spec_digest == job.spec_digest)
        completed = jobs.c.status == literal_column("'completed'")  # no parameter: it picks the index
        query = select(jobs).where(same, completed, jobs.c.expires_at > db_now())
        async with self._database.read() as connection:
            latest = query.order_by(jobs.c.completed_at.desc()).limit(1)
            row = (await connection.execute(latest)).mappings().first()
        return None if row is None else job_from_row(row)

    async def page(
        self, owner: str | None, *, limit: int, after: str | None = None, ascending: bool = False,
        statuses: tuple[Status, ...] = (), model: str | None = None, lane: str | None = None,
        search: str | None = None,
    ) -> tuple[list[Job], bool]:  # fmt: skip
        """Return a page of jobs in order of submission, newest first by default, and whether more follow.

        `after` is a cursor or the id of a job, deleted or not. Raises InvalidRequest, NotFound.
        """
        only = listing.Filter(owner, statuses, model, lane, search)
        async with self._database.read() as connection:
            start = None if after is None else await listing.find_position(connection, after, owner)
            query = await listing.page_query(connection, only, start, ascending=ascending)
            rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        return [job_from_row(row) for row in rows[:limit]], len(rows) > limit

    async def position(self, job: Job) -> int:
        """Return how many queued jobs of the same model and lane go before this one."""
        queued = jobs.c.status == literal_column("'queued'")  # no parameter: it picks the index
        same = (jobs.c.model == job.model) & (jobs.c.lane == job.lane) & queued
        query = select(func.count()).where(same & turns.ahead_of(job))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Request a job's end: at once if it waits, by its holder if it runs. Raises NotFound."""
        job = await self.get(job_id, owner)
        return await transition(
            self._database, self._announcer, job.id, lambda j, at: state.request_cancel(j, at, self._keep)
        )

    async def requeue(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, as its owner's last. Raises NotFound, Conflict."""
        async with self._database.write() as connection:
            old, at = await locked(connection, job_id)
            check_alone(old)
            return await self._queue_again(connection, old, _allowed(retries.requeue, old, at))

    async def retry(self, job: Job, key: str | None) -> tuple[Job, bool]:
        """Do as `requeue` for its owner, within the quota; return the job and whether this call queued it.

        It did not if the job waits or runs, or if an earlier call had the same key. Raises as `requeue`,
        InvalidRequest if the key was used for something else, TooMany.
        """
        async with self._database.write() as connection:
            old, at = await locked(connection, job.id)
            check_alone(old)
            first = _retry_of(old, key)
            if key is not None and not await self._take_key(connection, first, at):
                return await self._first(connection, first), False
            new = _allowed(retries.retry, old, at)
            if new is old:
                return old, False
            self._check_quota(await self._waiting(connection, old.owner), 1)
            return await self._queue_again(connection, old, new), True

    async def _queue_again(self, connection: AsyncConnection, old: Job, new: Job) -> Job:
        (new,) = await turns.take_turns(connection, [new], self._shares)
        await write_transition(connection, old, new, self._announcer)
        return new

    async def reject(
        self, source: str, event_id: str, owner: str, error: Failure, field: str | None,
        traceparent: str | None = None,
    ) -> None:  # fmt: skip
        """Announce once per source and id that an event cannot become a job."""
        messages = self._announcer.rejected(source, event_id, owner, error, field, traceparent)
        async with self._database.write() as connection:
            at = await now(connection)
            key = {"owner": owner, "key": event_key(source, event_id, "rejected"), "digest": "", "job_id": ""}
            if await insert_once(connection, idempotency, key | {"created_at": at}):
                await add_messages(connection, messages, at)

    async def expired(self, limit: int = 100) -> Sequence[str]:
        """Return the ids of jobs whose retention has ended. Those of a story go with it."""
        async with self._database.read() as connection:
            due = (jobs.c.expires_at < await now(connection)) & jobs.c.story_id.is_(None)
            return (await connection.execute(select(jobs.c.id).where(due).limit(limit))).scalars().all()

    async def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of some ids have a row."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(jobs.c.id).where(jobs.c.id.in_(ids)))
            return set(rows.scalars())

    async def drop(self, job_id: str) -> None:
        """Delete a job's rows, except messages that still have to be delivered, and keep its position."""
        async with self._database.write() as connection:
            await drop_messages(connection, job_id)
            await connection.execute(delete(dropped_jobs).where(dropped_jobs.c.id == job_id))
            await insert_from(connection, dropped_jobs, _position_of(job_id))
            await delete_counted(connection, job_id)

    async def forget(self, positions_after: float, keys_after: float) -> None:
        """Delete positions of deleted jobs, and idempotency keys whose job is gone, when they are too old.

        Both limits are ages in seconds.
        """
        made = idempotency.c.job_id  # a group's id where the request was for several videos
        of_job = or_(exists().where(jobs.c.id == made), exists().where(jobs.c.group_id == made))
        job_exists = or_(of_job, story_exists())
        async with self._database.write() as connection:
            await connection.execute(
                delete(dropped_jobs).where(dropped_jobs.c.dropped_at < db_now() - positions_after)
            )
            await connection.execute(
                delete(idempotency).where(idempotency.c.created_at < db_now() - keys_after, ~job_exists)
            )
            await turns.forget_idle(connection)


def check_alone(job: Job) -> None:
    """Raise Conflict for a job of a story, which keeps, retries and removes its jobs itself."""
    if job.story_id is not None:
        problem = f"job {job.public_id} belongs to the story {job.story_id}: retry or delete the story"
        raise Conflict(problem, field="id")


def _allowed(change: Callable[[Job, float], Job], job: Job, at: float) -> Job:
    """Return the changed job. Raises Conflict where its state does not allow the change."""
    try:
        return change(job, at)
    except ValueError as error:
        raise Conflict(str(error), field="id") from error


def _retry_of(job: Job, key: str | None) -> Submission:
    """Return what the key of a retry stands for: this job alone, also if it is one of a group."""
    digest = hashlib.sha256(f"retry\n{job.id}".encode()).hexdigest()
    return Submission(replace(job, group_id=None, digest=digest), key)


def _position_of(job_id: str) -> Select[tuple[str, str, float, float]]:
    return select(jobs.c.id, jobs.c.owner, jobs.c.submitted_at, db_now()).where(jobs.c.id == job_id)
