"""`reelzero serve` in a process of its own, and the calls that tests make to it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.integration.predictor.process import ROOT
from tests.support.waiting import LIMIT

Job = dict[str, Any]


class Serving:
    """A service that answers."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def submit(self, headers: dict[str, str] | None = None, **fields: Any) -> str:
        """A new job's id."""
        body = {"prompt": "a red circle", **fields}
        async with self._http.post(f"{self._url}/v1/jobs", json=body, headers=headers) as answer:
            assert answer.status == 202, await answer.text()
            return str((await answer.json())["id"])

    async def post(self, path: str, status: int, **arguments: Any) -> None:
        """POST what is answered with this status."""
        async with self._http.post(self._url + path, **arguments) as answer:
            assert answer.status == status, await answer.text()

    async def jobs(self, headers: dict[str, str], **query: str) -> list[Job]:
        """The first page of jobs that fit."""
        async with self._http.get(f"{self._url}/v1/jobs", params=query, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return list((await answer.json())["data"])

    async def cancel(self, job_id: str) -> None:
        """End a job that waits, or has ended already."""
        async with self._http.delete(f"{self._url}/v1/jobs/{job_id}") as answer:
            assert answer.status == 200, await answer.text()

    async def metrics(self) -> str:
        """The metrics in OpenMetrics, with their exemplars."""
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        async with self._http.get(f"{self._url}/metrics", headers=accept) as answer:
            return await answer.text()

    async def job(self, job_id: str) -> Job:
        async with self._http.get(f"{self._url}/v1/jobs/{job_id}") as answer:
            return dict(await answer.json())

    async def ended(self, job_id: str) -> Job:
        """The job once it has ended, by its stream of progress."""
        async with self._http.get(f"{self._url}/v1/jobs/{job_id}/events") as answer:
            await answer.read()
        return await self.job(job_id)

    async def put_back(self, job_id: str, code: str) -> Job:
        """The job as soon as it is in the queue again and says for what it waits."""
        async with asyncio.timeout(LIMIT):
            while True:
                job = await self.job(job_id)
                if (job["status"], job["waiting_for"]) == ("queued", code):
                    return job
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(
    folder: Path, storage: dict[str, str], predictor: str, **settings: Any
) -> AsyncIterator[Serving]:
    """Run the service in front of one predictor's URL; its log is `folder/serve.log`."""
    url = f"sqlite+aiosqlite:///{folder}/jobs.db"
    database = Database(url)
    await migrate(database)
    await database.close()
    values = {
        "database_url": url, "port": 0, "auth": "open", "poll_seconds": 0.1, "retry_seconds": 1,
        "endpoints": json.dumps([{"model": "tiny", "url": predictor}]),
    } | settings  # fmt: skip
    named = {f"REELZERO_{name.upper()}": str(value) for name, value in values.items()}
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "eventing", "serve",
            cwd=ROOT, env={**os.environ, **storage, **named}, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        assert process.stdout
        word, _, where = (await process.stdout.readline()).decode().strip().partition(" ")
        assert word == "ready", (folder / "serve.log").read_text()
        async with aiohttp.ClientSession() as http:
            yield Serving(where, http)
    finally:
        process.kill()
        await process.wait()
