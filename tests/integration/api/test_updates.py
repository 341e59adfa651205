"""What the page asks for: the stream of all jobs, a check while typing, a search, a download, a trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from eventing.testing import Script
from tests.integration.api.deployment import PATIENCE, Deployment

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def updates(service: Deployment) -> AsyncIterator[aiohttp.StreamReader]:
    """The open stream of all jobs."""
    async with asyncio.timeout(PATIENCE), service.http.get(f"{service.url}/v1/updates") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert answer.headers["X-Accel-Buffering"] == "no"
        await answer.content.readuntil(b"\n\n")  # a sign of life: from here on nothing is missed
        yield answer.content


async def until(stream: aiohttp.StreamReader, name: str, **fields: Any) -> Any:
    """The data of the next event of this name with these fields."""
    while True:
        record = (await stream.readuntil(b"\n\n")).decode()
        if record.startswith(f"event: {name}\ndata: "):
            data = json.loads(record.partition("data: ")[2])
            if fields.items() <= data.items():
                return data


async def test_one_stream_shows_a_job_from_its_submission_to_its_deletion(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    async with updates(service) as stream:
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red dot"})
        seen = await until(stream, "job", id=job["id"], status="in_progress")
        _, read = await service.call("GET", f"/v1/jobs/{job['id']}")
        assert seen.keys() == read.keys() and seen["request"] == read["request"]
        gate.set()
        done = await until(stream, "job", id=job["id"], status="completed")
        assert done["result"]["video"]["bytes"] > 0
        await service.call("DELETE", f"/v1/videos/{job['id']}")
        await until(stream, "deleted", id=job["id"])


async def test_a_check_answers_like_a_submission_and_stores_nothing(service: Deployment) -> None:
    _, checked = await service.call("POST", "/v1/check", json={"prompt": "a dot " * 20})
    assert "this model reads the first 16" in checked["warnings"][0] and checked["unknown_words"] == []
    wrong = {"prompt": "a dot", "num_frames": 10}
    answer, checked = await service.call("POST", "/v1/check", json=wrong)
    _, refused = await service.call("POST", "/v1/jobs", json=wrong)
    assert answer.status == 200 and refused["field"] == "num_frames"
    assert checked["problem"] == {name: refused[name] for name in ("code", "detail", "field")}
    assert (await service.call("GET", "/v1/jobs"))[1]["data"] == []


async def test_a_result_is_saved_under_its_name_and_a_job_names_its_trace(service: Deployment) -> None:
    headers = {"traceparent": TRACE}
    _, job = await service.call("POST", "/v1/jobs", json={"prompt": "A Red dot"}, headers=headers)
    assert job["trace_id"] == TRACE.split("-")[1]
    await service.ended(job["id"])
    for headers in ({}, {"X-API-Key": "any"}):  # from S3, and through the service
        for query, disposition in (("", "inline"), ("?download=true", "attachment")):
            answer, body = await service.call("GET", f"/v1/jobs/{job['id']}/result{query}", headers=headers)
            name = f'filename="{job["id"]}-video.mp4"'
            assert answer.headers["Content-Disposition"] == f"{disposition}; {name}" and body
    for text, count in (("red D", 1), ("blue", 0)):
        _, page = await service.call("GET", "/v1/jobs", params={"search": text})
        assert len(page["data"]) == count
