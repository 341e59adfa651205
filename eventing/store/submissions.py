"""Store submissions: the jobs of one request in one transaction, once per key and id, within the quota."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, bindparam, func, insert, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import Conflict, InvalidRequest, TooMany
from eventing.contract.records.models import JobRequest
from eventing.contract.records.pictures import FIELDS, fingerprint
from eventing.contract.records.results import VideoResult
from eventing.domain import job as state
from eventing.domain.announcer import Announcer
from eventing.domain.group import GROUP_PREFIX
from eventing.domain.job import Job
from eventing.domain.turns import EQUAL, Shares
from eventing.metrics.requests import QUOTA, REFUSED
from eventing.store import listing
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Database, db_now, insert_once
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes.turns import take_turns
from eventing.store.rows import job_from_row, job_values
from eventing.store.single import submitted
from eventing.store.tables import idempotency, jobs
from eventing.store.transitions import add_messages, end_group

# The time, and how many jobs the owner has waiting.
_waiting = (jobs.c.owner == bindparam("owner")) & (jobs.c.status == literal_column("'queued'"))
_BEFORE = fixed(
    select(db_now().label("at"), select(func.count()).where(_waiting).scalar_subquery().label("waiting"))
)
_ENTERING = fixed(_BEFORE.select_from(listing.entered()))
_ADD = fixed(insert(jobs))

# Fields that 0.1 did not have.
LATER = frozenset({
    *FIELDS, "image_fit", "strength", "guidance_scale_2", "loras", "generate_audio", "n", "reuse", "priority",
})  # fmt: skip


@dataclass(frozen=True)
class Submission:
    """The jobs of one request before the database has set their times. `key` makes it idempotent.

    `others` are the further jobs of a group. `results` are those of jobs that end at once, by job id.
    """

    job: Job
    key: str | None = None
    start_within: float | None = None
    others: tuple[Job, ...] = ()
    results: Mapping[str, VideoResult] = field(default_factory=dict)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs."""
        return (self.job, *self.others)

    def of(self, jobs: Sequence[Job]) -> Submission:
        """Return the same submission with other jobs."""
        return replace(self, job=jobs[0], others=tuple(jobs[1:]))


def digest(request: JobRequest) -> str:
    """Return the SHA-256 of a request, which shows that a key was used again with another body.

    Fields of later releases are left out while they have their default, so that every release has the same
    digest.
    """
    fields = request.model_dump(mode="json", exclude={name for name in FIELDS if getattr(request, name)})
    fields |= {name: fingerprint(address) for name, address in request.pictures().items()}
    unset = {name for name in LATER if fields[name] == JobRequest.model_fields[name].default}
    shown = {name: value for name, value in fields.items() if name not in unset}
    canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def event_key(source: str, event_id: str, prefix: str = "event") -> str:
    """Return the idempotency key of an event; a hash, since both parts together may be too long for a key."""
    return f"{prefix}:" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()


@shielded_methods
class SubmissionStore:
    """Writes new jobs."""

    def __init__(
        self,
        database: Database,
        announcer: Announcer,
        *,
        quota: int,
        keep_seconds: float,
        shares: Shares = EQUAL,
    ) -> None:
        self._database = database
        self._announcer = announcer
        self._quota = quota
        self._keep = keep_seconds
        self._shares = shares

    async def submit(self, submission: Submission) -> tuple[Job, bool]:
        """Store all jobs or none; return the first, and whether it is new.

        It is not new if an equal submission made it before. Raises InvalidRequest if the key was used with
        another body, Conflict if the id was, TooMany if the owner would have too many jobs waiting.
        """
        if short := await self._submit_at_once(submission):
            return short, True
        async with self._database.write() as connection:
            if earlier := await _of_earlier_release(connection, submission.job):
                return _equal(earlier, submission.job), False
            begin = _BEFORE if self._database.is_sqlite else _ENTERING
            before = (await connection.execute(begin, {"owner": submission.job.owner})).one()
            if submission.key is not None and not await self._take_key(connection, submission, before.at):
                return await self._first(connection, submission), False
            queued = _timed(submission, before.at, await self._last(connection, submission.job.owner))
            waiting = [job for job in queued if job.id not in submission.results]
            in_turn = {job.id: job for job in await take_turns(connection, waiting, self._shares)}
            queued = [in_turn.get(job.id, job) for job in queued]
            stored = [self._ended(job, submission.results.get(job.id), before.at) for job in queued]
            if not await insert_once(connection, jobs, job_values(stored[0])):
                return await self._same(connection, submission.job), False
            if others := stored[1:]:
                await connection.execute(_ADD, [job_values(other) for other in others])
            self._check_quota(before.waiting, len(stored) - len(submission.results))
            await self._announce(connection, queued, stored)
            return stored[0], True

    async def _submit_at_once(self, submission: Submission) -> Job | None:
        """Store one new job in one statement. Return None if that is not possible or nothing is written."""
        job = submission.job
        is_plain = job.chosen_id is None and job.group_id is None and not submission.results
        if not is_plain or not self._database.is_direct:
            return None
        place = await submitted.submit(
            self._database, job, submission.key, submission.start_within, self._quota, self._shares
        )
        if place is None:
            return None
        at, turn = place
        return replace(_timed(submission, at, 0.0)[0], turn=turn)

    async def earlier(self, submission: Submission) -> Job | None:
        """Return the job that an equal submission made before, without storing anything. Raises as `submit`.

        Only `submit` can say for good that there is none.
        """
        job = submission.job
        async with self._database.read() as connection:
            if submission.key is not None and await self._has_key(connection, submission):
                return await self._first(connection, submission)
            existing = None if job.chosen_id is None else await find_job(connection, job.chosen_id, job.owner)
        return None if existing is None else _equal(existing, job)

    async def check_room(self, owner: str, more: int) -> None:
        """Raise TooMany if an owner may not have so many more jobs waiting now."""
        async with self._database.read() as connection:
            self._check_quota(await self._waiting(connection, owner), more)

    def _ended(self, job: Job, result: VideoResult | None, at: float) -> Job:
        return job if result is None else state.reuse(job, result, at, self._keep)

    async def _waiting(self, connection: AsyncConnection, owner: str) -> int:
        """Return how many jobs of an owner wait."""
        return int((await connection.execute(_BEFORE, {"owner": owner})).one().waiting)

    def _check_quota(self, waiting: int, more: int) -> None:
        """Raise TooMany, which undoes the transaction, if more jobs would wait than may."""
        if more and waiting + more > self._quota:
            REFUSED.labels(QUOTA).inc()
            waits = f"{waiting} jobs are waiting; {self._quota} may wait at once"
            raise TooMany(waits, retry_after=30)

    async def _announce(self, connection: AsyncConnection, queued: list[Job], stored: list[Job]) -> None:
        """Put the events of the jobs that have ended at once into the outbox, and that of their group."""
        for old, new in zip(queued, stored, strict=True):
            await add_messages(connection, self._announcer.transition(old, new), new.updated_at)
        if stored[-1].group_id and all(job.status.is_terminal for job in stored):
            await end_group(connection, stored[-1], stored[-1].group_id, self._announcer)

    async def _take_key(self, connection: AsyncConnection, submission: Submission, at: float) -> bool:
        job = submission.job
        made = job.group_id or job.id
        row = {"owner": job.owner, "key": submission.key, "digest": job.digest, "job_id": made}
        return await insert_once(connection, idempotency, row | {"created_at": at})

    async def _has_key(self, connection: AsyncConnection, submission: Submission) -> bool:
        query = select(idempotency.c.job_id).where(_key_of(submission))
        return (await connection.execute(query)).first() is not None

    async def _first(self, connection: AsyncConnection, submission: Submission) -> Job:
        """Return the job or the first of the group that the key has made. Raises InvalidRequest, Conflict."""
        query = select(idempotency).where(_key_of(submission))
        key = (await connection.execute(query)).mappings().one()
        job = await _made(connection, key["job_id"])
        name = job.group_id or job.public_id if job else key["job_id"]
        if key["digest"] != submission.job.digest:
            raise InvalidRequest(
                f"this key was used before, with another body, for {_kind(name)} {name}",
                field="idempotency_key",
            )
        if job is None:
            raise Conflict(f"this key made {_kind(name)} {name}, which has expired", field="idempotency_key")
        return job

    async def _same(self, connection: AsyncConnection, job: Job) -> Job:
        """Return the job that has the id already, if it was made by the same request. Raises Conflict."""
        existing = await find_job(connection, job.id, job.owner)
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


def _timed(submission: Submission, at: float, last: float) -> list[Job]:
    """Return the jobs with their times. Those of a group follow each other, which is their order."""
    start_by = None if submission.start_within is None else at + submission.start_within
    first = max(at, last + listing.TICK) if last else at
    return [
        job.evolve(at, submitted_at=first + number * listing.TICK, not_before=at, start_by=start_by)
        for number, job in enumerate(submission.jobs)
    ]


async def _of_earlier_release(connection: AsyncConnection, job: Job) -> Job | None:
    """Return the owner's job whose row has the chosen id itself, as releases before 0.1 stored it."""
    return None if job.chosen_id is None else await find_job(connection, job.chosen_id, job.owner)


def _kind(name: str) -> str:
    return "group" if name.startswith(GROUP_PREFIX) else "job"


async def _made(connection: AsyncConnection, made: str) -> Job | None:
    """Return the job with this id, or the first that is left of the group with this id."""
    either = or_(jobs.c.id == made, jobs.c.group_id == made)
    query = select(jobs).where(either).order_by(jobs.c.submitted_at, jobs.c.id).limit(1)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else job_from_row(row)


async def find_job(connection: AsyncConnection, job_id: str, owner: str | None) -> Job | None:
    """Return one job; an owner (None: the operator) names it by its public id. None if there is none."""
    query = select(jobs).where(jobs.c.id.in_(listing.ids_of(job_id, owner)))
    query = query if owner is None else query.where(jobs.c.owner == owner, listing.MAKES_VIDEO)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else job_from_row(row)
