"""The peer of bench.queue: FastAPI + Celery + Redis + PostgreSQL, as such a service is usually built.

It runs in its own virtual environment (celery_environment.py): `uvicorn bench.peers.celery_peer:api`
and `celery -A bench.peers.celery_peer worker`. The endpoint commits the row before its 202 and hands the id
to Celery; the worker commits `processing` and `completed`, and with acks_late Redis
forgets a task only after its end. PEER_POSTGRES, PEER_REDIS, PEER_JOURNAL; PEER_S3: one small PUT per job;
PEER_PREDICTOR: the port of a predictor that the task calls, as where workers and GPUs are apart.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from celery import Celery
from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id text PRIMARY KEY, status text NOT NULL, prompt text NOT NULL, model text NOT NULL,
    result text, created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz, completed_at timestamptz
)"""
STARTED = "UPDATE jobs SET status = 'processing', started_at = now() WHERE id = %s"
ENDED = "UPDATE jobs SET status = 'completed', completed_at = now(), result = %s WHERE id = %s"

PARAMETERS = {
    "attempt": 1, "width": 64, "height": 64, "num_frames": 9, "fps": 8, "seed": 1, "negative_prompt": "",
    "quality": "medium", "num_inference_steps": 4, "guidance_scale": 1.0,
}  # fmt: skip

celery = Celery("peer", broker=os.environ.get("PEER_REDIS"))
celery.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,  # the job's row is the result, as callers poll it
    worker_prefetch_multiplier=1,  # what Celery's documentation advises for long tasks
    broker_connection_retry_on_startup=True,
)
api = FastAPI()


class Request(BaseModel):
    """The body of a submission."""

    prompt: str
    model: str


@lru_cache
def pool() -> ConnectionPool[Any]:
    """Return this process's connections, opened on first use: after a worker's fork."""
    connections = ConnectionPool(
        os.environ["PEER_POSTGRES"], min_size=1, max_size=16, kwargs={"autocommit": True}
    )
    connections.wait()
    return connections


@lru_cache
def connection() -> psycopg.Connection[Any]:
    """Return the one connection of a worker, which runs one task at a time."""
    return psycopg.connect(os.environ["PEER_POSTGRES"], autocommit=True)


@lru_cache
def predictor() -> http.client.HTTPConnection | None:
    """Return an open connection to the predictor, or None."""
    port = os.environ.get("PEER_PREDICTOR")
    return http.client.HTTPConnection("127.0.0.1", int(port)) if port else None


@lru_cache
def s3() -> Any:
    """Return a client of the S3 server that the product uses, or None."""
    if "PEER_S3" not in os.environ:
        return None
    import boto3
    from botocore.config import Config

    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.client("s3", endpoint_url=os.environ["PEER_S3"], region_name="us-east-1", config=config)


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
    row = (job, "pending", request.prompt, request.model)
    with pool().connection() as database:
        database.execute("INSERT INTO jobs (id, status, prompt, model) VALUES (%s, %s, %s, %s)", row)
    generate.delay(job)
    return {"id": job, "status": "pending"}


@celery.task(name="generate")
def generate(job: str) -> None:
    """Do nothing, and store the start and the end."""
    connection().execute(STARTED, (job,))
    if remote := predictor():  # the predictor notes the start itself
        body = {"text_input": "a red circle moving right", "parameters": PARAMETERS | {"job_id": job}}
        remote.request("POST", "/v2/models/tiny/generate_stream", json.dumps(body))
        if b"completed" not in remote.getresponse().read():
            raise RuntimeError("the predictor did not complete the job")
    else:
        with Path(os.environ["PEER_JOURNAL"]).open("a") as journal:
            journal.write(f"{job} {time.time()}\n")
    if s3():
        # The size of the event that the product writes to S3 at a job's end.
        s3().put_object(Bucket="reelzero", Key=f"peer/{job}/event.json", Body=b"x" * 1800)
    connection().execute(ENDED, (f"s3://reelzero/peer/{job}/video.mp4", job))
