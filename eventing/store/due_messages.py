"""Read the messages that are due, in order per job and destination, and lock them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.records.events import PROGRESSED
from eventing.domain.destinations import Webhook
from eventing.domain.room import Room
from eventing.store.database.direct import fixed
from eventing.store.database.engine import db_now
from eventing.store.tables import outbox

# What a delivery that went well writes.
DELIVERED: dict[Any, Any] = {
    "status": literal_column("'delivered'"),
    "delivered_at": db_now(),
    "last_error": None,
    "tries": outbox.c.tries + literal_column("1"),
    "lease_until": None,
}


def due_messages() -> Select[Any]:
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


_DUE = fixed(due_messages())
_DUE_OF_OTHERS = fixed(
    _DUE.where(
        (outbox.c.destination != Webhook.kind) | outbox.c.owner.not_in(bindparam("owners", expanding=True)),
        outbox.c.destination.not_in(bindparam("kinds", expanding=True)),
    )
)


async def read_due(connection: AsyncConnection, most: int, room: Room | None) -> Sequence[Mapping[Any, Any]]:
    """Lock due messages, without those of lines that have their share."""
    query, values = _DUE, dict[str, Any](most=most)
    if room and room.full:
        values["owners"] = [owner for kind, owner in room.full if kind == Webhook.kind]
        values["kinds"] = [kind for kind, _ in room.full if kind != Webhook.kind]
        query = _DUE_OF_OTHERS
    return list((await connection.execute(query, values)).mappings())


def was_tried(row: Mapping[Any, Any]) -> bool:
    """Return whether this is a progress message whose relay ended before it recorded the try."""
    return row["event_type"] == PROGRESSED and row["lease_until"] is not None
