"""The job table as callers see it: submit once, read, list, cancel, drop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, delete, func, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import Conflict, InvalidRequest, NotFound, TooMany
from eventing.contract.models import Failure, JobRequest
from eventing.domain import job as state
from eventing.domain.announcer import Announcer
from eventing.domain.job import Job, Status
from eventing.store.engine import Database, db_now, insert_once, now
from eventing.store.rows import job_from_row, job_values
from eventing.store.shielded import shielded_methods
from eventing.store.tables import idempotency, jobs, outbox
from eventing.store.transitions import add_messages, transition

# The time, and how many jobs the owner has waiting.
_waiting = (jobs.c.owner == bindparam("owner")) & (jobs.c.status == literal_column("'queued'"))
_BEFORE = select(
    db_now().label("at"), select(func.count()).where(_waiting).scalar_subquery().label("waiting")
)


@dataclass(frozen=True)
class Submission:
    """A job to be, before the database has given it a time. `key` makes it idempotent."""

    job: Job
    key: str | None = None
    start_within: float | None = None


def digest(request: JobRequest) -> str:
    """SHA-256 of what was asked, so that a key used again with another body is noticed."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def event_key(source: str, event_id: str, prefix: str = "event") -> str:
    """The idempotency key of an event; hashed, since both parts together may be longer than a key."""
    return f"{prefix}:" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()


@shielded_methods
class JobStore:
    """The callers' half of the job table."""

    def __init__(self, database: Database, announcer: Announcer, *, quota: int, keep_seconds: float) -> None:
        self._database = database
        self._announcer = announcer
        self._quota = quota
        self._keep = keep_seconds

    async def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Store a job, or return the one an equal submission made before; True if it is new.

        Raises InvalidRequest if the key was used with another body, Conflict if the id is somebody else's
        or was used for another body, TooMany if the owner has too many jobs waiting.
        """
        async with self._database.write() as connection:
            found = (await connection.execute(_BEFORE, {"owner": submission.job.owner})).one()
            if submission.key is not None and not await self._take_key(connection, submission, found.at):
                return await self._first(connection, submission), False
            job = _timed(submission, found.at)
            if not await insert_once(connection, jobs, job_values(job)):
                return await self._same(connection, submission.job), False
            if found.waiting >= self._quota:
                waits = f"{found.waiting} jobs are waiting; {self._quota} may wait at once"
                raise TooMany(waits, retry_after=30)  # and nothing of it is stored
            return job, True

    async def get(self, job_id: str, owner: str | None = None) -> Job:
        """One job. Raises NotFound, also when it is another owner's."""
        async with self._database.read() as connection:
            job = await _find(connection, job_id)
        if job is None or owner not in (None, job.owner):
            raise NotFound(f"there is no job {job_id}")
        return job

    async def page(
        self, owner: str | None, *, limit: int, after: str | None = None, ascending: bool = False,
        statuses: tuple[Status, ...] = (), model: str | None = None, lane: str | None = None,
    ) -> tuple[list[Job], bool]:  # fmt: skip
        """A page of jobs in order of submission (newest first unless ascending), and whether more follow."""
        query = select(jobs)
        for column, value in ((jobs.c.owner, owner), (jobs.c.model, model), (jobs.c.lane, lane)):
            query = query.where(column == value) if value is not None else query
        if statuses:
            query = query.where(jobs.c.status.in_([str(status) for status in statuses]))
        if after is not None:
            anchor = await self.get(after, owner)
            at, same = jobs.c.submitted_at, jobs.c.submitted_at == anchor.submitted_at
            later = or_(at > anchor.submitted_at, and_(same, jobs.c.id > anchor.id))
            earlier = or_(at < anchor.submitted_at, and_(same, jobs.c.id < anchor.id))
            query = query.where(later if ascending else earlier)
        order = (jobs.c.submitted_at, jobs.c.id)
        query = query.order_by(*(order if ascending else (column.desc() for column in order)))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        return [job_from_row(row) for row in rows[:limit]], len(rows) > limit

    async def position(self, job: Job) -> int:
        """How many queued jobs of the same model and lane are ahead of this one."""
        ahead = or_(
            jobs.c.submitted_at < job.submitted_at,
            and_(jobs.c.submitted_at == job.submitted_at, jobs.c.id < job.id),
        )
        same = (jobs.c.model == job.model) & (jobs.c.lane == job.lane) & (jobs.c.status == "queued")
        async with self._database.read() as connection:
            return int((await connection.execute(select(func.count()).where(same & ahead))).scalar_one())

    async def depths(self) -> dict[tuple[str, str, str], int]:
        """Number of live jobs by (model, lane, status), for metrics."""
        columns = (jobs.c.model, jobs.c.lane, jobs.c.status)
        live = jobs.c.status.in_(["queued", "in_progress"])
        async with self._database.read() as connection:
            rows = await connection.execute(select(*columns, func.count()).where(live).group_by(*columns))
            return {(model, lane, status): count for model, lane, status, count in rows}

    async def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Ask for a job's end: at once if it waits, by its holder if it runs. Raises NotFound."""

        def change(job: Job, at: float) -> Job:
            if owner not in (None, job.owner):
                raise NotFound(f"there is no job {job_id}")
            return state.request_cancel(job, at, self._keep)

        return await transition(self._database, self._announcer, job_id, change)

    async def requeue(self, job_id: str) -> Job:
        """An operator's second chance for a failed or cancelled job. Raises NotFound, Conflict."""
        try:
            return await transition(self._database, self._announcer, job_id, state.requeue)
        except ValueError as error:
            raise Conflict(str(error), field="id") from error

    async def reject(self, source: str, event_id: str, owner: str, error: Failure, field: str | None) -> None:
        """Announce once per source and id that an event cannot become a job."""
        messages = self._announcer.rejected(source, event_id, owner, error, field)
        async with self._database.write() as connection:
            at = await now(connection)
            key = {"owner": owner, "key": event_key(source, event_id, "rejected"), "digest": "", "job_id": ""}
            if await insert_once(connection, idempotency, key | {"created_at": at}):
                await add_messages(connection, messages, at)

    async def expired(self, limit: int = 100) -> Sequence[str]:
        """Return the ids of jobs whose retention has ended."""
        async with self._database.read() as connection:
            due = jobs.c.expires_at < await now(connection)
            return (await connection.execute(select(jobs.c.id).where(due).limit(limit))).scalars().all()

    async def drop(self, job_id: str) -> None:
        """Delete a job's rows, except messages that still have to be delivered."""
        mine = outbox.c.job_id == job_id
        orphan = mine & (outbox.c.status == "pending") & (outbox.c.destination != "s3")
        async with self._database.write() as connection:
            await connection.execute(update(outbox).where(orphan).values(job_id=None))
            await connection.execute(delete(outbox).where(mine))
            await connection.execute(delete(jobs).where(jobs.c.id == job_id))

    async def _take_key(self, connection: AsyncConnection, submission: Submission, at: float) -> bool:
        job = submission.job
        row = {"owner": job.owner, "key": submission.key, "digest": job.digest, "job_id": job.id}
        return await insert_once(connection, idempotency, row | {"created_at": at})

    async def _first(self, connection: AsyncConnection, submission: Submission) -> Job:
        mine = (idempotency.c.owner == submission.job.owner) & (idempotency.c.key == submission.key)
        key = (await connection.execute(select(idempotency).where(mine))).mappings().one()
        if key["digest"] != submission.job.digest:
            raise InvalidRequest(
                f"this key was used before, with another body, for job {key['job_id']}",
                field="idempotency_key",
            )
        if job := await _find(connection, key["job_id"]):
            return job
        raise Conflict(f"this key made job {key['job_id']}, which has expired", field="idempotency_key")

    async def _same(self, connection: AsyncConnection, asked: Job) -> Job:
        """The job that has the id already, if it is the one that is asked for."""
        existing = await _find(connection, asked.id)
        if existing is None or existing.owner != asked.owner:
            raise Conflict(f"the id {asked.id} is taken", field="id")
        if existing.digest != asked.digest:
            raise Conflict(f"job {asked.id} exists with another request", field="id")
        return existing


def _timed(submission: Submission, at: float) -> Job:
    start_by = None if submission.start_within is None else at + submission.start_within
    return submission.job.evolve(at, submitted_at=at, not_before=at, start_by=start_by)


async def _find(connection: AsyncConnection, job_id: str) -> Job | None:
    row = (await connection.execute(select(jobs).where(jobs.c.id == job_id))).mappings().first()
    return None if row is None else job_from_row(row)
