"""A PostgreSQL that refuses work: callers get a 503 with Retry-After, loops wait, and work goes on later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.integration.conftest import MakeStack

DISCONNECT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def database_url(postgres_url: str) -> str:
    """PostgreSQL only."""
    return postgres_url


@asynccontextmanager
async def set_for_all(url: str, setting: str, *, lock: bool = False) -> AsyncIterator[None]:
    """A setting for all new sessions, which are all; with `lock`, tables that another session holds."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    name = engine.url.database
    async with engine.connect() as connection:
        await connection.execute(text(f"ALTER DATABASE {name} SET {setting}"))
        await connection.execute(text(DISCONNECT))
        if lock:
            await connection.execute(text("BEGIN"))
            await connection.execute(text("LOCK TABLE jobs, outbox, slots IN ACCESS EXCLUSIVE MODE"))
        yield
        await connection.execute(text("ROLLBACK" if lock else "SELECT 1"))
        await connection.execute(text(f"ALTER DATABASE {name} RESET {setting.split(' ', maxsplit=1)[0]}"))
        await connection.execute(text(DISCONNECT))  # sessions keep the setting that they began with
    await engine.dispose()


@pytest.mark.parametrize(
    ("setting", "lock"),
    [
        ("default_transaction_read_only = on", False),
        ("lock_timeout = '50ms'", True),
        ("statement_timeout = '50ms'", True),
    ],
)
async def test_callers_get_a_503_and_the_service_goes_on(
    setting: str, lock: bool, make_stack: MakeStack, database_url: str
) -> None:
    async with make_stack() as stack:
        before = await stack.submit()
        assert (await stack.ended(before))["status"] == "completed"
        async with set_for_all(database_url, setting, lock=lock):
            for _ in range(3):
                answer = await stack.post("/v1/jobs", json={"prompt": "a red circle"})
                assert answer.status == 503, await answer.text()
                assert int(answer.headers["Retry-After"]) > 0
                assert (await answer.json())["code"] == "unavailable"
                if not lock:
                    assert (await stack.get("/readyz")).status == 503
                await asyncio.sleep(0.2)  # the loops meet it too
        assert not stack.service.failed.is_set()
        while (answer := await stack.post("/v1/jobs", json={"prompt": "a red circle"})).status == 503:
            pass  # a connection that is being ended may still be in the pool
        after = (await answer.json())["id"]
        assert (await stack.ended(after))["status"] == "completed"
        assert (await stack.get("/readyz")).status == 200
