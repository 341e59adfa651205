"""Migrations build what the tables say, also by several replicas at once; keys; an absent database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select

from eventing.contract.errors import ConfigurationError, NotFound, Unavailable
from eventing.store.database.engine import Database, now
from eventing.store.keys import KeyStore
from eventing.store.schema import SCRIPTS, migrate
from eventing.store.tables import metadata, schema_history


async def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    async with database.write() as connection:
        assert await connection.run_sync(differences) == []


async def test_replicas_may_migrate_at_the_same_time(database_url: str) -> None:
    replicas = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(migrate(replica) for replica in replicas))
    for replica in replicas:
        await replica.close()


async def test_every_new_migration_declares_whether_it_is_additive(database: Database) -> None:
    scripts = [script.module for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()]
    declared = {module.revision: module.additive for module in scripts if module.revision >= "0004"}
    async with database.read() as connection:
        rows = await connection.execute(select(schema_history.c.revision, schema_history.c.additive))
        assert {row.revision: row.additive for row in rows} == declared
    assert {type(additive) for additive in declared.values()} == {bool}


async def test_the_clock_is_the_databases_and_moves(database: Database) -> None:
    async with database.write() as connection:
        first = await now(connection)
        while await now(connection) == first:
            pass


async def test_keys_are_stored_hashed_and_can_be_revoked(database: Database) -> None:
    keys = KeyStore(database)
    assert not await keys.any()
    key = await keys.create("ann")
    assert await keys.owner_of(key) == "ann"
    for wrong in (key[:-1], key + "x", "rz__", "", "Bearer", key.replace("rz_", "rz-")):
        assert await keys.owner_of(wrong) is None
    (listed,) = await keys.keys()
    async with database.read() as connection:
        dump = (await connection.exec_driver_sql("SELECT hash FROM api_keys")).scalar_one()
    assert key not in dump and dump not in key
    await keys.revoke(listed.id)
    assert await keys.owner_of(key) is None and not await keys.any()
    with pytest.raises(NotFound):
        await keys.revoke(listed.id)


async def test_a_database_that_is_away_is_unavailable_not_an_error_of_ours() -> None:
    database = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable) as caught:
        async with database.read():
            pass
    assert caught.value.retry_after and caught.value.__cause__ is not None


def test_an_unknown_database_names_the_setting() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database("mysql://x")
    assert caught.value.field == "REELZERO_DATABASE_URL"
