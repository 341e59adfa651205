"""Databases behind pgbouncer in transaction mode, in place of those that tests use directly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import create_postgres_database
from tests.support.pgbouncer import find, pgbouncer, socket_of


@pytest.fixture(scope="module")
def pooler(postgres: str) -> Iterator[str]:
    """URL of a pgbouncer, %s for the database."""
    if (program := find()) is None:
        pytest.skip("pgbouncer is missing: apt-get install pgbouncer")
    if not (server := socket_of(postgres)):
        pytest.skip("REELZERO_TEST_POSTGRES names no socket folder (?host=/…), which pgbouncer needs here")
    with tempfile.TemporaryDirectory(prefix="rz-pgb-") as folder:  # short: sockets have 107 characters
        with pgbouncer(program, server, Path(folder)) as url:
            yield url


@pytest.fixture
async def database_url(pooler: str) -> str:
    """URL of an empty database behind the pooler."""
    return await create_postgres_database(pooler)


@pytest.fixture
async def postgres_url(database_url: str) -> str:
    """The same, for tests of several replicas."""
    return database_url
