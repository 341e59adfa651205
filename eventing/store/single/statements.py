"""Build the statements that write a whole transaction at once (PostgreSQL): row, slot, events, next claim.

A statement alone is a transaction of its own, without BEGIN and COMMIT: one round trip in place of six. Its
parts are data-modifying CTEs. Each depends on the rows that the one before it has changed, so either all of
them write or none does.

`held` writes a transition of a job as its holder knows it. The row is written only if it still is what the
holder knows (attempt, number of events, no requested cancel), its lease has not ended, and the holder's time
is right. Otherwise nothing is written, and the caller takes the long way: lock, read, decide, write.

`claimed` takes free slots and jobs. What it writes into a job is what `claim` in eventing/domain/job.py
returns; a test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    Double,
    Integer,
    Select,
    String,
    any_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.sql import ColumnElement

from eventing.contract.records.events import PROGRESSED
from eventing.domain.pool import Pool
from eventing.store.database.clock import is_right
from eventing.store.database.direct import fixed
from eventing.store.database.engine import db_now
from eventing.store.lanes.candidates import Route, is_next, pairs_of
from eventing.store.lanes.turns import KEY, ORDER
from eventing.store.tables import jobs, model_state, outbox, slots, turns


@dataclass(frozen=True)
class Shape:
    """What a transition writes beside the row; each shape is a statement of its own, compiled once."""

    columns: tuple[str, ...]  # of the row
    messages: int = 0
    starts: bool = False  # failed starts of the model are forgotten
    frees: bool = False  # the slot is free
    drops: bool = False  # progress messages that wait are deleted
    pool: Pool | None = None  # its next job gets the slot


@lru_cache(maxsize=512)
def held(shape: Shape) -> Select[Any]:
    """Return the statement of a transition. Its row has `written`, and the columns of the next job."""
    written = _written(shape.columns)
    is_written = select(written.c.id).exists()
    parts = list[CTE]()
    following: CTE | None = None
    if shape.pool is not None:
        following = _taken(_next(shape.pool, is_written))
        parts.append(_clock(following))
    if shape.frees:
        parts.append(_handed_on(following, is_written))
    if shape.starts:
        here = (model_state.c.model == bindparam("of_model")) & (model_state.c.lane == bindparam("of_lane"))
        parts.append(delete(model_state).where(here, is_written).cte("forgotten"))
    if shape.drops:
        parts.append(delete(outbox).where(*_waiting_progress(), is_written).cte("dropped"))
    if shape.messages:
        parts.append(_announced(shape.messages, is_written))
    return fixed(_answer(written, following).add_cte(*parts))


@lru_cache(maxsize=256)
def handed_on(pool: Pool) -> Select[Any]:
    """Return the statement that gives the slot of an attempt to the next job, which it returns."""
    is_there = true()
    following = _taken(_next(pool, is_there))
    return fixed(select(*following.c).add_cte(_handed_on(following, is_there), _clock(following)))


@lru_cache(maxsize=256)
def claimed(pool: Pool, route: Route) -> Select[Any]:
    """Return the statement that gives up to `most` free slots to the next jobs, which it returns in order."""
    pair = pairs_of(pool, route, None).cte("pair")
    taken = _taken(pair, _idle(pair, pool))
    held_slot = (
        update(slots)
        .where(slots.c.pool == pool.name, slots.c.n == pair.c.slot_n, pair.c.id == taken.c.id)
        .values(job_id=taken.c.id, attempt=taken.c.attempt)
        .cte("held")
    )
    in_order = select(*taken.c).join(pair, pair.c.id == taken.c.id).order_by(pair.c.place)
    return fixed(in_order.add_cte(held_slot, _clock(taken)))


def _written(columns: Sequence[str]) -> CTE:
    """Return SQL that writes the row, if it is as its holder knows it.

    Only a job in progress has a lease. With the status a planner may walk an index of all that are.
    """
    known = (
        (jobs.c.id == bindparam("old_id"))
        & (jobs.c.attempt == bindparam("old_attempt"))
        & (jobs.c.sequence == bindparam("old_sequence"))
        & jobs.c.cancel_requested.is_(False)
        & (jobs.c.lease_until >= db_now())
    )
    values = {name: bindparam(f"new_{name}", type_=jobs.c[name].type) for name in columns}
    return update(jobs).where(known, is_right()).values(**values).returning(jobs.c.id).cte("written")


def _next(pool: Pool, condition: ColumnElement[bool]) -> CTE:
    """Return SQL that locks the next job for the slot of an attempt, if the pool still has that slot."""
    (route,) = pool.routes
    kept = (
        select(slots.c.n)
        .where(*_of_attempt(), slots.c.pool == pool.name, slots.c.n <= pool.capacity, condition)
        .with_for_update()
        .cte("kept")
    )
    return (
        select(jobs.c.id, db_now().label("at"))
        .where(is_next(route, None, probe=False))
        .order_by(*ORDER)
        .limit(select(func.count()).select_from(kept).scalar_subquery())
        .with_for_update(skip_locked=True)
        .cte("next")
    )


def _idle(pair: CTE, pool: Pool) -> ColumnElement[float]:
    """Return SQL: for how long the predictor of the slot was awake, as `Pool.idle` returns it."""
    gap = func.greatest(pair.c.at - pair.c.slot_freed_at, literal_column("0.0"))
    most: ColumnElement[float] = _number(pool.idle_seconds)
    is_on = pair.c.slot_n <= literal_column(str(pool.always_on))
    idle = case((is_on, gap), else_=func.least(gap, most))
    known = case((pair.c.slot_freed_at.is_(None), literal_column("0.0", Double())), else_=idle)
    return select(known).where(pair.c.id == jobs.c.id).scalar_subquery()


def _number(value: float) -> ColumnElement[float]:
    """Return a number as SQL. In quotes it may be infinite: a predictor may never stop."""
    return literal_column(f"'{float(value)}'::double precision", Double())


def _taken(chosen: CTE, idle: ColumnElement[float] | None = None) -> CTE:
    """Return SQL that gives jobs to this holder, as `claim` in eventing/domain/job.py does.

    Their ids come as an array. In a join a planner that expects many may read the whole table.
    """
    at = select(chosen.c.at).where(chosen.c.id == jobs.c.id).scalar_subquery()
    ids = func.array(select(chosen.c.id).scalar_subquery(), type_=ARRAY(String))
    values = {
        "status": literal_column("'in_progress'"),
        "attempt": jobs.c.attempt + literal_column("1"),
        "holder": bindparam("holder", type_=String()),
        "lease_until": at + bindparam("lease", type_=Double()),
        "claimed_at": at,
        "updated_at": at,
        "started_at": None,
        "progress": bindparam("starting", type_=jobs.c.progress.type),
        **({} if idle is None else {"idle_seconds": jobs.c.idle_seconds + idle}),
    }
    change = update(jobs).where(jobs.c.id == any_(ids)).values(**values)
    return change.returning(*jobs.columns).cte("taken")


def _handed_on(following: CTE | None, condition: ColumnElement[bool]) -> CTE:
    """Return SQL that frees the slot of an attempt, or gives it to the next job."""
    values: dict[str, Any] = {"job_id": None, "attempt": None, "freed_at": db_now()}
    if following is not None:
        values |= {
            "job_id": select(following.c.id).scalar_subquery(),
            "attempt": select(following.c.attempt).scalar_subquery(),
        }
    return update(slots).where(*_of_attempt(), condition).values(**values).cte("handed_on")


def _clock(taken: CTE) -> CTE:
    """Return SQL that moves the clock of the lane to the highest turn that was taken, never back."""
    highest = select(
        taken.c.model,
        taken.c.lane,
        literal_column("''", String()),
        literal_column("0", Integer()),
        func.max(taken.c.turn),
        literal_column("0.0::double precision", Double()),
    ).group_by(taken.c.model, taken.c.lane)
    moved = postgresql_insert(turns).from_select([*KEY, "turn", "step"], highest)
    later = moved.excluded.turn
    change = moved.on_conflict_do_update(
        index_elements=list(KEY), set_={"turn": later}, where=turns.c.turn < later
    )
    return change.cte("clock")


def _announced(count: int, condition: ColumnElement[bool]) -> CTE:
    """Return SQL that puts messages into the outbox."""
    names = [column.name for column in outbox.columns]
    rows = [
        select(*(bindparam(f"m{n}_{name}", type_=outbox.c[name].type) for name in names)).where(condition)
        for n in range(count)
    ]
    return insert(outbox).from_select(names, rows[0] if count == 1 else union_all(*rows)).cte("announced")


def _answer(written: CTE, following: CTE | None) -> Select[Any]:
    """Return one row: whether the transition is written, and the next job, if there is one."""
    count = select(func.count()).select_from(written).scalar_subquery().label("written")
    if following is None:
        return select(count)
    one = select(literal_column("1").label("one")).subquery("one")
    return select(count, *following.c).select_from(one.outerjoin(following, true()))


def _of_attempt() -> tuple[ColumnElement[bool], ...]:
    return slots.c.job_id == bindparam("old_id"), slots.c.attempt == bindparam("old_attempt")


def _waiting_progress() -> tuple[ColumnElement[bool], ...]:
    return (
        outbox.c.job_id == bindparam("old_id"),
        outbox.c.event_type == PROGRESSED,
        outbox.c.status == literal_column("'pending'"),
        outbox.c.lease_until.is_(None),
    )
