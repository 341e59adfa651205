"""Look what is due: the one statement that an idle replica sends, once per poll.

Each part is the first row of an index walk. EXISTS would let a planner read the table up to the first row.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ScalarSelect, Select, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.store.database.direct import fixed
from eventing.store.database.engine import db_now
from eventing.store.lanes import circuit_breaker
from eventing.store.lanes.turns import ORDER
from eventing.store.tables import jobs, outbox, stories

LAPSED = (jobs.c.status == literal_column("'in_progress'")) & (jobs.c.lease_until < db_now())
OVERDUE = (jobs.c.status == literal_column("'queued'")) & (jobs.c.start_by < db_now())
STORY_DUE = stories.c.due_at.is_not(None) & (stories.c.due_at <= db_now())
_PENDING = (outbox.c.status == literal_column("'pending'")) & (outbox.c.next_at <= db_now())


@dataclass(frozen=True)
class Due:
    """Whether there is work: jobs to claim, messages to send, what is over, and stories that may go on."""

    jobs: bool
    messages: bool
    lapsed: bool
    overdue: bool
    stories: bool


async def look(connection: AsyncConnection) -> Due:
    """Return what is due now. What is due may still have to wait: for a slot, or behind another message."""
    return Due(*(await connection.execute(LOOK)).one())


def _is_there(first: Select[str]) -> ScalarSelect[str]:
    return first.limit(1).scalar_subquery()


LOOK = fixed(
    select(
        _is_there(
            select(jobs.c.id).where(circuit_breaker.is_ready()).order_by(jobs.c.model, jobs.c.lane, *ORDER)
        )
        .is_not(None)
        .label("jobs"),
        _is_there(
            select(outbox.c.id)
            .where(_PENDING, outbox.c.lease_until.is_(None) | (outbox.c.lease_until < db_now()))
            .order_by(outbox.c.next_at)
        )
        .is_not(None)
        .label("messages"),
        _is_there(select(jobs.c.id).where(LAPSED).order_by(jobs.c.lease_until)).is_not(None).label("lapsed"),
        _is_there(select(jobs.c.id).where(OVERDUE).order_by(jobs.c.start_by)).is_not(None).label("overdue"),
        _is_there(select(stories.c.id).where(STORY_DUE).order_by(stories.c.due_at))
        .is_not(None)
        .label("stories"),
    )
)
