"""Databases of rounds: a SQLite file that can be locked; a PostgreSQL that stops, locks or is read-only."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.postgres import discard, start

_DISCONNECT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Sqlite:
    """A file. Its outage: another process holds the write lock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "jobs.db"
        self.url = f"sqlite+aiosqlite:///{self.path}"

    async def outage(self, seconds: float, _how: str) -> None:
        await asyncio.to_thread(self._lock, seconds)

    @contextmanager
    def between_writes(self) -> Iterator[None]:
        """While no process writes: one that is frozen now keeps no lock. (One machine has one process; two
        are a test's own, and nothing breaks the lock of a frozen one.)
        """
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def _lock(self, seconds: float) -> None:
        with self.between_writes():
            time.sleep(seconds)  # the outage itself


class Postgresql:
    """A fresh database on the shared server. Its outage: the server stops, turns read-only or is locked."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server = server
        self._name = name
        self.url = server.pattern % name

    def between_writes(self) -> AbstractContextManager[None]:
        """Freeze it at any moment: the server releases the locks of a frozen process."""
        return nullcontext()

    async def outage(self, seconds: float, how: str) -> None:
        if how == "read-only":
            await self._read_only(seconds)
        elif how == "locked":
            await self._locked(seconds)
        else:
            await self._server.stop(how)
            await asyncio.sleep(seconds)  # the outage itself
            await self._server.start()

    async def _read_only(self, seconds: float) -> None:
        """As after a failover: clients lose their connections, and new ones lead to a read-only server."""
        async with self._admin() as run:
            await run(f"ALTER DATABASE {self._name} SET default_transaction_read_only = on")
            await run(_DISCONNECT)
            await asyncio.sleep(seconds)  # the outage itself
            await run("SET default_transaction_read_only = off")
            await run(f"ALTER DATABASE {self._name} RESET default_transaction_read_only")

    async def _locked(self, seconds: float) -> None:
        """Another session holds the tables, and every lock is waited for only a moment."""
        async with self._admin() as run:
            await run(f"ALTER DATABASE {self._name} SET lock_timeout = '50ms'")
            await run(_DISCONNECT)
            await run("BEGIN")
            await run("LOCK TABLE jobs, slots, outbox, model_state IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(seconds)  # the outage itself
            await run("ROLLBACK")
            await run(f"ALTER DATABASE {self._name} RESET lock_timeout")

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Callable[[str], Awaitable[object]]]:
        engine = create_async_engine(self.url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            yield lambda sql: connection.execute(text(sql))
        await engine.dispose()


class PostgresServer:
    """One real PostgreSQL (the pgserver wheel) for all rounds."""

    def __init__(self, *, fsync: bool = False) -> None:
        self._fsync = fsync

    async def __aenter__(self) -> PostgresServer:
        self._folder = tempfile.mkdtemp(prefix="rz-faults-pg-")
        self._server = await asyncio.to_thread(start, self._folder, fsync=self._fsync)
        self.pattern = f"postgresql+asyncpg://postgres:@/%s?host={self._folder}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(discard, self._server)

    async def _control(self, *arguments: str) -> None:
        import pgserver

        options = {"pgdata": self._server.pgdata, "user": self._server.system_user}
        await asyncio.to_thread(pgserver.pg_ctl, ["-w", *arguments], **options)

    async def fresh(self) -> Postgresql:
        name = "f" + secrets.token_hex(6)
        engine = create_async_engine(self.pattern % "postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        await engine.dispose()
        return Postgresql(self, name)

    async def stop(self, how: str) -> None:
        """`fast` rolls back and says goodbye, `immediate` is a crash."""
        await self._control("-m", how, "stop")

    async def start(self) -> None:
        await self._control(
            "-t", "120", "-l", f"{self._folder}/log", "-o", f'-h "" -k {self._folder}', "start"
        )
