"""Transactions on the database: SQLite and PostgreSQL behind the same few calls.

SQLite runs in WAL mode with synchronous=FULL, so an acknowledged job survives a power cut. Every writing
transaction is BEGIN IMMEDIATE: writers queue at the start and never fail in the middle. On PostgreSQL a
transaction locks the rows that it writes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Double, Insert, Select, Table, select, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from eventing.contract.errors import ConfigurationError, Unavailable
from eventing.metrics.database import measured
from eventing.store.database.connections import BUSY_SECONDS, POOL_SECONDS, is_pooled, make_engine, parse
from eventing.store.database.direct import Direct, fixed
from eventing.store.database.failures import NO_CONNECTION_FREE, RETRY_AFTER, TEXTS, code_of, translated
from eventing.store.database.shielded import shielded_methods
from eventing.store.database.sqlite_file import SqliteFile

CONNECTIONS = 20
# A superuser is bound by no limit of its role or database.
_LIMIT = text("""
    SELECT least(
        nullif(role.rolconnlimit, -1), nullif(base.datconnlimit, -1),
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)
    FROM pg_roles AS role, pg_database AS base
    WHERE role.rolname = current_user AND base.datname = current_database() AND NOT role.rolsuper
""")


class db_now(FunctionElement[float]):  # noqa: N801 -- reads as the SQL function it is
    """Seconds since the epoch by the database's clock, so that no replica's clock matters."""

    inherit_cache = True
    type = Double()


@compiles(db_now, "sqlite")
def _now_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _now_postgresql(*_: Any, **__: Any) -> str:
    # clock_timestamp, not now(): the latter stands still for a whole transaction.
    return "extract(epoch from clock_timestamp())::double precision"


class Transactions:
    """Transactions on connections of one pool. Raises Unavailable when the database does not serve."""

    def __init__(self, url: URL, connections: int, turn: asyncio.Lock) -> None:
        self.engine = engine = make_engine(url, connections)
        self._turn = turn
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._connection = AsyncConnection if self.is_sqlite or is_pooled(url) else Direct
        self._file = SqliteFile(Path(str(engine.url.database))) if self.is_sqlite else None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that commits at the end, or rolls back on any error."""
        with measured("write"):
            async with translated(), self._in_turn(), self._connected() as raw:
                connection = await raw.execution_options(immediate=True) if self.is_sqlite else raw
                async with connection.transaction() if isinstance(connection, Direct) else connection.begin():
                    yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection for reading only. Each statement sees what is committed at its start."""
        with measured("read"):
            async with translated(), self._connected() as connection:
                yield connection

    @property
    def is_direct(self) -> bool:
        """Tell whether `single` can be used: on PostgreSQL without a pooler."""
        return self._connection is Direct

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection for one writing statement, which is a transaction of its own."""
        with measured("write"):
            async with translated(), self._connected() as connection:
                assert isinstance(connection, Direct)  # noqa: S101 -- see is_direct
                async with connection.alone():
                    yield connection

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection. Wait if the server has none free, until one of the pool or of the server is."""
        if self._file and not self._file.check():
            await self.engine.dispose()
        loop = asyncio.get_running_loop()
        end = loop.time() + POOL_SECONDS
        async with AsyncExitStack() as stack:
            while True:
                try:
                    connection = await stack.enter_async_context(self._connection(self.engine))
                    break
                except DBAPIError as error:
                    if code_of(error) not in NO_CONNECTION_FREE or loop.time() > end:
                        raise
                    await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 -- spreads attempts only
            yield connection

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """Let one writer of this process at a time in on SQLite, in the order of arrival.

        SQLite itself has no queue: a writer that finds it locked sleeps up to 100 ms and tries again.
        """
        if not self.is_sqlite:
            yield
            return
        async with asyncio.timeout(BUSY_SECONDS):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()


@shielded_methods
class Database(Transactions):
    """One database with two pools: this object's for callers, `reserved` for leases and deliveries."""

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        self.url: URL = parse(url)
        self._connections = connections
        share = connections // 2
        super().__init__(self.url, connections - share, asyncio.Lock())
        self.reserved = Transactions(self.url, share, self._turn)

    async def ping(self) -> float:
        """Return the database's clock. Raises Unavailable if no job can be stored now."""
        async with self.read() as connection:
            clock = await now(connection)
            if not self.is_sqlite:
                await _check_writable(connection)
        if self._file:
            await asyncio.to_thread(self._file.check_room)
        return clock

    async def check_limit(self) -> None:
        """Raise ConfigurationError if the server grants fewer connections than the two pools may open."""
        if self.is_sqlite or is_pooled(self.url):  # a pooler has limits of its own
            return
        async with self.read() as connection:
            limit = await connection.scalar(_LIMIT)
        if limit is not None and limit < self._connections:
            name = "REELZERO_DATABASE_CONNECTIONS"
            raise ConfigurationError(
                f"{name} is {self._connections}, but the database grants this role only {limit}: lower the "
                "setting (it counts for each replica and is at least 2), or raise the limit of the role",
                field=name,
            )

    async def create_file(self) -> None:
        """Make the file of a SQLite database, for its owner only. A file that exists stays as it is."""
        async with translated():
            if self._file:
                self._file.create()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
        await self.reserved.engine.dispose()


async def now(connection: AsyncConnection) -> float:
    """Return the time by the database's clock, in seconds since the epoch."""
    return float((await connection.execute(select(db_now()))).scalar_one())


async def insert_once(connection: AsyncConnection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row; False if its key is taken (waiting for a racing insert to commit)."""
    statement = _insert_or_leave(connection.dialect.name, table)
    return (await connection.execute(statement, row)).rowcount == 1


async def replace_row(connection: AsyncConnection, table: Table, row: dict[str, Any]) -> None:
    """Insert a row, or write its values over those of the row that has its key."""
    await connection.execute(_insert_or_replace(connection.dialect.name, table), row)


async def insert_from(connection: AsyncConnection, table: Table, rows: Select[Any]) -> None:
    """Insert what a query returns, column by column; leave rows alone whose key is taken."""
    names = [column.name for column in table.columns]
    statement = _insert_or_leave(connection.dialect.name, table).from_select(names, rows)
    await connection.execute(statement)


@lru_cache(maxsize=8)
def _insert_or_leave(dialect: str, table: Table) -> Insert:
    statement = sqlite_insert(table) if dialect == "sqlite" else postgresql_insert(table)
    return fixed(statement.on_conflict_do_nothing())


@lru_cache(maxsize=8)
def _insert_or_replace(dialect: str, table: Table) -> Insert:
    statement = sqlite_insert(table) if dialect == "sqlite" else postgresql_insert(table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns}
    return fixed(statement.on_conflict_do_update(index_elements=keys, set_=values))


async def _check_writable(connection: AsyncConnection) -> None:
    if await connection.scalar(text("SELECT current_setting('transaction_read_only') = 'on'")):
        raise Unavailable(TEXTS["25006"], retry_after=RETRY_AFTER)
