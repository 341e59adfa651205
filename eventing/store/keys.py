"""API keys: shown once, stored as a hash. Each has an owner, and sees only that owner's jobs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from eventing.contract.errors import NotFound
from eventing.store.database.engine import Database, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.tables import api_keys


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret."""

    id: str
    owner: str
    created_at: float
    revoked_at: float | None
    max_priority: int
    may_operate: bool


@shielded_methods
class KeyStore:
    """The api_keys table. Keys look like `rz_<id>_<secret>`; the secret has 256 bits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, owner: str, max_priority: int = 0, *, may_operate: bool = False) -> str:
        """Make a key for the owner and return it; it cannot be shown again.

        Its jobs may have priorities up to `max_priority`. With `may_operate` it also reads and changes what
        belongs to no single owner (eventing/api/operate).
        """
        key_id = secrets.token_hex(6)
        key = f"rz_{key_id}_{secrets.token_urlsafe(32)}"
        async with self._database.write() as connection:
            row: dict[str, Any] = {"id": key_id, "owner": owner, "hash": _hash(key)}
            row |= {"max_priority": max_priority, "may_operate": may_operate}
            await connection.execute(insert(api_keys).values(**row, created_at=await now(connection)))
        return key

    async def owner_of(self, key: str) -> str | None:
        """Return the owner of a valid key, else None."""
        known = await self.find(key)
        return known.owner if known else None

    async def find(self, key: str) -> ApiKey | None:
        """Return a valid key, else None. The hash is compared in constant time."""
        parts = key.split("_", 2)
        key_id = parts[1] if len(parts) == 3 and parts[0] == "rz" else ""
        query = select(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        # A random secret of 256 bits needs no slow hash: it cannot be guessed.
        same = hmac.compare_digest(row.hash if row else "0" * 64, _hash(key))
        return _key_of(row) if row and same else None

    async def revoke(self, key_id: str) -> None:
        """Make a key invalid at once. Raises NotFound."""
        mine = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None)
        async with self._database.write() as connection:
            revocation = update(api_keys).where(mine).values(revoked_at=await now(connection))
            if (await connection.execute(revocation)).rowcount != 1:
                raise NotFound(f"there is no live key {key_id}")

    async def keys(self, limit: int | None = None) -> list[ApiKey]:
        """Return keys, oldest first; all without a limit."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_key_of(row) for row in await connection.execute(query)]

    async def any(self) -> bool:
        """Return whether at least one valid key exists."""
        query = select(func.count()).where(api_keys.c.revoked_at.is_(None))
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one() > 0


def _key_of(row: Row[Any]) -> ApiKey:
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.__dataclass_fields__})


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
