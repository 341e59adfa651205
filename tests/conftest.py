"""Real parts for all tests: a PostgreSQL, an S3 server, fresh databases. Started once, on first use."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.standalone.s3.s3server import S3Server
from eventing.store.database.connections import make_engine, parse
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.support.postgres import discard, start


def pytest_configure() -> None:
    """One thread for torch (steps slow down 20 times when cores are fought over); no outside settings."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    for name in [name for name in os.environ if name.startswith("REELZERO_") and "TEST" not in name]:
        del os.environ[name]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL, %s for the database: REELZERO_TEST_POSTGRES, or one from the pgserver wheel."""
    if url := os.environ.get("REELZERO_TEST_POSTGRES"):
        yield url
        return
    pytest.importorskip("pgserver", reason="install pgserver, or set REELZERO_TEST_POSTGRES")
    with tempfile.TemporaryDirectory(prefix="rz-pg-", ignore_cleanup_errors=True) as folder:
        server = start(folder)
        yield f"postgresql+asyncpg://postgres:@/%s?host={folder}"
        discard(server)


async def create_postgres_database(pattern: str) -> str:
    from sqlalchemy import text

    name = "t" + secrets.token_hex(6)
    engine = make_engine(parse(pattern % "postgres"), 1)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return pattern % name


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database; every test that uses it runs on both."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/jobs.db"
    return await create_postgres_database(request.getfixturevalue("postgres"))


@pytest.fixture
async def postgres_url(postgres: str) -> str:
    """URL of an empty PostgreSQL database, for what only several replicas can show."""
    return await create_postgres_database(postgres)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database."""
    database = Database(database_url)
    await migrate(database)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    """A real S3 server: REELZERO_TEST_S3_ENDPOINT with AWS_… credentials, or SeaweedFS on loopback."""
    if endpoint := os.environ.get("REELZERO_TEST_S3_ENDPOINT"):
        yield S3Location("test-" + secrets.token_hex(4), endpoint)
        return
    folder = tmp_path_factory.mktemp("s3")
    server = S3Server(folder, folder / "log")
    with background_loop() as loop:  # the server outlives the loops of single tests
        location = asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        os.environ.update(server.credentials.environment())
        yield location
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()


@contextmanager
def background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def bucket(s3: S3Location) -> Bucket:
    """One bucket for all tests: job ids keep them apart."""
    bucket = Bucket(s3)
    bucket.ensure()
    return bucket
