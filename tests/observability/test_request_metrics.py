"""Requests: answers by route, refusals by reason, dead letters; S3 and the database beside them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eventing.contract.errors import StorageError, Unavailable
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.store.database.engine import Database, now
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.observability.conftest import QUOTA, scrape
from tests.support.scrape import rise

pytestmark = pytest.mark.asyncio(loop_scope="session")
REFUSED = "reelzero_requests_refused_total"
EVENT = {"specversion": "1.0", "id": "zanzibar", "source": "/marked", "type": "dev.example.marked.v1"}


async def test_answers_are_counted_by_the_template_of_their_route(service: Deployment) -> None:
    before = await scrape(service)
    for path in (
        "/v1/jobs/zanzibar", "/v2/models/zanzibar", "/v2/models/tiny/ready", "/zanzibar/x",
        "/static/zanzibar",
    ):  # fmt: skip
        await service.call("GET", path)
    await service.call("ZANZIBAR", "/healthz")
    after = await scrape(service)
    for route, status in (
        ("/v1/jobs/{job_id}", "404"),
        ("/v2/models/{model}", "404"),
        ("/v2/models/{model}/ready", "200"),
        ("unmatched", "404"),
        ("/static", "404"),
    ):
        labels = {"method": "GET", "route": route}
        assert rise(before, after, "reelzero_http_requests_total", **labels, status=status) == 1, route
        assert rise(before, after, "reelzero_http_request_seconds_count", **labels) == 1
    assert "zanzibar" not in after.text.lower()


async def test_refusals_are_counted_by_their_reason(service: Deployment) -> None:
    before = await scrape(service)
    await service.call("POST", "/v1/jobs", json={"prompt": ""})
    await service.call("POST", "/v1/jobs", data=b"x" * (40 << 20))
    for prompt in ("a red circle", "another"):
        await service.call("PUT", "/v1/jobs/settled", json={"prompt": prompt})
    await service.ended("settled")
    await service.call("GET", "/healthz", headers={"Host": "evil.example"})
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    jobs = []
    for _ in range(QUOTA + 3):
        answer, body = await service.call("POST", "/v1/jobs", json={"prompt": "a red circle"})
        jobs += [body["id"]] if answer.status == 202 else []
    limit = service.service.settings.rate_per_minute
    batch = [EVENT | {"id": str(number)} for number in range(limit)]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    await service.call("POST", "/events", data=json.dumps(batch), headers=headers)
    after = await scrape(service)
    gate.set()
    for job_id in jobs:
        await service.ended(job_id)
    for reason in ("validation", "too_large", "conflict", "unauthorized", "quota", "rate"):
        assert rise(before, after, REFUSED, reason=reason) >= 1, reason
    assert rise(before, after, REFUSED, reason="unavailable") == 0


async def test_a_dead_letter_is_counted_once(service: Deployment) -> None:
    before = await scrape(service)
    headers = {"Content-Type": "application/cloudevents+json"}
    for _ in range(2):
        await service.call("POST", "/events/dead-letter", data=json.dumps(EVENT), headers=headers)
    after = await scrape(service)
    assert rise(before, after, "reelzero_dead_letters_total") == 1
    assert rise(before, after, "reelzero_dead_letters") == 1
    assert "zanzibar" not in after.text


async def test_calls_to_s3_are_timed_and_their_errors_counted(service: Deployment) -> None:
    bucket = service.service.container.bucket
    before = await scrape(service)
    bucket.put("metrics/one", b"1", "text/plain")
    assert bucket.get("metrics/none") is None
    other = Bucket(S3Location("nosuchbucket", bucket.location.endpoint))
    with pytest.raises(StorageError):
        other.copy("a", "b")
    after = await scrape(service)
    assert rise(before, after, "reelzero_s3_request_seconds_count", operation="PutObject") == 1
    assert rise(before, after, "reelzero_s3_request_seconds_count", operation="GetObject") == 1
    assert rise(before, after, "reelzero_s3_errors_total", operation="GetObject") == 0
    away = Bucket(S3Location("b", "http://127.0.0.1:9"))
    with pytest.raises(StorageError):
        away.head("a")
    assert rise(after, await scrape(service), "reelzero_s3_errors_total", operation="HeadObject") == 1


async def test_a_transaction_that_the_database_does_not_serve_is_counted(
    service: Deployment, tmp_path: Path
) -> None:
    before = await scrape(service)
    (tmp_path / "jobs.db").mkdir()
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/jobs.db")
    with pytest.raises(Unavailable):
        async with database.read() as connection:
            await now(connection)
    await database.close()
    after = await scrape(service)
    assert rise(before, after, "reelzero_database_errors_total", access="read") == 1
    assert rise(before, after, "reelzero_database_transaction_seconds_count", access="read") >= 1
