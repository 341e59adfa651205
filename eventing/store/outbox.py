"""Store outgoing messages: claim due ones under a lease, schedule retries, keep those that failed for good.

A message is delivered at least once. The schedule of its tries is that of Standard Webhooks (0 s, 5 s, 5 min,
30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h). A message never overtakes one of the same job and destination that
is due or in flight. Progress is tried once, so none arrives after the end of its job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Double, Select, bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.sql import ColumnElement

from eventing.contract.errors import NotFound
from eventing.contract.events import PROGRESSED
from eventing.domain.destinations import Destination, destination
from eventing.store.engine import Database, db_now
from eventing.store.shielded import shielded_methods
from eventing.store.tables import deliveries, outbox

SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
LEASE_SECONDS = 120  # longer than any single delivery
_log = deliveries.c
_LOG_TRY = insert(deliveries).from_select(
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


# Made once, since making a statement costs more than running it.
_LEASE = (
    update(outbox)
    .where(outbox.c.id.in_(bindparam("mine", expanding=True)))
    .values(lease_until=db_now() + bindparam("seconds", type_=Double()))
)


def _due() -> Select[Any]:
    """Return the query of messages to send now, in order per job and destination.

    It skips a message if an earlier one is in flight or due: another relay may be about to take that one.
    """
    other = outbox.alias("other")
    # A progress event has the sequence number of the event before it.
    same = (other.c.sequence == outbox.c.sequence) & (other.c.created_at < outbox.c.created_at)
    earlier = ((other.c.sequence < outbox.c.sequence) | same) & (other.c.next_at <= db_now())
    in_flight = (
        select(other.c.id)
        .where(other.c.job_id == outbox.c.job_id, other.c.destination == outbox.c.destination)
        .where(other.c.id != outbox.c.id, other.c.status == "pending")
        .where((other.c.lease_until > db_now()) | earlier)
        .exists()
    )
    unleased = outbox.c.lease_until.is_(None) | (outbox.c.lease_until < db_now())
    pending = outbox.c.status == literal_column("'pending'")  # no parameter: it picks the index
    query = select(outbox).where(pending, outbox.c.next_at <= db_now(), unleased, ~in_flight)
    query = query.order_by(outbox.c.next_at, outbox.c.sequence)
    return query.limit(bindparam("most")).with_for_update(skip_locked=True)


_DUE = _due()


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


@dataclass(frozen=True)
class Try:
    """The outcome of one try. `final` means no retry; `retry_after` is the receiver's, in seconds."""

    ok: bool
    seconds: float
    http_status: int | None = None
    error: str | None = None
    final: bool = False
    retry_after: float | None = None


@shielded_methods
class OutboxStore:
    """The outbox table and the log of delivery tries."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reserved = database.reserved  # deliveries never wait behind the callers

    async def claim(self, limit: int) -> list[OutboxMessage]:
        """Lease due messages to the caller; return them oldest first."""
        async with self._reserved.write() as connection:
            rows = (await connection.execute(_DUE, {"most": limit})).mappings().all()
            tried = [row["id"] for row in rows if _was_tried(row)]
            if tried:
                await connection.execute(delete(outbox).where(outbox.c.id.in_(tried)))
            messages = [_message(row) for row in rows if row["id"] not in tried]
            if messages:
                lease = {"mine": [message.id for message in messages], "seconds": float(LEASE_SECONDS)}
                await connection.execute(_LEASE, lease)
        return messages

    async def record(self, message: OutboxMessage, outcome: Try) -> bool:
        """Log a try and update the message: delivered, dead, or due again.

        Return False if the message is gone because its job was deleted meanwhile.
        """
        log: dict[str, object] = {"message": message.id, "took": outcome.seconds}
        log |= {"http_status": outcome.http_status, "reason": outcome.error}
        settled = _settle(message, outcome) | {"tries": message.tries + 1, "lease_until": None}
        still = (outbox.c.id == message.id) & (outbox.c.status == "pending")
        async with self._reserved.write() as connection:
            if message.event_type == PROGRESSED and not outcome.ok:
                await connection.execute(delete(outbox).where(outbox.c.id == message.id))
            elif (await connection.execute(update(outbox).where(still).values(**settled))).rowcount:
                await connection.execute(_LOG_TRY, log)
            else:  # or another relay has settled it
                there = select(outbox.c.id).where(outbox.c.id == message.id)
                return (await connection.execute(there)).first() is not None
        return True

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

    async def tries(self, message_id: str) -> list[dict[str, object]]:
        """Return the tries of one message, oldest first."""
        query = select(deliveries).where(deliveries.c.outbox_id == message_id).order_by(deliveries.c["try"])
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(query)).mappings()]

    async def replay(self, message_id: str, owner: str | None = None) -> None:
        """Make a message due now, with any status. Raises NotFound."""
        mine = outbox.c.id == message_id
        mine = mine if owner is None else mine & (outbox.c.owner == owner)
        again = {"status": "pending", "next_at": db_now(), "lease_until": None}
        async with self._database.write() as connection:
            result = await connection.execute(update(outbox).where(mine).values(**again))
            if result.rowcount != 1:
                raise NotFound(f"there is no delivery {message_id}")

    async def sweep(self, keep_seconds: float) -> None:
        """Delete old settled messages that belong to no job; the others are deleted with their jobs."""
        old: ColumnElement[bool] = outbox.c.created_at < db_now() - keep_seconds
        over = outbox.c.job_id.is_(None) & (outbox.c.status != "pending")
        async with self._database.write() as connection:
            await connection.execute(delete(outbox).where(old & over))


def _was_tried(row: Mapping[Any, Any]) -> bool:
    """Return whether this is a progress message whose relay ended before it recorded the try."""
    return row["event_type"] == PROGRESSED and row["lease_until"] is not None


def _settle(message: OutboxMessage, outcome: Try) -> dict[str, object]:
    if outcome.ok:
        return {"status": "delivered", "delivered_at": db_now(), "last_error": None}
    if outcome.final or message.tries >= len(SCHEDULE):
        return {"status": "dead", "last_error": outcome.error}
    delay = max(SCHEDULE[message.tries], outcome.retry_after or 0.0)
    return {"next_at": db_now() + delay, "last_error": outcome.error}


def _message(row: Mapping[Any, Any]) -> OutboxMessage:
    values = {name: row[name] for name in OutboxMessage.__dataclass_fields__}
    return OutboxMessage(**values | {"destination": destination(row["destination"], row["target"])})
