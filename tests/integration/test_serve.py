"""`reelzero serve` and its database: it says why it cannot start, and waits for one that is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import text

from eventing.store.database.connections import file_url
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.faults.databases import PostgresServer
from tests.support.ports import free_port

COMMAND = [sys.executable, "-m", "eventing"]


def environment(url: str, **changes: str) -> dict[str, str]:
    """The settings of a service without predictors."""
    endpoint = [{"model": "tiny", "lane": "default", "capacity": 1, "url": "http://127.0.0.1:9"}]
    settings = {
        "REELZERO_DATABASE_URL": url,
        "REELZERO_S3_BUCKET": "videos",
        "REELZERO_ENDPOINTS": json.dumps(endpoint),
        "REELZERO_PORT": "0",
        "REELZERO_AUTH": "open",
        "REELZERO_POLL_SECONDS": "0.1",
    }
    return os.environ | settings | changes


def reelzero(name: str, url: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    env = environment(url, **changes)
    return subprocess.run([*COMMAND, name], env=env, capture_output=True, text=True, timeout=300, check=False)


@asynccontextmanager
async def serving(url: str, log: Path) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A `reelzero serve` and its URL."""
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "serve", env=environment(url, REELZERO_PORT=str(port)), stdout=output, stderr=output
        )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Return once the check is true."""
    async with asyncio.timeout(300):
        while not await check():
            await asyncio.sleep(0.1)


async def status(url: str) -> int | None:
    """Return the status of a GET; None if no process listens on the port."""
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite+aiosqlite:///{}/none/jobs.db", "REELZERO_DATABASE_URL: there is no folder {}/none"),
        ("sqlite+aiosqlite://", "REELZERO_DATABASE_URL: it must name a file"),
        ("postgresql+asyncpg://u@h/d?pgbouncer=1", "REELZERO_DATABASE_URL: unknown parameter 'pgbouncer'"),
        ("mysql://u@h/d", "REELZERO_DATABASE_URL: it must start with"),
    ],
)
def test_a_wrong_url_is_one_line(url: str, words: str, tmp_path: Path) -> None:
    done = reelzero("serve", url.format(tmp_path))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"reelzero: {words.format(tmp_path)}")
    assert done.stderr.count("\n") == 1


async def test_a_database_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async with PostgresServer() as server:
        base = await server.fresh()
        await server.stop("fast")
        async with serving(base.url, tmp_path / "log") as (url, process):

            async def red() -> bool:
                return await status(url + "/healthz") == 200 and await status(url + "/readyz") == 503

            async def lacks_schema() -> bool:
                return "run `reelzero migrate`" in (tmp_path / "log").read_text()

            async def green() -> bool:
                ready = f"ready {url}" in (tmp_path / "log").read_text()
                return ready and await status(url + "/readyz") == 200

            await until(red)
            await server.start()
            await until(lacks_schema)
            assert await red()
            database = Database(base.url)
            await migrate(database)
            await database.close()
            await until(green)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


async def test_a_start_that_waits_can_be_stopped(tmp_path: Path) -> None:
    address = "postgresql+asyncpg://u:x@127.0.0.1:9/none"
    async with serving(address, tmp_path / "log") as (url, process):

        async def red() -> bool:
            return await status(url + "/readyz") == 503

        await until(red)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_limit_that_is_too_small_names_the_setting(postgres_url: str) -> None:
    owner = Database(postgres_url)
    name = owner.url.database
    async with owner.write() as connection:
        await connection.execute(text(f"CREATE ROLE r_{name} LOGIN CONNECTION LIMIT 3"))
        await connection.execute(text(f"GRANT ALL ON SCHEMA public TO r_{name}"))
    await owner.close()
    url = postgres_url.replace("postgres:@", f"r_{name}:@")
    assert (await asyncio.to_thread(reelzero, "migrate", url)).returncode == 0
    done = await asyncio.to_thread(reelzero, "serve", url)
    words = "REELZERO_DATABASE_CONNECTIONS is 20, but the database grants this role only 3"
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(f"reelzero: {words}")


async def newer(url: str, *, additive: bool) -> None:
    """Bring a database to a schema of a release that does not exist yet."""
    database = Database(url)
    await migrate(database)
    async with database.write() as connection:
        values = "('9999', :additive, 0)"
        await connection.execute(
            text(f"INSERT INTO schema_history (revision, additive, applied_at) VALUES {values}"),
            {"additive": additive},
        )
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await connection.execute(text("ALTER TABLE jobs ADD COLUMN of_the_future TEXT"))
    await database.close()


async def test_a_release_before_goes_on_with_an_additive_schema(database_url: str, tmp_path: Path) -> None:
    await newer(database_url, additive=True)
    migrated = await asyncio.to_thread(reelzero, "migrate", database_url)
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert "schema 9999" in migrated.stdout
    async with serving(database_url, tmp_path / "log") as (url, _):

        async def green() -> bool:
            return await status(url + "/readyz") == 200

        await until(green)
        async with aiohttp.ClientSession() as http:
            async with http.post(url + "/v1/jobs", json={"prompt": "a red circle"}) as answer:
                assert answer.status == 202


@pytest.mark.parametrize("command", ["migrate", "serve"])
async def test_a_newer_schema_that_is_not_additive_is_refused_in_words(command: str, tmp_path: Path) -> None:
    url = file_url(tmp_path / "jobs.db")
    await newer(url, additive=False)
    done = await asyncio.to_thread(reelzero, command, url)
    assert done.returncode == 1
    assert "reelzero: the database has the schema of a newer release (revision 9999)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_database_is_named_so(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_text("a letter, not a database\n" * 100)
    done = reelzero("migrate", file_url(file))
    assert (done.returncode, done.stderr) == (1, "reelzero: the database file is no SQLite database\n")
