"""Store the turns of jobs (eventing/domain/turns.py): given at submission, read by claims and positions.

The table `turns` has a row per flow of a lane: where its next turn begins. The flow without an owner is the
clock of the lane. A submission locks the row of its flow until it commits, so two submissions of one flow
never get the same turn. A claim needs no row but the clock: `ix_jobs_turns` has the waiting jobs in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    CTE,
    Double,
    FromClause,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.domain.job import Job
from eventing.domain.turns import Shares, turns_before
from eventing.store.database.direct import fixed
from eventing.store.tables import jobs, turns

ORDER = (jobs.c.turn, jobs.c.submitted_at, jobs.c.id)
CLOCK = {"owner": "", "priority": 0}  # no owner has an empty name
KEY = ("model", "lane", "owner", "priority")
_clock = turns.alias("clock")
_NOW = func.coalesce(
    select(_clock.c.turn)
    .where(_clock.c.model == bindparam("of_model"), _clock.c.lane == bindparam("of_lane"))
    .where(_clock.c.owner == literal_column("''"), _clock.c.priority == literal_column("0"))
    .scalar_subquery(),
    0.0,
)
_BY: ColumnElement[float] = bindparam("advance", type_=Double())
_STEP: ColumnElement[float] = bindparam("of_step", type_=Double())
# The row of a new flow.
_START: dict[str, ColumnElement[Any]] = {
    **{name: bindparam(f"of_{name}", type_=turns.c[name].type) for name in KEY},
    "step": _STEP,
    "turn": _NOW + _BY,
}
_IS_FLOW = [turns.c[name] == bindparam(f"of_{name}") for name in KEY]
_WAITING = select(jobs.c.turn).where(
    jobs.c.status == literal_column("'queued'"), *(jobs.c[name] == bindparam(f"of_{name}") for name in KEY)
)
_LAST = union_all(select(_NOW.label("turn")), _WAITING).subquery()
_END = select(func.max(_LAST.c.turn)).scalar_subquery() + turns.c.step
_LOCK = fixed(select(turns.c.turn).where(*_IS_FLOW).with_for_update())
_LEAVE = fixed(update(turns).where(*_IS_FLOW, turns.c.turn > _END).values(turn=_END))


def ahead_of(job: Job) -> ColumnElement[bool]:
    """Return SQL: whether a waiting job of the same lane goes before this one."""
    return tuple_(*ORDER) < (job.turn, job.submitted_at, job.id)


async def take_turns(connection: AsyncConnection, entries: Sequence[Job], shares: Shares) -> list[Job]:
    """Give jobs of one flow the next turns. The row of the flow stays locked until the transaction ends."""
    if not entries:
        return []
    step, values = advance_of(entries, shares)
    statement = _advance(connection.dialect.name)
    end = float((await connection.execute(statement, values)).scalar_one())
    order = zip(entries, turns_before(end, step, len(entries)), strict=True)
    return [replace(job, turn=turn) for job, turn in order]


def advance_of(entries: Sequence[Job], shares: Shares) -> tuple[float, dict[str, Any]]:
    """Return the length of a turn of jobs of one flow, and the values of the statement that gives turns."""
    step = shares.step(entries[0].owner, entries[0].priority)
    return step, _flow_of(entries[0]) | {"of_step": step, "advance": step * len(entries)}


async def lock_flow(connection: AsyncConnection, job: Job) -> None:
    """Lock the row of a job's flow until the transaction ends. Call it before the job's row is written.

    A submission has the row of the flow when it meets the row of a job with its id, and waits for a change of
    that job that is not committed.
    """
    await connection.execute(_LOCK, _flow_of(job))


async def void_turns(connection: AsyncConnection, job: Job) -> None:
    """Give back the turns after the last waiting job of a flow, of which one has ended without a claim.

    The flow is locked, so this sees what others that had its row have committed: a new job of the flow, or
    the end of its last one.
    """
    await connection.execute(_LEAVE, _flow_of(job))


async def set_clock(connection: AsyncConnection, claimed: Sequence[Job]) -> None:
    """Move the clock of the lane of these jobs to the highest of their turns, never back."""
    values = {"model": claimed[0].model, "lane": claimed[0].lane, **CLOCK}
    turn = max(job.turn for job in claimed)
    await connection.execute(_move(connection.dialect.name), values | {"turn": turn, "step": 0.0})


async def forget_idle(connection: AsyncConnection) -> None:
    """Delete flows whose next turn is not after the clock: a new row would say the same."""
    same = (_clock.c.model == turns.c.model) & (_clock.c.lane == turns.c.lane) & (_clock.c.owner == "")
    is_idle = exists().where(same & (_clock.c.turn >= turns.c.turn))
    await connection.execute(delete(turns).where(turns.c.owner != "", is_idle))


@lru_cache(maxsize=2)
def _advance(dialect: str) -> Any:
    """Return the statement that moves the end of a flow by `advance` and returns it."""
    return fixed(_moved(_insert(dialect).values(**_START)))


def advanced(entering: FromClause) -> CTE:
    """Return SQL that does so where `entering` has a row (PostgreSQL)."""
    start = select(*(value.label(name) for name, value in _START.items())).select_from(entering)
    return cast(CTE, _moved(postgresql_insert(turns).from_select(list(_START), start)).cte("moved"))


def _moved(statement: Any) -> Any:
    change = {"turn": case((turns.c.turn > _NOW, turns.c.turn), else_=_NOW) + _BY, "step": _STEP}
    moved = statement.on_conflict_do_update(index_elements=list(KEY), set_=change)
    return moved.returning(turns.c.turn)


@lru_cache(maxsize=2)
def _move(dialect: str) -> Any:
    statement = _insert(dialect)
    later = statement.excluded.turn
    change, is_later = {"turn": later}, turns.c.turn < later
    return fixed(statement.on_conflict_do_update(index_elements=list(KEY), set_=change, where=is_later))


def _insert(dialect: str) -> Any:
    return sqlite_insert(turns) if dialect == "sqlite" else postgresql_insert(turns)


def _flow_of(job: Job) -> dict[str, Any]:
    return {f"of_{name}": getattr(job, name) for name in KEY}
