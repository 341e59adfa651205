"""Pages of jobs in order of submission, and cursors into that order.

A cursor carries its position, so it outlives the row it was made from. The id of a job works as a cursor too;
`dropped_jobs` keeps the position of deleted ones.

An ascending page stops before the first submission that may still commit. Otherwise a reader that follows the
newest jobs would pass it by: on PostgreSQL, transactions commit in another order than they read the clock.
Every submission holds a shared advisory lock, so a reader sees when the oldest open one began. SQLite commits
one submission at a time, and each gets a later time than the one before it.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

from sqlalchemy import CTE, Select, func, literal_column, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.contract.errors import InvalidRequest, NotFound
from eventing.domain.job import Job, Status, owned_id
from eventing.store.tables import dropped_jobs, jobs

CURSOR_PATTERN = r"^[0-9a-f]{16}~[A-Za-z0-9_-]{1,64}$"
TICK = 1e-6  # seconds between two submissions of one owner on SQLite
_LOCK = {"key": 7263535}
MAKES_VIDEO = jobs.c.kind == literal_column("'video'")  # the jobs of other steps are shown by their stories
# A session of another role hides its start; a submission never takes as long as a minute.
_HORIZON = text("""
    SELECT extract(epoch FROM least(statement_timestamp(), min(
        CASE WHEN session.state IS NULL THEN statement_timestamp() - interval '1 minute'
             ELSE session.xact_start END)))::double precision
    FROM pg_locks AS held JOIN pg_stat_activity AS session ON session.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.classid = 0 AND held.objid = :key
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


@dataclass(frozen=True)
class Filter:
    """Which jobs a page shows; None and () mean all."""

    owner: str | None = None
    statuses: tuple[Status, ...] = ()
    model: str | None = None
    lane: str | None = None
    search: str | None = None  # text in the prompt, in any case


@dataclass(frozen=True)
class Position:
    """A position in the order of submission."""

    submitted_at: float
    id: str

    def cursor(self) -> str:
        """Return the position as text."""
        return f"{struct.pack('>d', self.submitted_at).hex()}~{self.id}"


def cursor_of(job: Job) -> str:
    """Return the cursor that continues a listing after this job."""
    return Position(job.submitted_at, job.id).cursor()


def entered() -> CTE:
    """Return SQL that announces a submission to ascending readers until its transaction ends (PostgreSQL).

    It belongs into the FROM clause of the statement that reads the clock, which then reads it afterwards.
    """
    lock = func.pg_advisory_xact_lock_shared(literal_column(str(_LOCK["key"])))
    return select(lock.label("entered")).cte("entered")


async def find_position(connection: AsyncConnection, after: str, owner: str | None) -> Position:
    """Return the position of a cursor or a job id. Raises InvalidRequest, NotFound."""
    if "~" in after:
        return read_cursor(after)
    for table in (jobs, dropped_jobs):
        mine = table.c.id.in_(ids_of(after, owner))
        query = select(table.c.submitted_at, table.c.id).where(mine)
        query = query if owner is None else query.where(table.c.owner == owner)
        if row := (await connection.execute(query)).first():
            return Position(row.submitted_at, row.id)
    raise NotFound(f"there is no job {after}", field="after")


async def page_query(
    connection: AsyncConnection, only: Filter, after: Position | None, *, ascending: bool
) -> Select[tuple[object, ...]]:
    """Return the query of a page, without a limit."""
    query: Select[tuple[object, ...]] = select(jobs).where(*_conditions(only))
    order = (jobs.c.submitted_at, jobs.c.id)
    if after is not None:
        place = (after.submitted_at, after.id)
        query = query.where(tuple_(*order) > place if ascending else tuple_(*order) < place)
    if ascending and connection.dialect.name == "postgresql":
        horizon = (await connection.execute(_HORIZON, _LOCK)).scalar_one()
        query = query.where(jobs.c.submitted_at < horizon)
    return query.order_by(*(order if ascending else (column.desc() for column in order)))


def ids_of(public_id: str, owner: str | None) -> list[str]:
    """Return the row ids that an id of this owner may have; an operator (None) names rows themselves."""
    return [public_id] if owner is None else [public_id, owned_id(owner, public_id)]


def _conditions(only: Filter) -> list[ColumnElement[bool]]:
    columns = ((jobs.c.owner, only.owner), (jobs.c.model, only.model), (jobs.c.lane, only.lane))
    conditions = [MAKES_VIDEO, *(column == value for column, value in columns if value is not None)]
    if only.statuses:
        conditions.append(jobs.c.status.in_([str(status) for status in only.statuses]))
    if only.search:
        prompt = jobs.c.spec["prompt"].as_string()
        conditions.append(prompt.icontains(only.search, autoescape=True))
    return conditions


def read_cursor(cursor: str) -> Position:
    """Return the position that a cursor carries. Raises InvalidRequest."""
    if re.fullmatch(CURSOR_PATTERN, cursor):
        time, _, job_id = cursor.partition("~")
        submitted_at = float(struct.unpack(">d", bytes.fromhex(time))[0])
        if math.isfinite(submitted_at):
            return Position(submitted_at, job_id)
    raise InvalidRequest("after: must be `next` of an earlier page", field="after")
