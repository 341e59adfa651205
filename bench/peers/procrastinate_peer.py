"""A peer of bench.queue: FastAPI + procrastinate, a queue in PostgreSQL without a broker.

It runs in its own virtual environment (environments.py): `uvicorn bench.peers.procrastinate_peer:api`
and `procrastinate --app bench.peers.procrastinate_peer.queue worker`, one process a slot. The endpoint
commits the row, then procrastinate commits its own; a worker takes it by LISTEN, and its start and its end
are a commit each beside those of peer_task.py.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from bench.peers.peer_task import INSERT, TABLE, Request, carry_out

connector = PsycopgConnector(conninfo=os.environ.get("PEER_POSTGRES", ""), min_size=1, max_size=8)
queue = App(connector=connector)


@queue.task(name="generate")
def generate(job: str) -> None:
    """Carry the job out."""
    carry_out(job)


@asynccontextmanager
async def opened(service: FastAPI) -> AsyncIterator[None]:
    """Open the connections of rows and of the queue, and create the table."""
    options = {"autocommit": True}
    async with (
        queue.open_async(),
        AsyncConnectionPool(os.environ["PEER_POSTGRES"], min_size=1, max_size=8, kwargs=options) as rows,
    ):
        async with rows.connection() as database:
            await database.execute(TABLE)
        service.state.rows = rows
        yield


api = FastAPI(lifespan=opened)


@api.get("/healthz")
def live() -> dict[str, str]:
    """Answer."""
    return {}


@api.post("/v1/jobs", status_code=202)
async def submit(request: Request) -> dict[str, str]:
    """Store, enqueue, answer."""
    job = str(uuid.uuid4())
    async with api.state.rows.connection() as database:
        await database.execute(INSERT, (job, request.prompt, request.model))
    await generate.defer_async(job=job)
    return {"id": job, "status": "pending"}
