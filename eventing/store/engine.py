"""The database connection: SQLite and PostgreSQL behind the same few calls.

SQLite runs in WAL mode with synchronous=FULL, so an acknowledged job survives a power cut, and every
writing transaction is BEGIN IMMEDIATE: writers queue at the start and never fail in the middle.
PostgreSQL writes lock the rows they touch.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Double, Insert, Table, event, make_url, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from eventing.contract.errors import ConfigurationError, Unavailable
from eventing.store.shielded import uninterrupted

LEAST_ROOM = 1 << 20  # bytes left for a SQLite file; with less the next jobs may not fit
DISK_FULL = "the database's disk is full"
DISK_FULL_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, "53100")  # SQLite's, PostgreSQL's
BUSY_SECONDS = 30  # a writer on SQLite waits this long for its turn
# PostgreSQL rolls a transaction back whose client says nothing for 10 s, or whose node is gone for a minute.
# The driver ends the preparation of a statement with a flush, not a sync: a client frozen right then, which
# is possible once per statement and connection, is not idle to the server, and keeps its locks until it ends.
LET_GO = {
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


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


@uninterrupted
class Database:
    """Transactions on one engine. Raises Unavailable when the database is away."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ConfigurationError(
                "REELZERO_DATABASE_URL must start with sqlite+aiosqlite:// or postgresql+asyncpg://",
                field="REELZERO_DATABASE_URL",
            )
        self.is_sqlite = url.startswith("sqlite")
        file = make_url(url).database
        if self.is_sqlite and file and not Path(file).parent.is_dir():
            raise ConfigurationError(
                f"REELZERO_DATABASE_URL: there is no folder {Path(file).parent}",
                field="REELZERO_DATABASE_URL",
            )
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that commits at the end, or rolls back on any error."""
        async with _translated(), self._in_turn(), self.engine.connect() as raw:
            connection = await raw.execution_options(immediate=True) if self.is_sqlite else raw
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for reading only."""
        async with _translated(), self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """One writer of this process at a time on SQLite, first come, first served.

        SQLite itself has no queue: whoever finds it locked sleeps and looks again, up to 100 ms later.
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

    async def ping(self) -> float:
        """The database's clock, if it answers and a file of ours has room to grow. Raises Unavailable."""
        async with self.read() as connection:
            clock = await now(connection)
        if self.is_sqlite and await asyncio.to_thread(_room, self.engine.url.database) < LEAST_ROOM:
            raise Unavailable(DISK_FULL, retry_after=5)
        return clock

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def now(connection: AsyncConnection) -> float:
    """The database's clock."""
    return float((await connection.execute(select(db_now()))).scalar_one())


async def insert_once(connection: AsyncConnection, table: Table, row: dict[str, Any]) -> bool:
    """Insert a row; False if its key is taken (waiting for a racing insert to commit)."""
    statement = _insert_or_leave(connection.dialect.name, table)
    return (await connection.execute(statement, row)).rowcount == 1


@lru_cache(maxsize=8)
def _insert_or_leave(dialect: str, table: Table) -> Insert:
    statement = sqlite_insert(table) if dialect == "sqlite" else postgresql_insert(table)
    return statement.on_conflict_do_nothing()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (
        OperationalError,
        InterfaceError,
        PoolTimeout,
        OSError,
    ) as error:  # OSError: no socket, route or time
        told = DISK_FULL if _is_full(error) else "the database cannot be reached"
        raise Unavailable(told, retry_after=5) from error
    except DBAPIError as error:
        if error.connection_invalidated or _passes(error):
            told = DISK_FULL if _is_full(error) else "the database does not serve now"
            raise Unavailable(told, retry_after=5) from error
        raise


def _is_full(error: Exception) -> bool:
    """Whether the driver says that there is no room on the disk."""
    cause = getattr(error, "orig", None)
    code = getattr(cause, "sqlite_errorcode", None) or getattr(cause, "sqlstate", None)
    return code in DISK_FULL_CODES


def _room(file: str | None) -> int:
    """Free bytes where a database file is; as many as anybody wants for one in memory."""
    if not file or file == ":memory:" or not Path(file).exists():
        return LEAST_ROOM
    return shutil.disk_usage(Path(file).parent).free


def _passes(error: DBAPIError) -> bool:
    """Whether PostgreSQL says (by SQLSTATE class) that it is the moment that is wrong and not the statement.

    08 connection, 25P03 we stalled in a transaction, 40 rolled back by a conflict, 53 no resources,
    57 stopping or starting.
    """
    code = str(getattr(error.orig, "sqlstate", "") or "")
    return code[:2] in ("08", "40", "53", "57") or code == "25P03"


def _postgresql_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=10, max_overflow=10, pool_timeout=10, hide_parameters=True,
        connect_args={"timeout": 5, "command_timeout": 30},
    )  # fmt: skip

    @event.listens_for(engine.sync_engine, "connect")
    def _let_go_when_stalled(connection: Any, _: Any) -> None:
        # A frozen process or a lost node must not keep its locks. Not at the start, where poolers refuse it.
        cursor = connection.cursor()
        settings = (f"set_config('{name}', '{value}', false)" for name, value in LET_GO.items())
        cursor.execute("SELECT " + ", ".join(settings))
        cursor.close()
        connection.commit()

    @event.listens_for(engine.sync_engine, "checkout")
    def _still_open(connection: Any, *_: Any) -> None:
        # Asked of the socket, not of the server: a ping would be three round trips for each transaction.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _sqlite_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we emit BEGIN ourselves, below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
