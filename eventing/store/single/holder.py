"""Write transitions of held jobs, and claims, in one statement each (statements.py).

Only on PostgreSQL without a pooler. Elsewhere, and where a statement writes nothing, the caller takes the
long way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eventing.domain.announcer import Announcer
from eventing.domain.job import STARTING, Job, LeaseLost, Status
from eventing.domain.pool import Pool
from eventing.store.database.clock import Clock
from eventing.store.database.engine import Transactions
from eventing.store.rows import changed_values, job_from_row, record_values
from eventing.store.single import statements
from eventing.store.single.statements import Shape
from eventing.store.transitions import outbox_rows

Change = Callable[[Job, float], Job]
_STARTING = record_values(STARTING)


class SingleStatements:
    """The short way of one holder. `clock` is to be read wherever the database tells its time."""

    def __init__(self, database: Transactions, announcer: Announcer, holder: str, lease: float) -> None:
        self.clock = Clock()
        self._database = database
        self._announcer = announcer
        self._claiming = {"holder": holder, "lease": lease}

    async def claim(self, pool: Pool, most: int) -> list[Job] | None:
        """Take up to `most` free slots and the next jobs of a pool's only route; None: it was not tried."""
        if not self._database.is_direct:
            return None
        values = {"most": most, "starting": _STARTING, **self._claiming}
        async with self._database.single() as connection:
            rows = (
                (await connection.execute(statements.claimed(pool, pool.routes[0]), values)).mappings().all()
            )
        return [self._job(row) for row in rows]

    async def hand_on(self, job: Job, pool: Pool) -> list[Job] | None:
        """Give the slot of an attempt to the next job of its pool, or free it; None: nothing is written."""
        if not self._database.is_direct:
            return None
        values = _of_attempt(job) | {"starting": _STARTING, **self._claiming}
        async with self._database.single() as connection:
            rows = await connection.execute(statements.handed_on(pool), values)
        return [self._job(row) for row in rows.mappings()]

    async def write(self, job: Job, change: Change, pool: Pool | None = None) -> tuple[Job, list[Job]] | None:
        """Write a transition of a job that is held; with a pool, give its slot to the next job.

        Return the job and the next one, or None if nothing is written.
        """
        new = self._changed(job, change)
        if new is None:
            return None
        columns = changed_values(job, new)
        messages = outbox_rows(self._announcer.transition(job, new), new.updated_at)
        ends = new.status is not Status.in_progress
        shape = Shape(
            columns=tuple(columns),
            messages=len(messages),
            starts=new.started_at != job.started_at,
            frees=ends,
            drops=ends and self._announcer.sink,
            pool=pool,
        )
        values: dict[str, Any] = {f"new_{name}": value for name, value in columns.items()}
        for n, message in enumerate(messages):
            values |= {f"m{n}_{name}": value for name, value in message.items()}
        values |= _of_attempt(job) | self._claiming
        values |= {"old_sequence": job.sequence, "at": new.updated_at, "starting": _STARTING}
        values |= {"of_model": job.model, "of_lane": job.lane}
        async with self._database.single() as connection:
            row = (await connection.execute(statements.held(shape), values)).mappings().one()
        if not row["written"]:
            return None
        return new, [self._job(row)] if row.get("id") else []

    def _changed(self, job: Job, change: Change) -> Job | None:
        """Return the job after a change now; None if the time or the state of the row must be read."""
        now = self.clock.now()
        if now is None or not self._database.is_direct:
            return None
        try:
            new = change(job, max(now, job.updated_at))
        except LeaseLost:
            return None
        ends_more = (new.group_id or new.story_id) and new.status.is_terminal
        return None if new == job or ends_more else new

    def _job(self, row: Mapping[Any, Any]) -> Job:
        job = job_from_row({name: row[name] for name in Job.__dataclass_fields__})
        self.clock.read(job.updated_at)
        return job


def _of_attempt(job: Job) -> dict[str, Any]:
    return {"old_id": job.id, "old_attempt": job.attempt}
