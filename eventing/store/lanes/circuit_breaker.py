"""The circuit breaker of each model and lane, for predictors that do not start.

    closed ──three failed starts in a row──► open ──a probe job goes out──► half-open
       ▲                                      ▲                                │
       └───── a predictor answers ────────────┴────── the probe fails ─────────┘

While a circuit is open, its jobs wait in the queue and show the reason. It is half-open while one probe job
is out. A probe that ends without an answer of a predictor (cancelled, or its holder stopped) proves nothing:
the next one goes out a minute after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Select, bindparam, delete, exists, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.store.database.direct import fixed
from eventing.store.database.engine import db_now, insert_once
from eventing.store.tables import jobs, model_state

OPEN_AFTER = 3  # failed starts in a row
PROBE_EVERY = 60  # seconds between two probes, unless a failed start sets another delay
_IS_OPEN = model_state.c.failures >= OPEN_AFTER
_FORGET = fixed(
    delete(model_state).where(
        model_state.c.model == bindparam("of_model"), model_state.c.lane == bindparam("of_lane")
    )
)


@dataclass(frozen=True)
class Circuit:
    """One open circuit. `next_probe_at` is by the database's clock."""

    model: str
    lane: str
    failures: int
    next_probe_at: float
    reason: str


def is_open(model: str, lane: str) -> ColumnElement[bool]:
    """Return SQL: whether jobs of this model and lane have to wait."""
    return exists().where((model_state.c.model == model) & (model_state.c.lane == lane) & _IS_OPEN)


def has_failed(model: ColumnElement[str], lane: ColumnElement[str]) -> ColumnElement[bool]:
    """Return SQL: whether failed starts of this model and lane are recorded."""
    return exists().where((model_state.c.model == model) & (model_state.c.lane == lane))


def is_ready() -> ColumnElement[bool]:
    """Return SQL: whether a queued job may go out now, if its circuit is closed."""
    queued = jobs.c.status == literal_column("'queued'")  # no parameter: it picks the index
    in_time = jobs.c.start_by.is_(None) | (jobs.c.start_by >= db_now())
    return queued & (jobs.c.not_before <= db_now()) & in_time


async def due_for_probe(
    connection: AsyncConnection, routes: tuple[tuple[str, str], ...]
) -> tuple[str, str] | None:
    """Return an open route that is due for a probe and has a ready job; None if there is none.

    The route's row stays locked until the transaction ends.
    """
    row = (await connection.execute(_due(routes))).first()
    return None if row is None else (row.model, row.lane)


@lru_cache(maxsize=64)
def _due(routes: tuple[tuple[str, str], ...]) -> Select[tuple[str, str]]:
    here = (jobs.c.model == model_state.c.model) & (jobs.c.lane == model_state.c.lane)
    probe_out = here & (jobs.c.status == "in_progress") & jobs.c.started_at.is_(None)
    due = (
        tuple_(model_state.c.model, model_state.c.lane).in_(routes)
        & _IS_OPEN
        & (model_state.c.next_probe_at <= db_now())
        & exists().where(here & is_ready())
        & ~exists().where(probe_out)
    )
    query = select(model_state.c.model, model_state.c.lane).where(due).limit(1)
    return fixed(query.with_for_update(skip_locked=True))


async def half_open(connection: AsyncConnection, route: tuple[str, str]) -> None:
    """Postpone the next probe, so that a concurrent claimer does not send a second one."""
    later = update(model_state).where(_is(*route)).values(next_probe_at=db_now() + PROBE_EVERY)
    await connection.execute(later)


async def count_failure(
    connection: AsyncConnection, model: str, lane: str, reason: str, probe_after: float
) -> int:
    """Record one more failed start and return how many there are in a row."""
    first = {"model": model, "lane": lane, "failures": 0, "reason": "", "next_probe_at": 0.0}
    await insert_once(connection, model_state, first)
    more = {
        "failures": model_state.c.failures + 1,
        "reason": reason[:2000],
        "next_probe_at": db_now() + probe_after,
    }
    statement = update(model_state).where(_is(model, lane)).values(**more).returning(model_state.c.failures)
    failures = (await connection.execute(statement)).scalar_one_or_none()
    return 1 if failures is None else int(failures)  # None: another replica has just closed the circuit


async def close(connection: AsyncConnection, model: str, lane: str) -> None:
    """Forget the failures: a predictor has answered."""
    await connection.execute(_FORGET, {"of_model": model, "of_lane": lane})


async def open_circuits(connection: AsyncConnection) -> list[Circuit]:
    """Return the circuits that are open."""
    rows = await connection.execute(select(model_state).where(_IS_OPEN))
    return [Circuit(row.model, row.lane, row.failures, row.next_probe_at, row.reason) for row in rows]


async def probe_now(connection: AsyncConnection, model: str, lane: str) -> bool:
    """Make an open circuit due for a probe; False if it is not open."""
    statement = update(model_state).where(_is(model, lane) & _IS_OPEN).values(next_probe_at=db_now())
    return (await connection.execute(statement)).rowcount == 1


def _is(model: str, lane: str) -> ColumnElement[bool]:
    return (model_state.c.model == model) & (model_state.c.lane == lane)
