"""Models whose predictors do not start: after three failures in a row only one probe job at a time goes out.

The others wait in the queue, where they cost nothing; the reason is visible on each of them. The first
predictor that speaks clears the pause.
"""

from __future__ import annotations

from sqlalchemy import delete, exists, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.store.engine import db_now, now
from eventing.store.tables import model_state

PAUSE_AFTER = 3


def is_paused(model: ColumnElement[str], lane: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL: whether jobs of this model and lane must wait."""
    same = (model_state.c.model == model) & (model_state.c.lane == lane)
    return exists().where(same & (model_state.c.failures >= PAUSE_AFTER))


async def take_probe(
    connection: AsyncConnection, routes: tuple[tuple[str, str], ...]
) -> tuple[str, str] | None:
    """The paused route whose probe is due, if this call won it: the next one is an hour away at most.

    `count` and `clear` end a probe; the hour only matters if the process that probes dies.
    """
    due = (
        tuple_(model_state.c.model, model_state.c.lane).in_(routes)
        & (model_state.c.failures >= PAUSE_AFTER)
        & (model_state.c.next_probe_at <= db_now())
    )
    picked = select(model_state.c.model, model_state.c.lane).where(due).limit(1)
    row = (await connection.execute(picked.with_for_update(skip_locked=True))).first()
    if row is None:
        return None
    later = update(model_state).where(_is(row.model, row.lane)).values(next_probe_at=db_now() + 3600)
    await connection.execute(later)
    return row.model, row.lane


async def count(connection: AsyncConnection, model: str, lane: str, reason: str, probe_after: float) -> int:
    """Record one more failed start; how many there are in a row."""
    at = await now(connection)
    query = select(model_state.c.failures).where(_is(model, lane)).with_for_update()
    before = (await connection.execute(query)).scalar_one_or_none()
    values = {"failures": (before or 0) + 1, "reason": reason[:2000], "next_probe_at": at + probe_after}
    if before is None:
        await connection.execute(insert(model_state).values(model=model, lane=lane, **values))
    else:
        await connection.execute(update(model_state).where(_is(model, lane)).values(**values))
    return (before or 0) + 1


async def clear(connection: AsyncConnection, model: str, lane: str) -> None:
    """The model starts after all."""
    await connection.execute(delete(model_state).where(_is(model, lane)))


async def listing(connection: AsyncConnection) -> dict[tuple[str, str], str]:
    """Paused (model, lane) pairs with the reason."""
    query = select(model_state).where(model_state.c.failures >= PAUSE_AFTER)
    return {(row.model, row.lane): row.reason for row in await connection.execute(query)}


def _is(model: str, lane: str) -> ColumnElement[bool]:
    return (model_state.c.model == model) & (model_state.c.lane == lane)
