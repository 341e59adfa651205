"""Database URLs: any folder name, the usual parameters, and what is not known is refused by its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from eventing.contract.errors import ConfigurationError
from eventing.store.database.connections import file_url
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.support.builders import stores, submission


@pytest.mark.parametrize("name", ["100%", "a?mode=ro", "b#c", "d e", "%41", "é", "x@y:z"])
async def test_a_folder_of_any_name_holds_its_database(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = Database(file_url(folder / "jobs.db"))
    await migrate(database)
    await database.close()
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208 -- pathlib's is refused in a coroutine
    assert (folder / "jobs.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("pgbouncer=true", "unknown parameter 'pgbouncer'"),
        ("sslmode=perhaps", "sslmode must be one of"),
        ("statement_cache_size=none", "statement_cache_size must be a whole number"),
        ("sslrootcert=/nowhere/ca.pem", "sslrootcert: there is no file /nowhere/ca.pem"),
    ],
)
def test_a_parameter_that_is_not_known_is_named(query: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Database(f"postgresql+asyncpg://u@h/d?{query}")
    assert caught.value.field == "REELZERO_DATABASE_URL"


async def test_the_usual_parameters_are_taken(postgres_url: str) -> None:
    query = "&sslmode=prefer&application_name=reelzero&connect_timeout=9&options=-csearch_path%3Dvideos"
    database = Database(postgres_url + query)
    async with database.write() as connection:
        await connection.execute(text("CREATE SCHEMA videos"))
        assert await connection.scalar(text("SHOW application_name")) == "reelzero"
    await migrate(database)
    _, new = await stores(database).jobs.submit(submission())
    assert new
    async with database.read() as connection:
        where = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('jobs', 'alembic_version')"
        assert (await connection.execute(text(where))).scalars().all() == ["videos"]
    await database.close()
