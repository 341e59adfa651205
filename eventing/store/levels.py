"""Read the levels that metrics show: jobs, slots, failed starts, messages and dead letters.

No part grows with the tables. A count stops at COUNTED rows of an index. The oldest job of a lane is the
first row of an index walk. Running jobs, slots and circuits are as many as the operator's endpoints allow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CompoundSelect, Select, func, literal, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.store.database.direct import fixed
from eventing.store.database.engine import Database, db_now
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes.circuit_breaker import OPEN_AFTER
from eventing.store.tables import dead_letters, jobs, model_state, outbox, slots

COUNTED = 10_000
Route = tuple[str, str]  # model, lane
_RUNNING = fixed(
    select(jobs.c.model, jobs.c.lane, func.count().label("count"))
    .where(jobs.c.status == literal_column("'in_progress'"))
    .group_by(jobs.c.model, jobs.c.lane)
)
_TAKEN = func.count(slots.c.job_id)
_SLOTS = fixed(select(slots.c.pool, func.count() - _TAKEN, _TAKEN).group_by(slots.c.pool))
_FAILURES = fixed(select(model_state.c.model, model_state.c.lane, model_state.c.failures))


@dataclass(frozen=True)
class LaneLevel:
    """The jobs of one model and lane. `oldest_age` is in seconds, of the oldest queued job."""

    queued: int = 0
    in_progress: int = 0
    oldest_age: float = 0.0
    failures: int = 0

    @property
    def is_paused(self) -> bool:
        """Tell whether the circuit is open."""
        return self.failures >= OPEN_AFTER


@dataclass(frozen=True)
class Levels:
    """What is in the database now: slots as (free, taken), messages as (count, age of the oldest)."""

    lanes: dict[Route, LaneLevel] = field(default_factory=dict)
    slots: dict[str, tuple[int, int]] = field(default_factory=dict)
    messages: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    dead_letters: int = 0


@shielded_methods
class LevelStore:
    """The levels of some lanes."""

    def __init__(self, database: Database, routes: Iterable[Route]) -> None:
        self._database = database
        self._routes = tuple(routes)
        self._queued = fixed(queued(self._routes)) if self._routes else None

    async def read(self) -> Levels:
        """Return the levels. Raises Unavailable."""
        async with self._database.read() as connection:
            waiting = await self._waiting(connection)
            running = {(model, lane): count for model, lane, count in await connection.execute(_RUNNING)}
            failures = {(model, lane): count for model, lane, count in await connection.execute(_FAILURES)}
            taken = {pool: (free, held) for pool, free, held in await connection.execute(_SLOTS)}
            messages = {
                (kind, status): (count, age)
                for status, query in (("pending", _UNSENT), ("dead", _GIVEN_UP))
                for kind, count, age in await connection.execute(query)
            }
            letters = (await connection.execute(_LETTERS)).scalar_one()
        lanes = {
            route: LaneLevel(count, running.get(route, 0), age, failures.get(route, 0))
            for route, (count, age) in waiting.items()
        }
        return Levels(lanes, taken, messages, letters)

    async def _waiting(self, connection: AsyncConnection) -> dict[Route, tuple[int, float]]:
        """Return how many jobs of each lane are queued, and the age of the oldest in seconds."""
        if self._queued is None:
            return {}
        rows = await connection.execute(self._queued)
        return {(model, lane): (count, max(0.0, age or 0.0)) for model, lane, count, age in rows}


def queued(routes: Iterable[Route]) -> CompoundSelect[Any]:
    """Return the query of the queued jobs of some lanes."""
    return union_all(*map(_waiting, routes))


def _waiting(route: Route) -> Select[Any]:
    """Return the query of a lane's queued jobs: how many, and the age of the oldest."""
    is_queued = jobs.c.status == literal_column("'queued'")  # no parameter: it picks the index
    mine = is_queued & (jobs.c.model == route[0]) & (jobs.c.lane == route[1])
    some = select(jobs.c.id).where(mine).limit(literal_column(str(COUNTED))).subquery()
    count = select(func.count()).select_from(some).scalar_subquery()
    oldest = select(func.min(jobs.c.submitted_at)).where(mine).scalar_subquery()
    return select(literal(route[0]), literal(route[1]), count, db_now() - oldest)


def _messages(status: str, *order: Any) -> Select[Any]:
    """Return the query of the messages of a status by destination: how many, and the age of the oldest."""
    some = (
        select(outbox.c.destination, outbox.c.created_at)
        .where(outbox.c.status == literal_column(f"'{status}'"))  # no parameter: it picks the index
        .order_by(*order)
        .limit(literal_column(str(COUNTED)))
        .subquery()
    )
    age = db_now() - func.min(some.c.created_at)
    return select(some.c.destination, func.count(), age).group_by(some.c.destination)


_UNSENT = fixed(_messages("pending", outbox.c.next_at))
_GIVEN_UP = fixed(_messages("dead", outbox.c.created_at, outbox.c.id))
_LETTERS = fixed(
    select(func.count()).select_from(
        select(dead_letters.c.id).limit(literal_column(str(COUNTED))).subquery()  # a walk of one index
    )
)
