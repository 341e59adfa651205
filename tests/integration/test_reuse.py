"""The same request again: answered from the finished result if the caller wants it, on both databases."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket
from eventing.store.tables import jobs
from eventing.testing import Script
from tests.integration.conftest import SECRET, MakeStack, Stack

BODY = {"prompt": "a red circle moving right", "seed": 7}
AGAIN = BODY | {"reuse": True}


async def call(stack: Stack, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
    """The status and the body of an answer, decoded if it is JSON."""
    async with stack.http.request(method, stack.service.url + path, **arguments) as answer:
        raw = await answer.read()
        return answer.status, json.loads(raw) if "json" in answer.content_type else raw


async def made(stack: Stack, **fields: Any) -> Any:
    """The job of a submission."""
    status, job = await call(stack, "POST", "/v1/jobs", json=BODY | fields)
    assert status == 202, job
    return job


async def content(stack: Stack, job: Any, variant: str = "video") -> bytes:
    """A file of a job."""
    async with stack.http.get(f"{stack.service.url}/v1/jobs/{job['id']}/result?variant={variant}") as answer:
        assert answer.status == 200
        return await answer.read()


async def test_an_equal_request_gets_a_copy_of_the_result_and_outlives_its_source(stack: Stack) -> None:
    first = await stack.ended(await stack.submit(**BODY, metadata={"order": "1"}))
    video, poster = await content(stack, first), await content(stack, first, "poster")
    hook = stack.receiver.url("hook")
    job = await made(stack, reuse=True, callback_url=hook, metadata={"order": "2"})
    assert (job["status"], job["attempts"], job["percent"], job["started_at"]) == ("completed", 0, 100, None)
    result = job["result"]
    assert (result["reused_from"], result["job_id"], result["attempt"]) == (first["id"], job["id"], 0)
    assert result["video"]["uri"].startswith(f"s3://{stack.service.container.bucket.name}/jobs/{job['id']}/")
    assert result["video"]["sha256"] == first["result"]["video"]["sha256"]
    assert len(stack.predictor.requests) == 1, "no predictor had a part in it"
    async with stack.service.container.database.read() as connection:
        (row,) = await connection.execute(select(jobs.c.result).where(jobs.c.id == job["id"]))
    assert "reused_from" not in row.result, "a release that does not know it could not read the row"

    delivery = await stack.receiver.wait_for(lambda d: d.path == "/hook")
    Webhook(SECRET).verify(delivery.body, delivery.headers)
    data = delivery.event["data"]
    assert delivery.event["type"] == "dev.reelzero.video.completed.v1"
    assert (data["job_id"], data["result"]["reused_from"]) == (job["id"], first["id"])
    assert data["metadata"] == {"order": "2"}
    sink = await stack.receiver.wait_for(lambda d: d.path == "/sink" and d.event["subject"] == job["id"])
    assert sink.event == delivery.event

    status, _ = await call(stack, "DELETE", f"/v1/videos/{first['id']}")
    assert status == 200
    assert (await content(stack, job), await content(stack, job, "poster")) == (video, poster)
    manifest = json.loads(await content(stack, job, "manifest"))
    assert manifest["result"]["reused_from"] == first["id"] and manifest["request"]["seed"] == 7
    again = await stack.ended((await made(stack, reuse=True))["id"])
    assert again["result"]["reused_from"] == job["id"], "of the one that is left"
    fresh = await stack.ended((await made(stack))["id"])
    assert fresh["result"]["reused_from"] is None and len(stack.predictor.requests) == 2
    _, metrics = await call(stack, "GET", "/metrics")
    assert b'reelzero_results_reused_total{model="tiny"}' in metrics


async def test_what_is_not_equal_is_made(make_stack: MakeStack) -> None:
    async with make_stack(auth="required") as stack:
        keys, bucket = stack.service.container.keys, stack.service.container.bucket
        ann = {"Authorization": f"Bearer {await keys.create('ann')}"}
        bob = {"Authorization": f"Bearer {await keys.create('bob')}"}

        async def ended(body: dict[str, Any], key: dict[str, str]) -> Any:
            status, job = await call(stack, "POST", "/v1/jobs", json=body, headers=key)
            assert status == 202, job
            async with stack.http.get(stack.service.url + job["links"]["events"], headers=key) as answer:
                await answer.read()
            return (await call(stack, "GET", f"/v1/jobs/{job['id']}", headers=key))[1]

        first = await ended(BODY, ann)
        for other in ({"seed": 8}, {"fps": 5}, {"quality": "low"}, {"prompt": "a blue circle"}):
            assert (await ended(AGAIN | other, ann))["result"]["reused_from"] is None, other
        assert (await ended(AGAIN, bob))["result"]["reused_from"] is None, "of another owner"
        assert (await ended(AGAIN | {"metadata": {"a": "b"}}, ann))["result"]["reused_from"] == first["id"]
        made = len(stack.predictor.requests)
        async with stack.service.container.database.write() as connection:
            soon = jobs.c.completed_at  # the retention of all is over; the sweep comes once a minute
            await connection.execute(update(jobs).values(expires_at=soon))
        assert (await ended(AGAIN, ann))["result"]["reused_from"] is None, "of an expired one"
        made += 1
        page, _ = await stack.service.container.job_store.page("ann", limit=100)
        for job in page:
            assert job.video_result
            await asyncio.to_thread(bucket.delete, bucket.key(job.video_result.poster.uri))
        fresh = await ended(AGAIN, ann)
        assert fresh["result"]["reused_from"] is None, "files that are gone are no result"
        assert len(stack.predictor.requests) == made + 1
        assert bucket.keys(f"jobs/{fresh['id']}/reused/") == []
        async with stack.service.container.database.write() as connection:
            mine = jobs.c.id == fresh["id"]
            result = (await connection.execute(select(jobs.c.result).where(mine))).scalar_one()
            moved = json.loads(json.dumps(result).replace(bucket.uri(""), "s3://the-bucket-before/"))
            await connection.execute(update(jobs).where(mine).values(result=moved))
        assert (await ended(AGAIN, ann))["result"]["reused_from"] is None, "its files are in another bucket"


async def test_every_door_takes_it_and_a_group_too(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_stack(queue_quota=2) as stack:
        first = await stack.ended(await stack.submit(**BODY))
        once = {"Idempotency-Key": "k"}
        _, job = await call(stack, "POST", "/v1/jobs", json=AGAIN, headers=once)
        _, same = await call(stack, "POST", "/v1/jobs", json=AGAIN, headers=once)
        assert same == job and job["result"]["reused_from"] == first["id"]
        status, put = await call(stack, "PUT", "/v1/jobs/mine", json=AGAIN)
        assert (status, put["id"], put["status"]) == (202, "mine", "completed")
        assert (await call(stack, "PUT", "/v1/jobs/mine", json=AGAIN)) == (200, put)
        _, video = await call(stack, "POST", "/v1/videos", json=AGAIN)
        assert (video["status"], video["reused_from_video_id"]) == ("completed", "mine")
        tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": [BODY["prompt"]]}
        infer = {"inputs": [tensor], "parameters": {"seed": 7, "reuse": True}}
        status, answer = await call(stack, "POST", "/v2/models/tiny/infer", json=infer)
        assert status == 200 and answer["parameters"]["job_id"].startswith("vid_")

        gate = asyncio.Event()
        stack.predictor.scripts = [Script(gate=gate)]
        _, group = await call(stack, "POST", "/v1/jobs", json=AGAIN | {"n": 2})
        assert group["jobs"][0]["status"] == "completed" and group["jobs"][1]["status"] != "completed"
        gate.set()
        async with stack.http.get(stack.service.url + group["links"]["events"]) as stream:
            await stream.read()
        count = len(stack.predictor.requests)
        _, group = await call(stack, "POST", "/v1/jobs", json=AGAIN | {"n": 2})
        assert (group["status"], group["counts"]["completed"]) == ("completed", 2)
        event = await stack.receiver.wait_for(lambda d: d.event["subject"] == group["id"])
        assert event.event["type"] == "dev.reelzero.video.group.completed.v1"
        assert len(stack.predictor.requests) == count == 2

        stack.predictor.scripts = [Script(gate=asyncio.Event())]
        for _ in range(3):  # one runs, two wait
            await call(stack, "POST", "/v1/jobs", json={"prompt": "a blue square"})
        status, _ = await call(stack, "POST", "/v1/jobs", json=AGAIN)
        assert status == 202, "a job that ends at once waits for nothing, so no quota holds it"

        status, problem = await call(stack, "POST", "/v1/jobs", json={"prompt": "x", "reuse": True})
        assert (status, problem["field"]) == (422, "reuse") and "send a seed" in problem["detail"]

        def away(*_: object) -> bool:
            raise StorageError("S3 is away")

        monkeypatch.setattr(Bucket, "copy", away)
        status, problem = await call(stack, "POST", "/v1/jobs", json=AGAIN)
        assert (status, problem["code"]) == (503, "unavailable")


async def test_the_operator_may_want_it_for_every_request_with_a_seed(make_stack: MakeStack) -> None:
    async with make_stack(reuse=True) as stack:
        first = await stack.ended(await stack.submit(**BODY))
        assert (await made(stack))["result"]["reused_from"] == first["id"]
        for body in ({"reuse": False}, {"seed": None}):
            assert (await made(stack, **body))["status"] == "queued"
