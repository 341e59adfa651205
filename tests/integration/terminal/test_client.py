"""The Python client: against the real service, and against a server whose stream breaks off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from eventing.client import AsyncClient, Away, Client, Job, Refused, verify_webhook
from eventing.contract.errors import Conflict, InvalidRequest, MalformedRequest, StorageError, Unauthorized
from eventing.contract.records.models import Status
from eventing.testing import Script
from tests.integration.api.deployment import SECRET, Deployment
from tests.support.ports import free_port


def test_a_program_without_a_loop_makes_a_video(running: Deployment, tmp_path: Path) -> None:
    with Client(running.url) as client:
        job = client.submit(prompt="a red dot", seed=3, metadata={"order": "9"})
        assert isinstance(job, Job) and job.request.seed == 3
        with pytest.raises(Conflict, match="has no video"):
            client.download(job.id, tmp_path)
        updates = list(client.stream(job.id))
        assert updates[-1].job and updates[-1].job.status is Status.completed
        assert [update.percent for update in updates] == sorted(update.percent for update in updates)
        path = client.download(job.id, tmp_path)
        assert path == tmp_path / f"{job.id}.mp4" and [*tmp_path.iterdir()] == [path]
        assert client.wait(job.id).metadata == {"order": "9"}
        assert client.page(limit=1).data[0].id == job.id
        assert [model.id for model in client.models()] == ["tiny"]
        with pytest.raises(Refused) as refused:
            client.submit(prompt="a dot", model="x")
        assert (refused.value.status, refused.value.field) == (422, "model")
        client.delete(job.id)
        with pytest.raises(Refused) as gone:
            client.job(job.id)
        assert gone.value.status == 404
        with pytest.raises(InvalidRequest, match="is not an id"):
            client.job("../jobs")


async def test_the_same_key_leads_to_the_same_group(running: Deployment) -> None:
    async with AsyncClient(running.url) as client:
        first, again = [await client.submit({"prompt": "a dot"}, key="twice", n=2, seed=1) for _ in range(2)]
        assert first.id == again.id and first.id.startswith("grp_")
        group = await client.group(first.id)
        jobs = await asyncio.gather(*(client.wait(item.id) for item in group.jobs))
        assert [job.request.seed for job in jobs] == [1, 2]


async def test_a_limit_to_waiting_leaves_the_job_as_it_is(running: Deployment) -> None:
    running.predictor.scripts.append(Script(gate=asyncio.Event()))
    async with AsyncClient(running.url) as client:
        job = await client.submit(prompt="a dot")
        with pytest.raises(TimeoutError):
            await client.wait(job.id, timeout=0.1)
        await client.cancel(job.id)
        assert (await client.wait(job.id)).status is Status.cancelled


async def test_a_server_that_is_away_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    async with AsyncClient(address) as client:
        with pytest.raises(Away, match=address):
            await client.models()


def as_seen(job: dict[str, Any], status: str) -> str:
    event = {"id": job["id"], "status": "in_progress", "stage": "denoise", "step": 1, "percent": 45}
    data = job if status == "completed" else event
    return f"id: {status}\nevent: {status}\ndata: {json.dumps(data)}\n\n"


@asynccontextmanager
async def breaking(job: dict[str, Any], video: bytes = b"") -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server whose stream is cut after its first event; its address, and the Last-Event-ID of each call."""
    calls: list[str | None] = []

    async def events(request: web.Request) -> web.StreamResponse:
        calls.append(request.headers.get("Last-Event-ID"))
        if len(calls) == 2:
            return web.Response(status=503)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        if len(calls) == 1:
            await answer.write(as_seen(job, "progress").encode() + b": still here\n\nid: cut")
            assert request.transport
            request.transport.close()
            return answer
        await answer.write(as_seen(job, "completed").encode())
        return answer

    async def read(_: web.Request) -> web.Response:
        return web.json_response(job)

    async def content(_: web.Request) -> web.Response:
        return web.Response(body=video)

    app = web.Application()
    app.router.add_get("/v1/jobs/{id}/events", events)
    app.router.add_get("/v1/jobs/{id}", read)
    app.router.add_get("/v1/videos/{id}/content", content)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", calls
    finally:
        await runner.cleanup()


async def completed(running: Deployment) -> dict[str, Any]:
    async with AsyncClient(running.url) as client:
        job = await client.submit(prompt="a dot")
        return (await client.wait(job.id)).model_dump(mode="json")


async def test_a_stream_that_breaks_off_goes_on_where_it_was(
    running: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventing.client.stream.PAUSE_SECONDS", 0.01)
    job = await completed(running)
    async with breaking(job) as (url, calls), AsyncClient(url) as client:
        updates = [update async for update in client.stream(job["id"])]
    assert [update.percent for update in updates] == [45, job["percent"]]
    assert calls == [None, "progress", "progress"]


async def test_a_damaged_file_does_not_take_the_place_of_a_good_one(
    running: Deployment, tmp_path: Path
) -> None:
    job, path = await completed(running), tmp_path / "a.mp4"
    path.write_bytes(b"good")
    async with breaking(job, b"damaged") as (url, _), AsyncClient(url) as client:
        with pytest.raises(StorageError, match="checksum differs"):
            await client.download(job["id"], path)
    assert path.read_bytes() == b"good" and files_in(tmp_path) == [path]


def files_in(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


async def test_a_webhook_is_verified(running: Deployment, loop_of_service: asyncio.AbstractEventLoop) -> None:
    async with AsyncClient(running.url) as client:
        job = await client.submit(prompt="a dot", callback_url=f"{running.receiver.url}/hook")
        await client.wait(job.id)
    coming = asyncio.run_coroutine_threadsafe(running.receiver.next("/hook"), loop_of_service)
    delivery = await asyncio.wrap_future(coming)
    body = delivery.body.encode()
    event = verify_webhook(body, delivery.headers, SECRET)
    assert event.subject == job.id and event.type.endswith("video.completed.v1")
    with pytest.raises(Unauthorized, match="signature"):
        verify_webhook(body + b" ", delivery.headers, SECRET)
    with pytest.raises(Unauthorized):
        verify_webhook(b"{}", {}, SECRET)
    now = datetime.now(UTC)
    signed = {"webhook-id": "m", "webhook-timestamp": str(int(now.timestamp()))}
    for text in ("[]", "[1]", "5", "no json"):
        headers = signed | {"webhook-signature": Webhook(SECRET).sign("m", now, text)}
        with pytest.raises(MalformedRequest):
            verify_webhook(text.encode(), headers, SECRET)
