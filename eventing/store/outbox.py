"""Store outgoing messages: claim due ones under a lease, schedule retries, keep those that failed for good.

A message is delivered at least once. The schedule of its tries is that of Standard Webhooks (0 s, 5 s, 5 min,
30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h). A message never overtakes one of the same job and destination that
is due or in flight. Progress is tried once, so none arrives after the end of its job. Messages are claimed
and recorded many at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Double,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.contract.errors import NotFound
from eventing.contract.records.events import PROGRESSED
from eventing.domain.destinations import Destination, destination
from eventing.domain.room import Room, line_of
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Database, db_now
from eventing.store.database.shielded import shielded_methods
from eventing.store.due_messages import DELIVERED, read_due, was_tried
from eventing.store.listing import Position
from eventing.store.single.deliveries import lease_due, record_delivered
from eventing.store.tables import deliveries, outbox

SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
LEASE_SECONDS = 120  # longer than any single delivery
_log = deliveries.c
_LOG_TRY = fixed(
    insert(deliveries).from_select(
        ["outbox_id", "try", "at", "seconds", "http_status", "error"],
        select(
            bindparam("message", type_=_log.outbox_id.type),
            func.coalesce(func.max(_log["try"]), 0) + 1,
            db_now(),
            bindparam("took", type_=_log.seconds.type),
            bindparam("http_status", type_=_log.http_status.type),
            bindparam("reason", type_=_log.error.type),
        ).where(_log.outbox_id == bindparam("message", type_=_log.outbox_id.type)),
    )
)
# Made once, since making a statement costs more than running it.
_MINE = outbox.c.id.in_(bindparam("mine", expanding=True))
_DELIVERED = fixed(
    update(outbox).where(_MINE, outbox.c.status == "pending").values(DELIVERED).returning(outbox.c.id)
)
_DROP = fixed(delete(outbox).where(_MINE))
_THERE = fixed(select(outbox.c.id).where(_MINE))
_LEASE = fixed(
    update(outbox).where(_MINE).values(lease_until=db_now() + bindparam("seconds", type_=Double()))
)


@dataclass(frozen=True)
class OutboxMessage:
    """One message on its way."""

    id: str
    event_id: str
    event_type: str
    job_id: str | None
    owner: str
    destination: Destination
    body: str
    tries: int
    status: str
    last_error: str | None
    created_at: float
    next_at: float
    delivered_at: float | None
    traceparent: str | None = None


@dataclass(frozen=True)
class Try:
    """The outcome of one try. `final` means no retry; `retry_after` is the receiver's, in seconds."""

    ok: bool
    seconds: float
    http_status: int | None = None
    error: str | None = None
    final: bool = False
    retry_after: float | None = None


Outcome = tuple[OutboxMessage, Try]


@shielded_methods
class OutboxStore:
    """The outbox table and the log of delivery tries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserved = database.reserved  # deliveries never wait behind the callers

    async def claim(self, limit: int, room: Room | None = None) -> list[OutboxMessage]:
        """Lease due messages to the caller; return them oldest first.

        With a room, each line gets at most its share; `room.full` then has the lines that may have more.
        """
        messages: list[OutboxMessage] = []
        most = limit if room is None else min(limit, room.for_any)
        if most and self._reserved.is_direct:
            leased = await lease_due(self._reserved, most, LEASE_SECONDS)
            kept = [row for row in leased if not was_tried(row) and (room is None or room.take(_line(row)))]
            messages += map(_message, kept)
            if len(leased) < most or most == limit:  # else more may be due
                return messages
        async with self._reserved.write() as connection:
            while len(messages) < limit:
                most = limit - len(messages)
                rows = await read_due(connection, most, room)
                chosen = [row for row in rows if room is None or room.take(_line(row))]
                messages += await _lease(connection, chosen)
                if len(chosen) == len(rows):  # else other lines may have something due
                    break
        return messages

    async def record(self, message: OutboxMessage, outcome: Try) -> bool:
        """Log a try and update the message: delivered, dead, or due again.

        Return False if the message is gone because its job was deleted meanwhile.
        """
        return message.id not in await self.record_all([(message, outcome)])

    async def record_all(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Record the outcomes of many messages; return the ids of those that are gone."""
        if self._reserved.is_direct and all(outcome.ok for _, outcome in outcomes):
            tried = [(message.id, outcome.seconds, outcome.http_status) for message, outcome in outcomes]
            settled = await record_delivered(self._reserved, tried)
            outcomes = [one for one in outcomes if one[0].id not in settled]
        if not outcomes:
            return set()
        async with self._reserved.write() as connection:
            delivered = [message.id for message, outcome in outcomes if outcome.ok]
            kept = set[str]()
            if delivered:
                kept.update((await connection.execute(_DELIVERED, {"mine": delivered})).scalars())
            others = [(message, outcome) for message, outcome in outcomes if not outcome.ok]
            dropped = [message.id for message, _ in others if message.event_type == PROGRESSED]
            if dropped:
                await connection.execute(_DROP, {"mine": dropped})
            for message, outcome in others:
                if message.id not in dropped and await _settle_failed(connection, message, outcome):
                    kept.add(message.id)
            if tries := [_log_values(*one) for one in outcomes if one[0].id in kept]:
                await connection.execute(_LOG_TRY, tries)
            # A message that was not pending is gone, or another relay has settled it.
            rest = [message.id for message, _ in outcomes if message.id not in kept.union(dropped)]
            there = (await connection.execute(_THERE, {"mine": rest})).scalars() if rest else ()
            return set(rest).difference(there)

    async def messages(
        self,
        *,
        job_id: str | None = None,
        owner: str | None = None,
        status: str | None = None,
        limit: int = 100,
    ) -> list[OutboxMessage]:
        """Return messages, newest first."""
        query = select(outbox).order_by(outbox.c.created_at.desc(), outbox.c.id).limit(limit)
        for column, value in ((outbox.c.job_id, job_id), (outbox.c.owner, owner), (outbox.c.status, status)):
            query = query.where(column == value) if value is not None else query
        async with self._database.read() as connection:
            return [_message(row) for row in (await connection.execute(query)).mappings()]

    async def dead(self, limit: int, after: Position | None) -> tuple[list[OutboxMessage], Position | None]:
        """Return a page of the messages that failed for good, newest first, and where the next one begins."""
        order = (outbox.c.created_at, outbox.c.id)
        query = select(outbox).where(outbox.c.status == literal_column("'dead'"))
        query = query if after is None else query.where(tuple_(*order) < (after.submitted_at, after.id))
        newest_first = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
        async with self._database.read() as connection:
            ahead = [_message(row) for row in (await connection.execute(newest_first)).mappings()]
        page = ahead[:limit]
        return page, Position(page[-1].created_at, page[-1].id) if len(ahead) > limit else None

    async def tries(self, *message_ids: str) -> list[dict[str, object]]:
        """Return the tries of messages, oldest first."""
        mine = deliveries.c.outbox_id.in_(message_ids)
        query = select(deliveries).where(mine).order_by(deliveries.c.outbox_id, deliveries.c["try"])
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def replay(self, message_id: str, job_id: str | None = None) -> OutboxMessage:
        """Make a message due now, with any status; with a job, only one of that job. Raises NotFound."""
        mine = outbox.c.id == message_id
        mine = mine if job_id is None else mine & (outbox.c.job_id == job_id)
        again = {"status": "pending", "next_at": db_now(), "lease_until": None}
        statement = update(outbox).where(mine).values(**again).returning(outbox)
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).mappings().first()
        if row is None:
            raise NotFound(f"there is no delivery {message_id}")
        return _message(row)

    async def sweep(self, keep_seconds: float) -> None:
        """Delete old settled messages that belong to no job; the others are deleted with their jobs."""
        old: ColumnElement[bool] = outbox.c.created_at < db_now() - keep_seconds
        over = outbox.c.job_id.is_(None) & (outbox.c.status != "pending")
        async with self._database.write() as connection:
            await connection.execute(delete(outbox).where(old & over))


def _line(row: Mapping[Any, Any]) -> tuple[str, str]:
    return line_of(row["destination"], row["owner"])


async def _lease(connection: AsyncConnection, rows: Sequence[Mapping[Any, Any]]) -> list[OutboxMessage]:
    """Lease messages and return them; delete progress whose relay ended before it recorded the try."""
    if tried := [row["id"] for row in rows if was_tried(row)]:
        await connection.execute(_DROP, {"mine": tried})
    messages = [_message(row) for row in rows if row["id"] not in tried]
    if messages:
        lease = {"mine": [message.id for message in messages], "seconds": float(LEASE_SECONDS)}
        await connection.execute(_LEASE, lease)
    return messages


async def _settle_failed(connection: AsyncConnection, message: OutboxMessage, outcome: Try) -> bool:
    """Plan the next try of a message, or give it up; False if it is not pending any more."""
    still = (outbox.c.id == message.id) & (outbox.c.status == "pending")
    settled: dict[str, object] = {
        "tries": message.tries + 1,
        "lease_until": None,
        "last_error": outcome.error,
    }
    if outcome.final or message.tries >= len(SCHEDULE):
        settled["status"] = "dead"
    else:
        settled["next_at"] = db_now() + max(SCHEDULE[message.tries], outcome.retry_after or 0.0)
    return (await connection.execute(update(outbox).where(still).values(**settled))).rowcount == 1


def _log_values(message: OutboxMessage, outcome: Try) -> dict[str, object]:
    seconds, status = outcome.seconds, outcome.http_status
    return {"message": message.id, "took": seconds, "http_status": status, "reason": outcome.error}


def _message(row: Mapping[Any, Any]) -> OutboxMessage:
    values = {name: row[name] for name in OutboxMessage.__dataclass_fields__}
    return OutboxMessage(**values | {"destination": destination(row["destination"], row["target"])})
