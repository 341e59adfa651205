"""`POST /v1/jobs/{id}/retry` through the public door, on both databases."""

from __future__ import annotations

import asyncio
from typing import Any

from eventing.contract.records.models import Failure
from eventing.testing import Script
from tests.integration.conftest import MakeStack, Stack

BROKEN = Script(failure=Failure(code="out_of_memory", message="too large"))


async def retry(stack: Stack, job_id: str, **headers: str) -> tuple[int, Any]:
    """The status and the body of the answer."""
    answer = await stack.post(f"/v1/jobs/{job_id}/retry", headers=headers)
    return answer.status, await answer.json()


def ends(stack: Stack, job_id: str) -> list[tuple[str, str]]:
    """Type and id of the events about the end of a job that reached the sink, in order."""
    events = [delivery.event for delivery in stack.receiver.got if delivery.path == "/sink"]
    return [
        (event["type"].split(".")[-2], event["id"])
        for event in events
        if event["subject"] == job_id and event["data"].get("completed_at")
    ]


async def test_a_failed_job_is_made_under_its_id_once_per_key_and_each_end_announced_once(
    stack: Stack,
) -> None:
    stack.predictor.scripts = [BROKEN]
    answer = await stack.http.put(f"{stack.service.url}/v1/jobs/mine", json={"prompt": "a dot", "seed": 7})
    assert answer.status == 202
    failed = await stack.ended("mine")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "out_of_memory")

    key = {"Idempotency-Key": "again-1"}
    status, job = await retry(stack, "mine", **key)
    assert (status, job["id"], job["status"], job["error"]) == (202, "mine", "queued", None)
    done = await stack.ended("mine")
    assert (done["status"], done["request"], done["attempts"]) == ("completed", failed["request"], 1)
    assert done["result"]["attempt"] == 2 and done["expires_at"] > failed["expires_at"]
    await stack.receiver.wait_for_type("completed")
    (kind, first), (last_kind, last) = ends(stack, "mine")
    assert (kind, last_kind) == ("failed", "completed") and first != last

    status, same = await retry(stack, "mine", **key)  # its answer was lost, and the client sends it again
    assert (status, same["status"]) == (200, "completed")
    status, problem = await retry(stack, "mine")
    assert (status, problem["code"], problem["field"]) == (409, "conflict", "id")
    assert "submit its request again, with another seed" in problem["detail"]


async def test_a_retry_belongs_to_its_owner_and_counts_as_a_waiting_job(make_stack: MakeStack) -> None:
    async with make_stack(auth="required", queue_quota=1) as stack:
        keys = stack.service.container.keys
        ann = {"Authorization": f"Bearer {await keys.create('ann')}"}
        bob = {"Authorization": f"Bearer {await keys.create('bob')}"}
        gate = asyncio.Event()
        stack.predictor.scripts = [Script(gate=gate)]
        body = {"prompt": "a dot"}
        answer = await stack.post("/v1/jobs", json=body, headers=ann | {"Idempotency-Key": "order-1"})
        job_id = (await answer.json())["id"]
        assert (await retry(stack, job_id, **ann))[0] == 200  # it waits or runs already
        assert (await retry(stack, job_id, **bob))[0] == 404
        async with stack.http.delete(f"{stack.service.url}/v1/jobs/{job_id}", headers=ann):
            pass
        async with stack.http.get(f"{stack.service.url}/v1/jobs/{job_id}/events", headers=ann) as stream:
            assert "event: cancelled" in await stream.text()
        status, problem = await retry(stack, job_id, **ann, **{"Idempotency-Key": "order-1"})
        assert (status, problem["field"]) == (422, "idempotency_key")

        held = Script(gate=asyncio.Event())
        stack.predictor.scripts = [held]
        started = asyncio.Event()
        stack.predictor.on_start = lambda _: started.set()
        assert (await stack.post("/v1/jobs", json=body, headers=ann)).status == 202
        await started.wait()
        assert (await stack.post("/v1/jobs", json=body, headers=ann)).status == 202
        status, problem = await retry(stack, job_id, **ann)
        assert (status, problem["code"]) == (429, "too_many_requests")
