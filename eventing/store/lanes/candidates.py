"""Build the queries of a claim: the free slots of a pool, and the jobs whose turns come next.

One statement picks both and locks both. On PostgreSQL it skips locked rows, so racing replicas take different
rows and never wait for each other. On SQLite the whole transaction is exclusive. The jobs come from an index
walk in the order of the claim, so neither ended nor waiting jobs slow it down.

With a cap on the running jobs of an owner, claims of all replicas follow each other, so that none of them
counts while another takes. Their walk steps over the waiting jobs of owners that have reached the cap.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.domain.pool import Pool
from eventing.store.database.direct import fixed
from eventing.store.database.engine import db_now
from eventing.store.lanes import circuit_breaker
from eventing.store.lanes.turns import ORDER
from eventing.store.tables import jobs, slots

Route = tuple[str, str]
_LOCK_OWNERS = text("SELECT pg_advisory_xact_lock(7263537)")  # a number that no other program here uses


async def lock_owners(connection: AsyncConnection) -> None:
    """Wait for other claims under a cap, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_OWNERS)


@lru_cache(maxsize=1024)
def pairs_of(pool: Pool, route: Route, cap: int | None, *, probe: bool = False) -> Select[Any]:
    """Return the query of up to `most` pairs of a free slot and a job. A probe passes an open circuit."""
    eligible = is_next(route, cap, probe=probe)
    free = (slots.c.pool == pool.name) & (slots.c.n <= pool.capacity) & slots.c.job_id.is_(None)
    # Ordered, not EXISTS: for that a planner may read the whole table up to the first job that waits.
    first = select(jobs.c.id).where(eligible).order_by(*ORDER).limit(1).scalar_subquery()
    slot = (
        select(slots.c.n, slots.c.freed_at)
        .where(free & first.is_not(None))
        .order_by(slots.c.n)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True)
        .cte("slot")
    )
    job = (
        select(jobs)
        .where(eligible)
        .order_by(*ORDER)
        .limit(select(func.count()).select_from(slot).scalar_subquery())
        .with_for_update(skip_locked=True)
        .cte("job")
    )
    order = (job.c.turn, job.c.submitted_at, job.c.id)
    number = func.row_number().over(order_by=slot.c.n).label("place")
    numbered_slot = select(slot.c.n, slot.c.freed_at, number).subquery()
    numbered_job = select(job, func.row_number().over(order_by=order).label("place")).subquery()
    both = numbered_slot.join(numbered_job, numbered_slot.c.place == numbered_job.c.place)
    freed_at = numbered_slot.c.freed_at.label("slot_freed_at")
    columns = (numbered_slot.c.n.label("slot_n"), freed_at, numbered_job, db_now().label("at"))
    return fixed(select(*columns).select_from(both).order_by(numbered_job.c.place))


@lru_cache(maxsize=256)
def head_of(pool: Pool, cap: int | None) -> Select[Any]:
    """Return the query of the route that is next in a pool: its next job is the oldest."""
    heads = [_head(route, cap) for route in pool.routes]
    first = (heads[0] if len(heads) == 1 else union_all(*heads)).subquery()
    return fixed(select(first.c.model, first.c.lane).order_by(first.c.submitted_at, first.c.id).limit(1))


def _head(route: Route, cap: int | None) -> Select[Any]:
    model, lane = route
    next_job = (
        select(jobs.c.submitted_at, jobs.c.id)
        .where(is_next(route, cap, probe=False))
        .order_by(*ORDER)
        .limit(1)
        .subquery()
    )
    return select(literal(model).label("model"), literal(lane).label("lane"), next_job)


def is_next(route: Route, cap: int | None, *, probe: bool) -> ColumnElement[bool]:
    """Return SQL: whether a job of this route may be claimed. One route: its index then gives the order."""
    model, lane = route
    conditions = circuit_breaker.is_ready() & (jobs.c.model == model) & (jobs.c.lane == lane)
    if not probe:
        conditions &= ~circuit_breaker.is_open(model, lane)
    return conditions if cap is None else conditions & jobs.c.owner.not_in(_at_cap(cap))


def _at_cap(cap: int) -> Select[tuple[str]]:
    running = jobs.alias("running")
    in_progress = running.c.status == literal_column("'in_progress'")
    return select(running.c.owner).where(in_progress).group_by(running.c.owner).having(func.count() >= cap)
