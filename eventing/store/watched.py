"""Read many watched jobs in one statement: their versions, rows and queue positions.

A thousand streams cost one query. All ids are one parameter, so the statement is the same for any number of
jobs and is compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Double, Integer, String, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import ColumnElement

from eventing.domain.job import Job
from eventing.store.database.engine import Database, db_now
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes.turns import ORDER
from eventing.store.listing import MAKES_VIDEO
from eventing.store.rows import job_from_row
from eventing.store.tables import dropped_jobs, jobs

NEWEST = 100  # jobs of an owner that a feed looks at, besides those that run
DELETED = "deleted"  # in place of the status, in the version of a job that was deleted
REMEMBERED = 300.0  # seconds that a feed sees a deletion; it looks at least every 30 s or so
DELETIONS = 500  # most of these in one look
ROWS_AT_ONCE = 200  # decoding more rows in one step would hold up the event loop for over 10 ms


# Two states of a row differ in at least one of: owner, time of the change, status, attempt, number of events.
# The time alone is not enough: two changes may fall into one tick of the clock.
Version = tuple[str, float, str, int, int]
_VERSION = (jobs.c.owner, jobs.c.updated_at, jobs.c.status, jobs.c.attempt, jobs.c.sequence)


def version_of(job: Job) -> Version:
    """Return the version of a job."""
    return job.owner, job.updated_at, str(job.status), job.attempt, job.sequence


@shielded_methods
class WatchStore:
    """The watchers' reads of the job table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        watched = self._is_one_of(jobs.c.id)
        self._versions = select(jobs.c.id, *_VERSION).where(watched)
        start = select(db_now() - bindparam("seconds", type_=Double())).scalar_subquery()
        self._changed = self._versions.where(jobs.c.updated_at > start)
        self._rows = select(jobs).where(watched)
        self._newest = _newest()
        ranked = _ranked()
        self._positions = select(ranked).where(self._is_one_of(ranked.c.id))

    async def versions(self, ids: Collection[str]) -> dict[str, Version]:
        """Return the version of each job that exists."""
        return {row[0]: row[1:] for row in await self._fetch(self._versions, ids)}

    async def changed(self, ids: Collection[str], seconds: float) -> list[str]:
        """Return the ids of the jobs that changed within the last seconds by the database's clock."""
        return [row[0] for row in await self._fetch(self._changed, ids, seconds=seconds)]

    async def newest(self, owner: str) -> dict[str, Version]:
        """Return the versions of the owner's newest jobs, of those that run, and of those just deleted."""
        async with self._database.read() as connection:
            rows = (await connection.execute(self._newest, {"owner": owner})).all()
        return {row[0]: row[1:] for row in rows}

    async def positions(self, ids: Collection[str]) -> dict[str, int]:
        """Return the queue position of each queued job: how many jobs of its model and lane are ahead."""
        return {row[0]: row[1] for row in await self._fetch(self._positions, ids)}

    async def jobs(self, ids: Collection[str]) -> dict[str, Job]:
        """Return each job that exists."""
        rest, rows = list(ids), dict[str, Job]()
        while rest:
            batch, rest = rest[:ROWS_AT_ONCE], rest[ROWS_AT_ONCE:]
            rows |= {row.id: job_from_row(row._mapping) for row in await self._fetch(self._rows, batch)}
        return rows

    async def _fetch(self, query: Any, ids: Collection[str], **values: Any) -> Any:
        value = json.dumps(list(ids)) if self._database.is_sqlite else list(ids)
        async with self._database.read() as connection:
            return (await connection.execute(query, values | {"ids": value})).all()

    def _is_one_of(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        if self._database.is_sqlite:
            return column.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))
        return column == func.any(bindparam("ids", type_=ARRAY(String)))


def _newest() -> Any:
    """Select the versions of an owner's newest, running and deleted jobs; each part has an index."""
    owner = bindparam("owner", type_=String())
    mine = select(jobs.c.id, *_VERSION).where(jobs.c.owner == owner, MAKES_VIDEO)
    order = (jobs.c.submitted_at.desc(), jobs.c.id.desc())
    newest = mine.order_by(*order).limit(NEWEST).subquery()
    at = dropped_jobs.c.dropped_at
    deleted = literal_column(f"'{DELETED}'", String).label("status")
    nothing = literal_column("0", Integer)
    dropped = (
        select(dropped_jobs.c.id, dropped_jobs.c.owner, at, deleted, nothing.label("a"), nothing.label("b"))
        .where(dropped_jobs.c.owner == owner, at > db_now() - REMEMBERED)
        .order_by(at.desc())
        .limit(DELETIONS)
        .subquery()
    )
    running = mine.where(jobs.c.status == literal_column("'in_progress'"))
    return select(newest).union(running, select(dropped))


def _ranked() -> Any:
    """Select each queued job with its position among those of its model and lane, counted from 0."""
    number = func.row_number().over(partition_by=(jobs.c.model, jobs.c.lane), order_by=ORDER)
    queued = jobs.c.status == literal_column("'queued'")  # literal: for the partial index
    return select(jobs.c.id, (number - 1).label("ahead")).where(queued).subquery()
