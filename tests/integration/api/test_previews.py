"""The preview of a running job: for its owner, from any replica, until the job ends."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket
from eventing.contract.storage.s3_http import ObjectClient
from eventing.testing import Script
from tests.integration.api.deployment import PATIENCE, Deployment, deployment


def jpeg(red: int) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (16, 16), (red, 0, 0)).save(body, "JPEG")
    return body.getvalue()


async def event_with_preview(stream: aiohttp.ClientResponse) -> dict[str, object]:
    """The first progress event of a stream that names a preview."""
    async with asyncio.timeout(PATIENCE):
        async for line in stream.content:
            if line.startswith(b"data: ") and (data := json.loads(line[6:])).get("preview"):
                return dict(data)
    raise AssertionError("the stream ended without a preview")


async def test_the_owner_sees_the_preview_until_the_job_ends(public: Deployment) -> None:
    keys = public.service.container.keys
    ann, bob = [{"Authorization": f"Bearer {await keys.create(name)}"} for name in ("ann", "bob")]
    gate = asyncio.Event()
    public.predictor.scripts = [Script(preview=jpeg(200), gate=gate)]
    _, job = await public.call("POST", "/v1/jobs", json={"prompt": "a red dot"}, headers=ann)
    assert "preview" not in job["links"]
    async with public.http.get(f"{public.url}/v1/jobs/{job['id']}/events", headers=ann) as stream:
        event = await event_with_preview(stream)
        path = str(event["preview"])
        assert (event["preview_step"], path) == (1, f"/v1/jobs/{job['id']}/preview")
        answer, body = await public.call("GET", path, headers=ann)
        assert (answer.status, answer.content_type, body) == (200, "image/jpeg", jpeg(200))
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await public.call("GET", path, headers=bob))[0].status == 404
        assert (await public.call("GET", path))[0].status == 401
        _, running = await public.call("GET", f"/v1/jobs/{job['id']}", headers=ann)
        assert running["links"]["preview"] == path
        gate.set()
    ended = await public.ended(job["id"], headers=ann)
    assert ended["status"] == "completed" and "preview" not in ended["links"]
    answer, problem = await public.call("GET", path, headers=ann)
    assert (answer.status, problem["code"]) == (404, "not_found")
    bucket = public.service.container.bucket
    assert any(key.endswith("/preview.jpg") for key in bucket.keys(f"jobs/{job['id']}/"))
    await public.service.container.jobs.delete(job["id"], "ann")
    assert bucket.keys(f"jobs/{job['id']}/") == []


async def test_a_preview_that_cannot_be_stored_is_left_out(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put, gate = ObjectClient.put, asyncio.Event()

    async def refuse(self: ObjectClient, key: str, body: bytes, content_type: str) -> None:
        if key.endswith("preview.jpg"):
            gate.set()
            raise StorageError("the bucket is full")
        await put(self, key, body, content_type)

    monkeypatch.setattr(ObjectClient, "put", refuse)
    async with deployment(tmp_path, bucket) as service:
        service.predictor.scripts = [Script(preview=jpeg(90), gate=gate)]
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red dot"})
        ended = await service.ended(job["id"])
    assert (ended["status"], ended["attempts"]) == ("completed", 1)
    assert "a preview is left out: the bucket is full" in caplog.text
