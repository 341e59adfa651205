"""How a result reaches its owner, and that the API key stays here."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment


@asynccontextmanager
async def spy() -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """An S3 endpoint that only keeps the headers of requests."""
    headers: list[dict[str, str]] = []

    async def keep(request: web.Request) -> web.Response:
        headers.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(body=b"from S3")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", keep)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", headers
    finally:
        await runner.cleanup()


async def follow(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """GET as a careless client does: every header goes to wherever a redirect leads."""
    async with aiohttp.ClientSession() as http:
        for _ in range(5):
            async with http.get(url, headers=headers, allow_redirects=False) as answer:
                if "Location" not in answer.headers:
                    return answer.status, await answer.read()
                url = answer.headers["Location"]
    raise AssertionError("too many redirects")


async def made(service: Deployment, **arguments: Any) -> str:
    _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red dot"}, **arguments)
    ended = await service.ended(job["id"], **arguments)
    assert ended["status"] == "completed"
    return str(job["id"])


@pytest.mark.parametrize("variant", ["video", "poster", "spritesheet", "manifest"])
@pytest.mark.parametrize("name, scheme", [("Authorization", "Bearer "), ("X-API-Key", "")])
async def test_an_api_key_never_reaches_s3(
    tmp_path: Path, bucket: Bucket, name: str, scheme: str, variant: str
) -> None:
    async with spy() as (endpoint, seen):
        chosen = {"auth": "required", "s3_public_endpoint": endpoint}
        async with deployment(tmp_path, bucket, **chosen) as service:
            key = scheme + await service.service.container.keys.create("ann")
            job_id = await made(service, headers={name: key})
            url = f"{service.url}/v1/jobs/{job_id}/result?variant={variant}"
            status, body = await follow(url, {name: key})
            _, job = await service.call("GET", f"/v1/jobs/{job_id}", headers={name: key})
    assert seen == []
    assert status == 200
    if variant != "manifest":
        assert hashlib.sha256(body).hexdigest() == job["result"][variant]["sha256"]
    else:
        assert job_id.encode() in body


async def test_a_key_gets_the_file_in_parts_and_the_presigned_url_as_json(public: Deployment) -> None:
    key = {"Authorization": f"Bearer {await public.service.container.keys.create('ann')}"}
    job_id = await made(public, headers=key)
    path = f"/v1/jobs/{job_id}/result"
    answer, whole = await public.call("GET", path, headers=key)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "video/mp4")
    answer, part = await public.call("GET", path, headers=key | {"Range": "bytes=1-3"})
    assert (answer.status, part) == (206, whole[1:4])
    answer, view = await public.call("GET", path, headers=key | {"Accept": "application/json"})
    assert answer.status == 200 and "Signature" in view["url"]


async def test_without_a_key_the_result_is_a_redirect(service: Deployment) -> None:
    job_id = await made(service)
    answer, _ = await service.call("GET", f"/v1/jobs/{job_id}/result", allow_redirects=False)
    assert answer.status == 307 and "Signature" in answer.headers["Location"]
