"""Claim due messages in one statement, and record those that were delivered in one (PostgreSQL)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Double,
    Integer,
    String,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import ColumnElement

from eventing.contract.records.events import PROGRESSED
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Transactions, db_now
from eventing.store.due_messages import DELIVERED, due_messages
from eventing.store.tables import deliveries, outbox

Delivered = tuple[str, float, int | None]  # id of the message, seconds, HTTP status

_due = due_messages().cte("due")
_was_tried = (_due.c.event_type == PROGRESSED) & _due.c.lease_until.is_not(None)


def _is_of(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return SQL: whether a message is one of those due. An array: a join may read the whole table."""
    chosen = select(_due.c.id).where(condition).scalar_subquery()
    return outbox.c.id == any_(func.array(chosen, type_=ARRAY(String)))


_leased = (
    update(outbox)
    .where(_is_of(~_was_tried))
    .values(lease_until=db_now() + bindparam("seconds", type_=Double()))
    .cte("leased")
)
_dropped = delete(outbox).where(_is_of(_was_tried)).cte("dropped")
LEASE = fixed(select(_due).add_cte(_leased, _dropped).order_by(_due.c.next_at, _due.c.sequence))

# JSON, since asyncpg reads the types of arrays from the catalog, once per connection.
_tried = (
    func.json_to_recordset(cast(bindparam("tried", type_=String()), JSON))
    .table_valued(column("id", String), column("seconds", Double), column("http_status", Integer))
    .render_derived(name="tried", with_types=True)
)
_ids = func.array(select(_tried.c.id).scalar_subquery(), type_=ARRAY(String))
_settled = (
    update(outbox)
    .where(outbox.c.id == any_(_ids), outbox.c.status == literal_column("'pending'"))
    .values(DELIVERED)
    .returning(outbox.c.id)
    .cte("settled")
)
_before = (
    select(func.coalesce(func.max(deliveries.c["try"]), literal_column("0")))
    .where(deliveries.c.outbox_id == _settled.c.id)
    .scalar_subquery()
)
_lines = select(
    _settled.c.id,
    _before + literal_column("1"),
    db_now(),
    _tried.c.seconds,
    _tried.c.http_status,
    null(),
).select_from(_settled.join(_tried, _tried.c.id == _settled.c.id))
_names = ["outbox_id", "try", "at", "seconds", "http_status", "error"]
_RECORD = fixed(select(_settled.c.id).add_cte(insert(deliveries).from_select(_names, _lines).cte("logged")))


async def lease_due(database: Transactions, most: int, seconds: float) -> Sequence[Mapping[Any, Any]]:
    """Lease up to `most` due messages for so many seconds; return their rows as they were before.

    Progress whose relay ended before it recorded the try is deleted; its row is returned too.
    """
    values = {"most": most, "seconds": float(seconds)}
    async with database.single() as connection:
        return list((await connection.execute(LEASE, values)).mappings())


async def record_delivered(database: Transactions, messages: Sequence[Delivered]) -> set[str]:
    """Mark messages as delivered, with a line each in the log; return the ids of those that were pending."""
    tried = [{"id": key, "seconds": took, "http_status": status} for key, took, status in messages]
    async with database.single() as connection:
        return set((await connection.execute(_RECORD, {"tried": json.dumps(tried)})).scalars())
