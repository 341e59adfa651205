"""A peer of bench.queue: FastAPI + Celery + Redis + PostgreSQL, as such a service is usually built.

It runs in its own virtual environment (environments.py): `uvicorn bench.peers.celery_peer:api`
and `celery -A bench.peers.celery_peer worker`. The endpoint commits the row before its 202 and hands the id
to Celery; the worker commits `processing` and `completed` (peer_task.py), and with acks_late Redis
forgets a task only after its end. PEER_REDIS is the broker.
"""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from typing import Any

from celery import Celery
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from bench.peers.peer_task import INSERT, TABLE, Request, carry_out

celery = Celery("peer", broker=os.environ.get("PEER_REDIS"))
celery.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,  # the job's row is the result, as callers poll it
    worker_prefetch_multiplier=1,  # what Celery's documentation advises for long tasks
    broker_connection_retry_on_startup=True,
)
api = FastAPI()


@lru_cache
def pool() -> ConnectionPool[Any]:
    """Return this process's connections, opened on first use."""
    connections = ConnectionPool(
        os.environ["PEER_POSTGRES"], min_size=1, max_size=16, kwargs={"autocommit": True}
    )
    connections.wait()
    return connections


@api.get("/healthz")
def live() -> dict[str, str]:
    """Create the table and answer."""
    with pool().connection() as database:
        database.execute(TABLE)
    return {}


@api.post("/v1/jobs", status_code=202)
def submit(request: Request) -> dict[str, str]:
    """Store, enqueue, answer."""
    job = str(uuid.uuid4())
    with pool().connection() as database:
        database.execute(INSERT, (job, request.prompt, request.model))
    generate.delay(job)
    return {"id": job, "status": "pending"}


@celery.task(name="generate")
def generate(job: str) -> None:
    """Carry the job out."""
    carry_out(job)
