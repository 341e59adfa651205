"""The peer of bench.submit: FastAPI with one durable INSERT, on SQLite or PostgreSQL.

`python -m bench.peers.insert_peer DATABASE PORT`. DATABASE is the path of a file or a URL of PostgreSQL.
"""

from __future__ import annotations

import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, Request

TABLE = "CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT)"
Insert = Callable[[str, str], Awaitable[object]]


@asynccontextmanager
async def sqlite(path: str) -> AsyncIterator[Insert]:
    """Open a file whose commits are on disk, as those of the product are."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute(TABLE)

    async def insert(job: str, body: str) -> object:
        return database.execute("INSERT INTO jobs VALUES (?, ?)", (job, body))

    yield insert
    database.close()


@asynccontextmanager
async def postgresql(url: str) -> AsyncIterator[Insert]:
    """Open a pool of asyncpg."""
    async with asyncpg.create_pool(url, min_size=1) as pool:
        await pool.execute(TABLE)

        async def insert(job: str, body: str) -> object:
            return await pool.execute("INSERT INTO jobs VALUES ($1, $2)", job, body)

        yield insert


def api(database: str) -> FastAPI:
    """Return the service."""

    @asynccontextmanager
    async def opened(service: FastAPI) -> AsyncIterator[None]:
        opener = postgresql if database.startswith("postgresql:") else sqlite
        async with opener(database) as service.state.insert:
            yield

    service = FastAPI(lifespan=opened)

    @service.get("/healthz")
    def live() -> dict[str, str]:
        return {}

    @service.post("/v1/jobs", status_code=202)
    async def submit(request: Request) -> dict[str, str]:
        job = str(uuid.uuid4())
        await service.state.insert(job, (await request.body()).decode())
        return {"id": job}

    return service


if __name__ == "__main__":
    uvicorn.run(api(sys.argv[1]), port=int(sys.argv[2]), log_level="error")
