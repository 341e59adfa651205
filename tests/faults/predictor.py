"""The fake predictor as a process: light enough for hundreds of rounds, and one that can be killed.

REELZERO_FAKE_PORT, REELZERO_FAKE_SCRIPTS (JSON list of Script fields), REELZERO_FAKE_SECONDS (per stage),
REELZERO_FAKE_JOURNAL (what had the device when, JSON lines), REELZERO_FAKE_PIPELINED (any value: the device
is free before the upload); REELZERO_HOLD_STAGE and REELZERO_HOLD_FILE hold it as in predictor.testing. A hold
at `load` delays the answer, as an activator does while a pod starts.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from eventing.contract.codecs.stream import Assignment
from eventing.contract.env import S3Settings, read
from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.testing import FakePredictor, Script
from tests.support.pipelined import Pipelined

POLL = 0.01  # seconds; a file has no event to wait for


class Process(FakePredictor):
    """A FakePredictor that keeps a journal and can be held by a file."""

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        await hold("load")
        return await super()._generate(request)

    def _take(self, assignment: Assignment) -> None:
        super()._take(assignment)
        journal({"what": "begin", "running": self.running} | named(assignment))

    def _leave(self, assignment: Assignment) -> None:
        super()._leave(assignment)
        journal({"what": "end"} | named(assignment))


class PipelinedProcess(Pipelined, Process):
    """The same, free for the next job once a job has left the device."""


def named(assignment: Assignment) -> dict[str, Any]:
    return {"job": assignment.job_id, "attempt": assignment.attempt}


async def on_stage(stage: str, _job_id: str) -> None:
    await asyncio.sleep(float(os.environ.get("REELZERO_FAKE_SECONDS", "0.02")))
    await hold(stage)


async def hold(stage: str) -> None:
    """Wait at the stage the environment names until its file exists."""
    if os.environ.get("REELZERO_HOLD_STAGE") != stage:
        return
    file = Path(os.environ["REELZERO_HOLD_FILE"])
    file.with_name(file.name + ".reached").touch()
    while not file.exists():  # noqa: ASYNC240 -- a look costs microseconds
        await asyncio.sleep(POLL)


def journal(entry: dict[str, Any]) -> None:
    line = json.dumps(entry | {"at": time.time(), "pid": os.getpid()}) + "\n"
    with Path(os.environ["REELZERO_FAKE_JOURNAL"]).open("a") as file:
        file.write(line)


def scripts() -> list[Script]:
    entries = json.loads(os.environ.get("REELZERO_FAKE_SCRIPTS", "[]"))
    return [script(**fields) for fields in entries]


def script(failure: dict[str, Any] | None = None, **fields: Any) -> Script:
    return Script(failure=Failure(**failure) if failure else None, **fields)


async def serve() -> None:
    bucket = Bucket(read(S3Settings).s3())
    port = int(os.environ["REELZERO_FAKE_PORT"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kind = PipelinedProcess if "REELZERO_FAKE_PIPELINED" in os.environ else Process
    async with kind(bucket, scripts(), port=port, on_stage=on_stage) as fake:
        await stop.wait()
        await fake.drain()


def main() -> None:
    asyncio.run(serve())
