"""Every error of a database is `Unavailable`, except our own mistakes: a real server raises each one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from eventing.contract.errors import ReelzeroError, Unavailable
from eventing.store.database.connections import file_url
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.support.builders import POOL, stores, submission

HEALED_BY_TIME = (
    "25006",  # read-only, as after a failover
    "55P03",  # lock time-out
    "57014",  # statement time-out, or cancelled by an administrator
    "57P01",  # disconnected by an administrator
    "57P05",  # idle for too long
    "53200",  # out of (shared) memory
    "53300",  # too many connections
    "53400",  # a limit of the configuration
    "40P01",  # deadlock
    "40001",  # serialization
    "58030",  # I/O error
    "XX000",  # the server's own error
    "0A000",  # a cached plan that a migration made stale
    "42501",  # a privilege that is missing
    "P0001",  # a trigger of the operator's
    "F0000",
)
OURS = ("22001", "22P02", "23505", "42601", "21000", "54000")


@pytest.fixture(scope="module")
def raising() -> str:
    """SQL that makes PostgreSQL raise an error."""
    return "DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{}'; END $$"


async def test_what_time_or_an_operator_heals_is_unavailable(postgres_url: str, raising: str) -> None:
    database = Database(postgres_url)
    for code in HEALED_BY_TIME:
        with pytest.raises(Unavailable) as caught:
            async with database.write() as connection:
                await connection.execute(text(raising.format(code)))
        assert caught.value.retry_after and caught.value.__cause__ is not None, code
    assert await database.ping() > 0
    await database.close()


async def test_our_own_mistakes_are_not_hidden(postgres_url: str, raising: str) -> None:
    database = Database(postgres_url)
    for code in OURS:
        with pytest.raises(ReelzeroError) as caught:
            async with database.write() as connection:
                await connection.execute(text(raising.format(code)))
        assert type(caught.value) is ReelzeroError and caught.value.__cause__ is not None, code
    await database.close()


async def test_a_database_that_turns_read_only_takes_no_job_until_it_turns_back(postgres_url: str) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((POOL,))
    name = database.url.database
    async with other.write() as connection:
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    await database.close()  # new connections, as a failover brings them
    for work in (database.ping, lambda: store.claims.claim(POOL), lambda: store.jobs.submit(submission())):
        with pytest.raises(Unavailable, match="read-only"):
            await work()
    async with other.write() as connection:
        await connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = off"))
    # The connection that met the error is gone, so the service needs no restart.
    _, new = await store.jobs.submit(submission())
    assert new and await database.ping() > 0
    await database.close()
    await other.close()


async def test_a_role_that_may_not_write_is_unavailable(postgres_url: str) -> None:
    owner = Database(postgres_url)
    await migrate(owner)
    name = owner.url.database
    async with owner.write() as connection:
        await connection.execute(text(f"CREATE ROLE r_{name} LOGIN"))
    database = Database(postgres_url.replace("postgres:@", f"r_{name}:@"))
    with pytest.raises(Unavailable, match="denies this role"):
        await stores(database).jobs.submit(submission())
    await database.close()
    await owner.close()


async def test_a_database_without_the_schema_says_what_to_run(postgres_url: str, tmp_path: Path) -> None:
    for url in (postgres_url, file_url(tmp_path / "jobs.db")):
        database = Database(url)
        await database.create_file()
        with pytest.raises(Unavailable, match="run `reelzero migrate`"):
            await stores(database).jobs.submit(submission())
        await database.close()


async def test_a_file_that_is_no_database_is_named_so(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_text("a letter, not a database\n" * 100)
    database = Database(file_url(file))
    with pytest.raises(Unavailable, match="no SQLite database"):
        await migrate(database)
    await database.close()


async def test_a_file_that_was_never_made_says_what_to_run(tmp_path: Path) -> None:
    database = Database(file_url(tmp_path / "jobs.db"))
    with pytest.raises(Unavailable, match="does not exist: run `reelzero migrate`"):
        await database.ping()
    await database.close()


async def test_a_file_that_was_deleted_takes_no_job_and_a_new_one_does(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    database = Database(file_url(file))
    await migrate(database)
    store = stores(database)
    await store.jobs.submit(submission(id="lost"))
    file.unlink()
    for work in (database.ping, lambda: store.jobs.submit(submission())):
        with pytest.raises(Unavailable, match="is gone"):
            await work()
    assert not file.exists()
    await migrate(database)
    await store.jobs.submit(submission(id="new"))
    await database.close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [("new",)]
