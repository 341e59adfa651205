"""Store the events that a Broker could not deliver: one row per owner, source and id, however often sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import Text, cast, delete, func, select, tuple_

from eventing.contract.errors import NotFound
from eventing.domain.announcer import Message
from eventing.domain.destinations import Sink
from eventing.store.database.engine import Database, db_now, insert_once, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.listing import Position, read_cursor
from eventing.store.tables import dead_letters
from eventing.store.transitions import add_messages


@dataclass(frozen=True)
class DeadLetter:
    """One event in its JSON format, and why it could not be delivered."""

    id: str
    owner: str
    source: str
    event_id: str
    event_type: str
    destination: str | None
    code: str | None
    body: dict[str, Any]
    received_at: float = 0.0


def letter_id(owner: str, source: str, event_id: str) -> str:
    """Return an id that is the same for every redelivery of an event."""
    return "dl_" + hashlib.sha256(f"{owner}\n{source}\n{event_id}".encode()).hexdigest()[:32]


PAGE_BYTES = 1 << 20  # of the events of one page; writing them occupies the event loop
ORDER = (dead_letters.c.received_at, dead_letters.c.id)


@shielded_methods
class DeadLetterStore:
    """Reads and writes the dead_letters table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, letter: DeadLetter) -> bool:
        """Insert a letter; False if it is there already."""
        async with self._database.write() as connection:
            row = vars(letter) | {"received_at": await now(connection)}
            return await insert_once(connection, dead_letters, row)

    async def page(
        self, owner: str | None, limit: int, after: str | None
    ) -> tuple[list[DeadLetter], str | None]:
        """Return a page of letters, newest first, and the cursor of the next one, if any.

        Without an owner, it has those of all owners. A page ends at `PAGE_BYTES`, but has one
        letter at least. Raises InvalidRequest.
        """
        where = [] if owner is None else [dead_letters.c.owner == owner]
        if after is not None:
            start = read_cursor(after)
            where.append(tuple_(*ORDER) < (start.submitted_at, start.id))
        newest_first = [column.desc() for column in ORDER]
        size = func.length(cast(dead_letters.c.body, Text)).label("size")
        sizes = select(*ORDER, size).where(*where).order_by(*newest_first).limit(limit + 1)
        async with self._database.read() as connection:
            ahead = (await connection.execute(sizes)).all()
            on_page = ahead[: min(limit, _fitting([row.size for row in ahead]))]
            query = select(dead_letters).where(dead_letters.c.id.in_([row.id for row in on_page]))
            rows = (await connection.execute(query.order_by(*newest_first))).mappings().all()
        more = len(ahead) > len(on_page)
        return [_letter(row) for row in rows], _cursor(on_page[-1]) if more else None

    async def get(self, id: str, owner: str) -> DeadLetter:
        """Return one letter. Raises NotFound."""
        query = select(dead_letters).where(dead_letters.c.id == id, dead_letters.c.owner == owner)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise NotFound(f"there is no dead letter {id}")
        return _letter(row)

    async def replay(self, id: str) -> None:
        """Send a letter to the sink again and delete it; it comes back if it fails again. Raises NotFound."""
        mine = dead_letters.c.id == id
        async with self._database.write() as connection:
            row = (await connection.execute(select(dead_letters).where(mine))).mappings().first()
            if row is None:
                raise NotFound(f"there is no dead letter {id}")
            await connection.execute(delete(dead_letters).where(mine))
            await add_messages(connection, [_message(_letter(row))], await now(connection))

    async def sweep(self, keep_seconds: float) -> None:
        """Delete letters that are older than `keep_seconds`."""
        async with self._database.write() as connection:
            old = dead_letters.c.received_at < db_now() - keep_seconds
            await connection.execute(delete(dead_letters).where(old))


def _letter(row: Mapping[Any, Any]) -> DeadLetter:
    return DeadLetter(**{name: row[name] for name in DeadLetter.__dataclass_fields__})


def _message(letter: DeadLetter) -> Message:
    """Return the letter's event as a message to the sink; receivers know it by its source and id."""
    event_id, event_type = letter.event_id[:128], letter.event_type[:128]
    return Message(event_id, event_type, None, letter.owner, 0, Sink(), json.dumps(letter.body))


def _fitting(sizes: list[int]) -> int:
    """Return how many of the first letters fit into a page; one always does."""
    totals = list(accumulate(sizes))
    return max(1, sum(total <= PAGE_BYTES for total in totals))


def _cursor(row: Any) -> str:
    return Position(row.received_at, row.id).cursor()
