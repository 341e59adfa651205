"""Bring a database to the newest schema by Alembic, and check a schema before it is used.

A release works with its own schema, and with a newer one if every migration that it does not know is declared
additive. Then a rollback by one release needs no change of the database.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from eventing.contract.errors import ConfigurationError, Unavailable
from eventing.store.database.engine import Database
from eventing.store.database.failures import DATABASE_URL, NO_SCHEMA, RETRY_AFTER
from eventing.store.tables import schema_history

SCRIPTS = Path(__file__).with_name("migrations")
LOCK = 7263534  # any number that no other program on this database uses


class SchemaTooNew(ConfigurationError):
    """A newer release has changed the schema in a way that this release cannot work with."""

    def __init__(self, revisions: list[str]) -> None:
        super().__init__(
            f"the database has the schema of a newer release (revision {', '.join(revisions)}), which this "
            "release cannot use: install the newer release, or restore a backup from before its migration",
            field=DATABASE_URL,
        )


async def migrate(database: Database) -> str:
    """Upgrade to the newest revision and return it; a newer one stays as it is. Safe for several replicas.

    Raises SchemaTooNew, Unavailable.
    """
    await database.create_file()
    async with database.write() as connection:
        return await connection.run_sync(_upgrade)


async def check(database: Database) -> str:
    """Return the database's revision. Raises SchemaTooNew, or Unavailable if `migrate` must run first."""
    async with database.read() as connection:
        return await connection.run_sync(_check)


async def is_current(database: Database) -> bool:
    """Tell whether this release can work with the schema. Raises SchemaTooNew, Unavailable."""
    async with database.read() as connection:
        return await connection.run_sync(lambda sync: _head() in _applied(sync))


def _check(connection: Connection) -> str:
    applied = _applied(connection)
    if _head() not in applied:
        raise Unavailable(NO_SCHEMA, retry_after=RETRY_AFTER)
    return max(applied)


def _upgrade(connection: Connection) -> str:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    if _head() not in _applied(connection):
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return _check(connection)


def _applied(connection: Connection) -> set[str]:
    """Return the revisions that the database has, as far as this release must know. Raises SchemaTooNew."""
    heads = set(MigrationContext.configure(connection).get_current_heads())
    history = _history(connection) if heads else {}
    if newer := (heads | set(history)) - _known():
        if refused := sorted(revision for revision in newer if not history.get(revision)):
            raise SchemaTooNew(refused)
        return heads | {_head()}
    return heads


def _history(connection: Connection) -> dict[str, bool]:
    """Return the applied migrations since 0004, each with whether it is additive."""
    if not inspect(connection).has_table(schema_history.name):
        return {}
    rows = connection.execute(select(schema_history.c.revision, schema_history.c.additive))
    return {row.revision: row.additive for row in rows}


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions())


@lru_cache(maxsize=1)
def _head() -> str:
    head = ScriptDirectory(str(SCRIPTS)).get_current_head()
    assert head is not None  # noqa: S101 - the scripts are part of the package
    return head
