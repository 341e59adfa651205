"""What both peers of bench.queue do for a job, beside their queue: the row, the predictor, one PUT.

PEER_POSTGRES, PEER_JOURNAL; PEER_S3: one small PUT per job; PEER_PREDICTOR: the port of a predictor that the
task calls, as where workers and GPUs are apart. It runs in the peers' own environments (environments.py).
"""

from __future__ import annotations

import http.client
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from pydantic import BaseModel

TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    id text PRIMARY KEY, status text NOT NULL, prompt text NOT NULL, model text NOT NULL,
    result text, created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz, completed_at timestamptz
)"""
INSERT = "INSERT INTO jobs (id, status, prompt, model) VALUES (%s, 'pending', %s, %s)"
STARTED = "UPDATE jobs SET status = 'processing', started_at = now() WHERE id = %s"
ENDED = "UPDATE jobs SET status = 'completed', completed_at = now(), result = %s WHERE id = %s"

PARAMETERS = {
    "attempt": 1, "width": 64, "height": 64, "num_frames": 9, "fps": 8, "seed": 1, "negative_prompt": "",
    "quality": "medium", "num_inference_steps": 4, "guidance_scale": 1.0,
}  # fmt: skip


class Request(BaseModel):
    """The body of a submission."""

    prompt: str
    model: str


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


def carry_out(job: str) -> None:
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
