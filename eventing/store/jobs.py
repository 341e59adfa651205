"""Read and change jobs for the API: submit once per key, read, list, queue position, cancel, drop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import Conflict, InvalidRequest, NotFound, TooMany
from eventing.contract.models import Failure, JobRequest
from eventing.contract.pictures import FIELDS, fingerprint
from eventing.domain import job as state
from eventing.domain.announcer import Announcer
from eventing.domain.job import Job, Status
from eventing.store import listing
from eventing.store.engine import Database, db_now, insert_from, insert_once, now
from eventing.store.rows import job_from_row, job_values
from eventing.store.shielded import shielded_methods
from eventing.store.tables import dropped_jobs, idempotency, jobs, outbox
from eventing.store.transitions import add_messages, transition

# The time, and how many jobs the owner has waiting.
_waiting = (jobs.c.owner == bindparam("owner")) & (jobs.c.status == literal_column("'queued'"))
_BEFORE = select(
    db_now().label("at"), select(func.count()).where(_waiting).scalar_subquery().label("waiting")
)

LATER = frozenset({*FIELDS, "image_fit", "strength", "guidance_scale_2"})  # fields that 0.1 did not have


@dataclass(frozen=True)
class Submission:
    """A job before the database has set its times. `key` makes the submission idempotent."""

    job: Job
    key: str | None = None
    start_within: float | None = None


def digest(request: JobRequest) -> str:
    """Return the SHA-256 of a request, which shows that a key was used again with another body.

    Fields of later releases are left out while they are not set, so that every release has the same digest.
    """
    fields = request.model_dump(mode="json", exclude={name for name in FIELDS if getattr(request, name)})
    fields |= {name: fingerprint(address) for name, address in request.pictures().items()}
    shown = {name: value for name, value in fields.items() if value is not None or name not in LATER}
    canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def event_key(source: str, event_id: str, prefix: str = "event") -> str:
    """Return the idempotency key of an event; a hash, since both parts together may be too long for a key."""
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
        """Store a job, or return the one that an equal submission made before; True if it is new.

        Raises InvalidRequest if the key was used with another body, Conflict if the id was,
        TooMany if the owner has too many jobs waiting.
        """
        async with self._database.write() as connection:
            if earlier := await _of_earlier_release(connection, submission.job):
                return _equal(earlier, submission.job), False
            await listing.enter(connection)
            before = (await connection.execute(_BEFORE, {"owner": submission.job.owner})).one()
            if submission.key is not None and not await self._take_key(connection, submission, before.at):
                return await self._first(connection, submission), False
            job = _timed(submission, before.at, await self._last(connection, submission.job.owner))
            if not await insert_once(connection, jobs, job_values(job)):
                return await self._same(connection, submission.job), False
            if before.waiting >= self._quota:
                waits = f"{before.waiting} jobs are waiting; {self._quota} may wait at once"
                raise TooMany(waits, retry_after=30)  # and nothing of it is stored
            return job, True

    async def earlier(self, submission: Submission) -> Job | None:
        """Return the job that an equal submission made before, without storing anything. Raises as `submit`.

        Only `submit` can say for good that there is none.
        """
        job = submission.job
        async with self._database.read() as connection:
            if submission.key is not None and await self._has_key(connection, submission):
                return await self._first(connection, submission)
            existing = None if job.chosen_id is None else await _find(connection, job.chosen_id, job.owner)
        return None if existing is None else _equal(existing, job)

    async def get(self, job_id: str, owner: str | None = None) -> Job:
        """Return one job; an owner names it by its public id. Raises NotFound, also if it is another's."""
        async with self._database.read() as connection:
            job = await _find(connection, job_id, owner)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        return job

    async def page(
        self, owner: str | None, *, limit: int, after: str | None = None, ascending: bool = False,
        statuses: tuple[Status, ...] = (), model: str | None = None, lane: str | None = None,
    ) -> tuple[list[Job], bool]:  # fmt: skip
        """Return a page of jobs in order of submission, newest first by default, and whether more follow.

        `after` is a cursor or the id of a job, deleted or not. Raises InvalidRequest, NotFound.
        """
        only = listing.Filter(owner, statuses, model, lane)
        async with self._database.read() as connection:
            start = None if after is None else await listing.find_position(connection, after, owner)
            query = await listing.page_query(connection, only, start, ascending=ascending)
            rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
        return [job_from_row(row) for row in rows[:limit]], len(rows) > limit

    async def position(self, job: Job) -> int:
        """Return how many queued jobs of the same model and lane are ahead of this one."""
        same = (jobs.c.model == job.model) & (jobs.c.lane == job.lane) & (jobs.c.status == "queued")
        query = select(func.count()).where(same & listing.ahead_of(job))
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def depths(self) -> dict[tuple[str, str, str], int]:
        """Return the number of jobs that have not ended by (model, lane, status), for metrics."""
        columns = (jobs.c.model, jobs.c.lane, jobs.c.status)
        live = jobs.c.status.in_(["queued", "in_progress"])
        async with self._database.read() as connection:
            rows = await connection.execute(select(*columns, func.count()).where(live).group_by(*columns))
            return {(model, lane, status): count for model, lane, status, count in rows}

    async def cancel(self, job_id: str, owner: str | None = None) -> Job:
        """Request a job's end: at once if it waits, by its holder if it runs. Raises NotFound."""
        job = await self.get(job_id, owner)
        return await transition(
            self._database, self._announcer, job.id, lambda j, at: state.request_cancel(j, at, self._keep)
        )

    async def requeue(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with all its attempts. Raises NotFound, Conflict."""
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
        """Delete a job's rows, except messages that still have to be delivered, and keep its position."""
        mine = outbox.c.job_id == job_id
        orphan = mine & (outbox.c.status == "pending") & (outbox.c.destination != "s3")
        async with self._database.write() as connection:
            await connection.execute(update(outbox).where(orphan).values(job_id=None))
            await connection.execute(delete(outbox).where(mine))
            await connection.execute(delete(dropped_jobs).where(dropped_jobs.c.id == job_id))
            await insert_from(connection, dropped_jobs, _position_of(job_id))
            await connection.execute(delete(jobs).where(jobs.c.id == job_id))

    async def forget(self, positions_after: float, keys_after: float) -> None:
        """Delete positions of deleted jobs, and idempotency keys whose job is gone, when they are too old.

        Both limits are ages in seconds.
        """
        job_exists = exists().where(jobs.c.id == idempotency.c.job_id)
        async with self._database.write() as connection:
            await connection.execute(
                delete(dropped_jobs).where(dropped_jobs.c.dropped_at < db_now() - positions_after)
            )
            await connection.execute(
                delete(idempotency).where(idempotency.c.created_at < db_now() - keys_after, ~job_exists)
            )

    async def _take_key(self, connection: AsyncConnection, submission: Submission, at: float) -> bool:
        job = submission.job
        row = {"owner": job.owner, "key": submission.key, "digest": job.digest, "job_id": job.id}
        return await insert_once(connection, idempotency, row | {"created_at": at})

    async def _has_key(self, connection: AsyncConnection, submission: Submission) -> bool:
        query = select(idempotency.c.job_id).where(_key_of(submission))
        return (await connection.execute(query)).first() is not None

    async def _first(self, connection: AsyncConnection, submission: Submission) -> Job:
        """Return the job that the key has made. Raises InvalidRequest, Conflict."""
        query = select(idempotency).where(_key_of(submission))
        key = (await connection.execute(query)).mappings().one()
        job = await _find(connection, key["job_id"], None)
        name = job.public_id if job else key["job_id"]
        if key["digest"] != submission.job.digest:
            raise InvalidRequest(
                f"this key was used before, with another body, for job {name}", field="idempotency_key"
            )
        if job is None:
            raise Conflict(f"this key made job {name}, which has expired", field="idempotency_key")
        return job

    async def _same(self, connection: AsyncConnection, job: Job) -> Job:
        """Return the job that has the id already, if it was made by the same request. Raises Conflict."""
        existing = await _find(connection, job.id, job.owner)
        if existing is None:
            raise Conflict(f"the id {job.public_id} is taken", field="id")
        return _equal(existing, job)

    async def _last(self, connection: AsyncConnection, owner: str) -> float:
        """Return the time of the owner's last submission on SQLite, whose clock has only milliseconds."""
        if not self._database.is_sqlite:
            return 0.0
        query = select(func.max(jobs.c.submitted_at)).where(jobs.c.owner == owner)
        return float((await connection.execute(query)).scalar() or 0.0)


def _key_of(submission: Submission) -> ColumnElement[bool]:
    return (idempotency.c.owner == submission.job.owner) & (idempotency.c.key == submission.key)


def _equal(existing: Job, job: Job) -> Job:
    if existing.digest != job.digest:
        raise Conflict(f"job {job.public_id} exists with another request", field="id")
    return existing


def _timed(submission: Submission, at: float, last: float) -> Job:
    start_by = None if submission.start_within is None else at + submission.start_within
    submitted_at = max(at, last + listing.TICK) if last else at
    return submission.job.evolve(at, submitted_at=submitted_at, not_before=at, start_by=start_by)


def _position_of(job_id: str) -> Select[tuple[str, str, float, float]]:
    return select(jobs.c.id, jobs.c.owner, jobs.c.submitted_at, db_now()).where(jobs.c.id == job_id)


async def _of_earlier_release(connection: AsyncConnection, job: Job) -> Job | None:
    """Return the owner's job whose row has the chosen id itself, as releases before 0.1 stored it."""
    return None if job.chosen_id is None else await _find(connection, job.chosen_id, job.owner)


async def _find(connection: AsyncConnection, job_id: str, owner: str | None) -> Job | None:
    query = select(jobs).where(jobs.c.id.in_(listing.ids_of(job_id, owner)))
    query = query if owner is None else query.where(jobs.c.owner == owner)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else job_from_row(row)
