"""Too much, too large and unknown keys, in each protocol's own form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment
from tests.integration.api.test_cloudevents import STRUCTURED, event

WAYS: dict[str, tuple[dict[str, Any], dict[str, str], Callable[[Any], str | None]]] = {
    "/v1/jobs": ({"prompt": "x"}, {}, lambda body: body["code"]),
    "/v1/videos": ({"prompt": "x"}, {}, lambda body: body["error"]["code"]),
    "/v1/videos/sync": ({"prompt": "x"}, {"Prefer": "wait=0"}, lambda body: body["error"]["code"]),
    "/api/v1/videos": ({"prompt": "x"}, {}, lambda body: body["error"]["metadata"]["code"]),
    "/v2/models/tiny/infer": ({"inputs": []}, {}, lambda body: body["error"] and body["code"]),
    "/events": (event(), STRUCTURED, lambda body: body["code"]),
    "/events/dead-letter": (event(), STRUCTURED, lambda body: body["code"]),
}


async def post(
    service: Deployment, path: str, headers: dict[str, str] | None = None, padding: int = 0
) -> tuple[aiohttp.ClientResponse, str | None]:
    body, media, code = WAYS[path]
    sent = {"Content-Type": "application/json"} | media | (headers or {})
    data = json.dumps(body) + " " * padding
    answer, got = await service.call("POST", path, data=data, headers=sent)
    return answer, code(got) if answer.status >= 400 else None


@pytest.mark.parametrize("path", WAYS)
async def test_more_than_the_rate_is_a_429_that_says_when(tmp_path: Path, bucket: Bucket, path: str) -> None:
    async with deployment(tmp_path, bucket, rate_per_minute=1) as service:
        await post(service, path)
        answer, code = await post(service, path)
        assert (answer.status, code) == (429, "too_many_requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", WAYS)
async def test_a_body_over_the_limit_is_a_413(shared: Deployment, path: str) -> None:
    answer, code = await post(shared, path, padding=(1 << 20) + 2048)
    assert (answer.status, code) == (413, "body_too_large")


@pytest.mark.parametrize("path", WAYS)
async def test_a_key_nobody_has_is_a_401(tmp_path: Path, bucket: Bucket, path: str) -> None:
    async with deployment(tmp_path, bucket, auth="required") as service:
        for headers in ({}, {"Authorization": "Bearer rz_000000000000_nothing"}, {"X-API-Key": "rz"}):
            answer, code = await post(service, path, headers)
            assert (answer.status, code) == (401, "unauthorized")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
