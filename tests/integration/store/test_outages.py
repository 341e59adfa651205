"""A database that is away, however it goes, is `Unavailable`: callers wait for it and never die of it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from eventing.contract.errors import Unavailable
from eventing.store.database.connections import LET_GO
from eventing.store.database.engine import Database


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://postgres@/jobs?host=/nowhere",  # no socket, as while a server restarts
        "postgresql+asyncpg://postgres@nowhere.invalid/jobs",  # no name, as while a cluster's DNS is away
        "postgresql+asyncpg://postgres@127.0.0.1:9/jobs",  # no listener
    ],
)
async def test_a_server_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url)
    with pytest.raises(Unavailable):
        await database.ping()
    await database.close()


async def test_a_connection_that_the_server_ends_is_unavailable(postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    with pytest.raises(Unavailable):
        async with database.write() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with other.write() as killer:
                await killer.execute(text(f"SELECT pg_terminate_backend({pid})"))
            await connection.execute(text("SELECT 1"))
    assert await database.ping() > 0
    await database.close()
    await other.close()


async def test_a_server_without_a_free_connection_is_unavailable(postgres_url: str) -> None:
    owner = Database(postgres_url)
    async with owner.write() as connection:
        name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
        await connection.execute(text(f"CREATE ROLE r_{name} LOGIN CONNECTION LIMIT 0"))
    database = Database(postgres_url.replace("postgres:@", f"r_{name}:@"))
    with pytest.raises(Unavailable):
        await database.ping()
    await database.close()
    await owner.close()


async def test_who_stalls_in_a_transaction_loses_its_locks(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LET_GO, "idle_in_transaction_session_timeout", "1s")
    stalled, other = Database(postgres_url), Database(postgres_url)
    async with other.write() as connection:
        await connection.execute(text("CREATE TABLE t AS SELECT 1 AS a"))
    with pytest.raises(Unavailable):
        async with stalled.write() as connection:
            await connection.execute(text("UPDATE t SET a = 2"))
            async with other.write() as free:
                await free.execute(text("UPDATE t SET a = 3"))
            await connection.execute(text("UPDATE t SET a = 4"))
    async with other.read() as connection:
        assert (await connection.execute(text("SELECT a FROM t"))).scalar_one() == 3
    await stalled.close()
    await other.close()
