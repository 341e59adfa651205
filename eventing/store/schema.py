"""Bringing a database to the newest schema, by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from eventing.store.engine import Database

SCRIPTS = Path(__file__).with_name("migrations")


async def migrate(database: Database) -> None:
    """Upgrade to the newest revision. Safe to run by several replicas: PostgreSQL runs take a lock."""
    await database.create_file()
    async with database.write() as connection:
        await connection.run_sync(_upgrade)


async def is_current(database: Database) -> bool:
    """Whether the database has the newest schema. Raises Unavailable."""
    async with database.read() as connection:
        return await connection.run_sync(_is_current)


def _is_current(connection: Connection) -> bool:
    heads = ScriptDirectory(str(SCRIPTS)).get_heads()
    return set(MigrationContext.configure(connection).get_current_heads()) == set(heads)


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7263534)")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
