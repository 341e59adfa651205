"""Store the events that a Broker could not deliver: one row per owner, source and id, however often sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from eventing.contract.errors import NotFound
from eventing.store.engine import Database, db_now, insert_once, now
from eventing.store.shielded import shielded_methods
from eventing.store.tables import dead_letters


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

    async def page(self, owner: str, limit: int) -> list[DeadLetter]:
        """Return the owner's letters, newest first."""
        query = select(dead_letters).where(dead_letters.c.owner == owner).limit(limit)
        query = query.order_by(dead_letters.c.received_at.desc(), dead_letters.c.id)
        async with self._database.read() as connection:
            return [_letter(row) for row in (await connection.execute(query)).mappings()]

    async def get(self, id: str, owner: str) -> DeadLetter:
        """Return one letter. Raises NotFound."""
        query = select(dead_letters).where(dead_letters.c.id == id, dead_letters.c.owner == owner)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise NotFound(f"there is no dead letter {id}")
        return _letter(row)

    async def sweep(self, keep_seconds: float) -> None:
        """Delete letters that are older than `keep_seconds`."""
        async with self._database.write() as connection:
            old = dead_letters.c.received_at < db_now() - keep_seconds
            await connection.execute(delete(dead_letters).where(old))


def _letter(row: Mapping[Any, Any]) -> DeadLetter:
    return DeadLetter(**{name: row[name] for name in DeadLetter.__dataclass_fields__})
