"""Models whose predictors do not start: after three failures in a row only one probe job at a time goes out.

The others wait in the queue, where they cost nothing; the reason is visible on each of them. The first
predictor that speaks clears the pause. A probe that ends without a word of the predictor, since it was
cancelled or its holder stopped, is followed by another a minute after it went out.
"""

from __future__ import annotations

from sqlalchemy import delete, exists, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.store.engine import db_now, insert_once
from eventing.store.tables import jobs, model_state

PAUSE_AFTER = 3
PROBE_EVERY = 60  # seconds, where nobody said when


def is_paused(model: ColumnElement[str], lane: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: whether jobs of this model and lane must wait."""
    same = (model_state.c.model == model) & (model_state.c.lane == lane)
    return exists().where(same & (model_state.c.failures >= PAUSE_AFTER))


def is_ready() -> ColumnElement[bool]:
    """SQL: whether a job waits and may go out now, but for a pause."""
    queued = jobs.c.status == literal_column("'queued'")  # no parameter: it picks the index
    in_time = jobs.c.start_by.is_(None) | (jobs.c.start_by >= db_now())
    return queued & (jobs.c.not_before <= db_now()) & in_time


async def due_probe(
    connection: AsyncConnection, routes: tuple[tuple[str, str], ...]
) -> tuple[str, str] | None:
    """A paused route with a job that is ready and a probe that is due while none is out; it is locked until
    the transaction ends.
    """
    here = (jobs.c.model == model_state.c.model) & (jobs.c.lane == model_state.c.lane)
    out = here & (jobs.c.status == "in_progress") & jobs.c.started_at.is_(None)
    due = (
        tuple_(model_state.c.model, model_state.c.lane).in_(routes)
        & (model_state.c.failures >= PAUSE_AFTER)
        & (model_state.c.next_probe_at <= db_now())
        & exists().where(here & is_ready())
        & ~exists().where(out)
    )
    picked = select(model_state.c.model, model_state.c.lane).where(due).limit(1)
    row = (await connection.execute(picked.with_for_update(skip_locked=True))).first()
    return None if row is None else (row.model, row.lane)


async def probing(connection: AsyncConnection, route: tuple[str, str]) -> None:
    """A probe goes out: whoever waited for the lock of `due_probe` finds that it is not due any more."""
    later = update(model_state).where(_is(*route)).values(next_probe_at=db_now() + PROBE_EVERY)
    await connection.execute(later)


async def count(connection: AsyncConnection, model: str, lane: str, reason: str, probe_after: float) -> int:
    """Record one more failed start; how many there are in a row."""
    first = {"model": model, "lane": lane, "failures": 0, "reason": "", "next_probe_at": 0.0}
    await insert_once(connection, model_state, first)
    more = {
        "failures": model_state.c.failures + 1,
        "reason": reason[:2000],
        "next_probe_at": db_now() + probe_after,
    }
    counted = update(model_state).where(_is(model, lane)).values(**more).returning(model_state.c.failures)
    failures = (await connection.execute(counted)).scalar_one_or_none()
    return 1 if failures is None else int(failures)  # none: another replica's predictor has just spoken


async def clear(connection: AsyncConnection, model: str, lane: str) -> None:
    """The model starts after all."""
    await connection.execute(delete(model_state).where(_is(model, lane)))


async def listing(connection: AsyncConnection) -> dict[tuple[str, str], str]:
    """Paused (model, lane) pairs with the reason."""
    query = select(model_state).where(model_state.c.failures >= PAUSE_AFTER)
    return {(row.model, row.lane): row.reason for row in await connection.execute(query)}


def _is(model: str, lane: str) -> ColumnElement[bool]:
    return (model_state.c.model == model) & (model_state.c.lane == lane)
