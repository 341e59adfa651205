"""Read what an estimate needs: the last videos of the model, the place of one more job, and free slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, literal_column, select

from eventing.domain.estimate import Sample, work_of
from eventing.domain.job import Job
from eventing.store.database.engine import Database, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.rows import job_from_row
from eventing.store.tables import jobs, slots, turns

ENDED = 1000  # jobs that ended last, among which those of the model are looked for
SAMPLES = 50


@dataclass(frozen=True)
class Outlook:
    """What waits for a job that would be submitted now. `slept` are seconds since a free slot was in use."""

    ahead: int
    free: int
    slots: int
    slept: float | None


@shielded_methods
class ForecastStore:
    """Reads for estimates; it writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def samples(self, model: str) -> list[Sample]:
        """Return the videos that the model made last, those of the last 1000 jobs that ended."""
        async with self._database.read() as connection:
            rows = (await connection.execute(_made(model))).mappings().all()
        return [_sample(job_from_row(row)) for row in rows]

    async def outlook(self, job: Job, pool: str) -> Outlook:
        """Return how many jobs go before this one, which is not stored, and the slots of its pool."""
        async with self._database.read() as connection:
            turn = (await connection.execute(_turn(job))).scalar_one()
            ahead = (await connection.execute(_ahead(job, float(turn or 0.0)))).scalar_one()
            row = (await connection.execute(_slots(pool))).one()
            at = await now(connection)
        slept = None if row.freed_at is None else max(0.0, at - row.freed_at)
        return Outlook(int(ahead), int(row.whole - row.taken), int(row.whole), slept)


def _made(model: str) -> Select[Any]:
    last = (
        select(jobs.c.id)
        .where(jobs.c.expires_at.is_not(None))
        .order_by(jobs.c.expires_at.desc())
        .limit(ENDED)
        .subquery()
    )
    made = (jobs.c.status == literal_column("'completed'")) & jobs.c.reused_from.is_(None)
    query = select(jobs).where(jobs.c.id.in_(select(last.c.id)), jobs.c.model == model, made)
    return query.where(jobs.c.started_at.is_not(None)).order_by(jobs.c.completed_at.desc()).limit(SAMPLES)


def _sample(job: Job) -> Sample:
    started, ended = job.started_at or 0.0, job.completed_at or 0.0
    cold = started - (job.claimed_at or started) if job.cold_starts else None
    return Sample(work_of(job.video), max(0.0, ended - started), job.used_seconds, cold)


def _turn(job: Job) -> Select[Any]:
    """Return the query of the turn that the job would get: after those of its flow, none before the clock."""
    of_lane = (turns.c.model == job.model) & (turns.c.lane == job.lane)
    of_flow = (turns.c.owner == job.owner) & (turns.c.priority == job.priority)
    clock = (turns.c.owner == "") & (turns.c.priority == 0)
    return select(func.max(turns.c.turn)).where(of_lane, of_flow | clock)


def _ahead(job: Job, turn: float) -> Select[Any]:
    queued = jobs.c.status == literal_column("'queued'")  # no parameter: it picks the index
    same = (jobs.c.model == job.model) & (jobs.c.lane == job.lane)
    return select(func.count()).where(queued & same, jobs.c.turn <= turn)


def _slots(pool: str) -> Select[Any]:
    freed = select(func.max(slots.c.freed_at)).where(slots.c.pool == pool, slots.c.job_id.is_(None))
    columns = (func.count().label("whole"), func.count(slots.c.job_id).label("taken"))
    return select(*columns, freed.scalar_subquery().label("freed_at")).where(slots.c.pool == pool)
