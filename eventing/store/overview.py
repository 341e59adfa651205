"""Read what an operator looks at: who waits, what runs, what ended lately. Each answer has a limit.

No query reads the whole history: waiting and running jobs have partial indexes, and the jobs that ended last
are the end of `ix_jobs_expiry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, literal_column, select

from eventing.domain.job import Job
from eventing.store.database.engine import Database, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.rows import job_from_row
from eventing.store.tables import jobs, outbox

COUNTED = 1000  # messages of one status that are counted; there may be more
FLOWS = 500  # lanes and owners of one answer
RUNNING = 100
ENDED = 200


@dataclass(frozen=True)
class Flow:
    """The jobs of one owner in one lane: how many wait and run, and since when the oldest waits."""

    model: str
    lane: str
    owner: str
    queued: int
    in_progress: int
    oldest_at: float | None


@dataclass(frozen=True)
class Work:
    """What waits, runs and has ended lately, at one time of the database's clock."""

    at: float
    flows: list[Flow]
    running: list[Job]
    ended: list[Job]
    messages: dict[str, int]


@shielded_methods
class OverviewStore:
    """The operator's view of the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def work(self) -> Work:
        """Return what waits and runs, the jobs that ended last, and how many messages are not delivered."""
        async with self._database.read() as connection:
            at = await now(connection)
            waiting = (await connection.execute(_flows("queued"))).mappings().all()
            running = (await connection.execute(_flows("in_progress"))).mappings().all()
            live = (await connection.execute(_RUNNING)).mappings().all()
            ended = (await connection.execute(_ENDED)).mappings().all()
            messages = {
                status: (await connection.execute(_count(status))).scalar_one()
                for status in ("pending", "dead")
            }
        jobs_live, jobs_ended = [job_from_row(row) for row in live], [job_from_row(row) for row in ended]
        return Work(at, _merge(waiting, running), jobs_live, jobs_ended, messages)


def _flows(status: str) -> Select[Any]:
    """Return the query of the flows with jobs of a status. The status is no parameter: it picks the index."""
    of_status = jobs.c.status == literal_column(f"'{status}'")
    oldest = func.min(jobs.c.submitted_at).label("oldest_at")
    columns = (jobs.c.model, jobs.c.lane, jobs.c.owner)
    query = select(*columns, func.count().label("count"), oldest).where(of_status).group_by(*columns)
    return query.order_by(oldest).limit(FLOWS)


def _count(status: str) -> Select[Any]:
    of_status = select(outbox.c.id).where(outbox.c.status == literal_column(f"'{status}'")).limit(COUNTED)
    return select(func.count()).select_from(of_status.subquery())


_RUNNING = (
    select(jobs)
    .where(jobs.c.status == literal_column("'in_progress'"))
    .order_by(jobs.c.lease_until)
    .limit(RUNNING)
)
_ENDED = select(jobs).where(jobs.c.expires_at.is_not(None)).order_by(jobs.c.expires_at.desc()).limit(ENDED)


def _merge(waiting: list[Mapping[Any, Any]], running: list[Mapping[Any, Any]]) -> list[Flow]:
    """Return one flow per lane and owner, those first whose jobs wait longest."""
    counts = {_key(row): row["count"] for row in running}
    flows = [Flow(*_key(row), row["count"], counts.pop(_key(row), 0), row["oldest_at"]) for row in waiting]
    return flows + [Flow(*key, 0, count, None) for key, count in counts.items()]


def _key(row: Mapping[Any, Any]) -> tuple[str, str, str]:
    return row["model"], row["lane"], row["owner"]
