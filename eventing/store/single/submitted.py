"""Store a new job in one statement: its turn, its key and its row, within the quota (PostgreSQL)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, Double, Integer, Select, bindparam, func, insert, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.sql import ColumnElement

from eventing.domain.job import Job
from eventing.domain.turns import Shares
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Transactions, db_now
from eventing.store.lanes.turns import advance_of, advanced
from eventing.store.listing import entered
from eventing.store.rows import job_values
from eventing.store.tables import idempotency, jobs

_STEP: ColumnElement[float] = bindparam("of_step", type_=Double())
_SET_HERE = ("submitted_at", "updated_at", "not_before", "start_by", "turn")


async def submit(
    database: Transactions, job: Job, key: str | None, start_within: float | None, quota: int, shares: Shares
) -> tuple[float, float] | None:
    """Store a job; return its time and its turn. None: nothing is written, and the long way finds out why."""
    _, values = advance_of([job], shares)
    values |= {f"new_{name}": value for name, value in job_values(job).items() if name not in _SET_HERE}
    values |= {"start_within": start_within, "quota": quota}
    values |= {} if key is None else {"key": key}
    async with database.single() as connection:
        row = (await connection.execute(_submitted(has_key=key is not None), values)).first()
    return None if row is None else (row.submitted_at, row.turn)


@lru_cache(maxsize=2)
def _submitted(*, has_key: bool) -> Select[Any]:
    """Return the statement. Each part writes only if the one before it has a row."""
    entering = _admitted()
    if has_key:
        entering = _key_taken(entering)
    stored = _stored(entering, advanced(entering))
    return fixed(select(stored.c.submitted_at, stored.c.turn))


def _admitted() -> CTE:
    """Return SQL: the time, if the owner may have one more job waiting and no job has the id."""
    of_owner = (jobs.c.owner == _new("owner")) & (jobs.c.status == literal_column("'queued'"))
    waiting = select(func.count()).where(of_owner).scalar_subquery()
    has_id = select(jobs.c.id).where(jobs.c.id == _new("id")).exists()
    before = select(db_now().label("at"), waiting.label("waiting")).select_from(entered()).cte("before")
    has_room = before.c.waiting < bindparam("quota", type_=Integer())
    return select(before.c.at).where(has_room, ~has_id).cte("admitted")


def _key_taken(admitted: CTE) -> CTE:
    """Return SQL that takes the key; no row if it is taken already."""
    row = {"owner": _new("owner"), "key": bindparam("key", type_=idempotency.c.key.type)}
    row |= {"digest": _new("digest"), "job_id": _new("id"), "created_at": admitted.c.at}
    values = select(*(value.label(name) for name, value in row.items())).select_from(admitted)
    taken = postgresql_insert(idempotency).from_select(list(row), values).on_conflict_do_nothing()
    return taken.returning(idempotency.c.created_at.label("at")).cte("key_taken")


def _stored(entering: CTE, moved: CTE) -> CTE:
    at = entering.c.at
    row = {name: _new(name) for name in Job.__dataclass_fields__ if name not in _SET_HERE}
    row |= {"submitted_at": at, "updated_at": at, "not_before": at}
    row |= {"start_by": at + bindparam("start_within", type_=Double()), "turn": moved.c.turn - _STEP}
    values = select(*(value.label(name) for name, value in row.items()))
    rows = insert(jobs).from_select(list(row), values.select_from(entering.join(moved, true())))
    return rows.returning(jobs.c.submitted_at, jobs.c.turn).cte("stored")


def _new(name: str) -> ColumnElement[Any]:
    return bindparam(f"new_{name}", type_=jobs.c[name].type)
