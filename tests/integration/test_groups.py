"""Several videos of one request through the public doors, on both databases."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from standardwebhooks import Webhook

from eventing.contract.records.models import SEED_LIMIT, Failure
from eventing.testing import Script
from tests.integration.conftest import SECRET, MakeStack, Stack

PROMPT = {"prompt": "a red circle moving right"}
GROUP_COMPLETED = "dev.reelzero.video.group.completed.v1"


async def call(stack: Stack, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
    """The status and the decoded body of an answer."""
    async with stack.http.request(method, stack.service.url + path, **arguments) as answer:
        raw = await answer.read()
        return answer.status, json.loads(raw) if raw else None


async def followed(stack: Stack, group_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each event of a group's stream, to its end."""
    async with stack.http.get(f"{stack.service.url}/v1/groups/{group_id}/events") as answer:
        assert answer.status == 200
        blocks = (await answer.text()).strip().split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [(event["event"], json.loads(event["data"])) for event in fields if "event" in event]


async def test_a_request_for_three_videos_is_a_group_that_is_followed_and_announced(stack: Stack) -> None:
    stack.predictor.scripts = [Script(), Script(failure=Failure(code="out_of_memory", message="too large"))]
    body = PROMPT | {"n": 3, "seed": SEED_LIMIT - 1, "metadata": {"story": "7"}}
    answer = await stack.post("/v1/jobs", json=body | {"callback_url": stack.receiver.url("hook")})
    group = await answer.json()
    assert (answer.status, group["object"], group["model"]) == (202, "group", "tiny"), group
    assert answer.headers["Location"] == group["links"]["self"] == f"/v1/groups/{group['id']}"
    assert [job["seed"] for job in group["jobs"]] == [SEED_LIMIT - 1, SEED_LIMIT, 0]

    events = await followed(stack, group["id"])
    assert [name for name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
    name, last = events[-1]
    assert (name, last["status"], last["percent"]) == ("completed", "completed", 100)
    assert (last["counts"]["completed"], last["counts"]["failed"]) == (2, 1)
    assert last["completed_at"] and last == (await call(stack, "GET", f"/v1/groups/{group['id']}"))[1]

    hook = await stack.receiver.wait_for_type("group.completed", "/hook")
    sink = (await stack.receiver.wait_for_type("group.completed")).event
    Webhook(SECRET).verify(hook.body, hook.headers)
    assert hook.event == sink and sink["subject"] == group["id"]
    data = sink["data"]
    assert [job["job_id"] for job in data["jobs"]] == [job["id"] for job in group["jobs"]]
    assert (data["counts"], data["metadata"]) == (last["counts"], {"story": "7"})
    assert sum(d.event.get("type") == GROUP_COMPLETED for d in stack.receiver.got) == 2

    status, page = await call(stack, "GET", f"/v1/groups/{group['id']}/jobs")
    assert (status, [job["group"] for job in page["data"]]) == (200, [group["id"]] * 3)
    assert [job["request"]["seed"] for job in page["data"]] == [SEED_LIMIT - 1, SEED_LIMIT, 0]
    completed = (await stack.receiver.wait_for_type("video.completed")).event
    assert completed["data"]["group"] == group["id"]

    status, _ = await call(stack, "DELETE", f"/v1/groups/{group['id']}/jobs")
    assert status == 204
    assert (await call(stack, "GET", f"/v1/groups/{group['id']}"))[0] == 404
    assert (await call(stack, "GET", f"/v1/jobs/{group['jobs'][0]['id']}"))[0] == 404
    for job in group["jobs"]:
        assert stack.service.container.bucket.keys(f"jobs/{job['id']}/") == []


async def test_a_group_is_one_key_one_owner_and_one_cancel(make_stack: MakeStack) -> None:
    async with make_stack(auth="required", max_videos=4) as stack:
        gate = asyncio.Event()
        stack.predictor.scripts = [Script(gate=gate)]
        keys = stack.service.container.keys
        ann = {"Authorization": f"Bearer {await keys.create('ann')}"}
        bob = {"Authorization": f"Bearer {await keys.create('bob')}"}
        once = ann | {"Idempotency-Key": "order-1"}
        status, group = await call(stack, "POST", "/v1/jobs", json=PROMPT | {"n": 4}, headers=once)
        assert status == 202
        status, again = await call(stack, "POST", "/v1/jobs", json=PROMPT | {"n": 4}, headers=once)
        assert status == 202 and again["id"] == group["id"] and len(again["jobs"]) == 4
        status, problem = await call(stack, "POST", "/v1/jobs", json=PROMPT | {"n": 3}, headers=once)
        assert (status, problem["field"]) == (422, "idempotency_key") and group["id"] in problem["detail"]
        path = f"/v1/groups/{group['id']}"
        for method, below in (("GET", ""), ("GET", "/jobs"), ("GET", "/events"), ("DELETE", "/jobs")):
            assert (await call(stack, method, path + below, headers=bob))[0] == 404
        assert (await call(stack, "DELETE", path, headers=bob))[0] == 404
        status, problem = await call(stack, "DELETE", f"{path}/jobs", headers=ann)
        assert (status, problem["code"]) == (409, "conflict")
        status, view = await call(stack, "DELETE", path, headers=ann)
        assert status in (200, 202) and view["counts"]["cancelled"] >= 3
        event = await stack.receiver.wait_for(lambda d: d.event.get("type") == GROUP_COMPLETED)
        assert event.event["data"]["counts"]["cancelled"] == 4
        assert (await call(stack, "DELETE", path, headers=ann))[0] == 200


async def test_the_other_doors_and_what_is_no_number_of_videos(stack: Stack) -> None:
    event = {"ce-specversion": "1.0", "ce-id": "e1", "ce-source": "/test"}
    event["ce-type"] = "dev.reelzero.video.requested.v1"
    answer = await stack.post("/events", json=PROMPT | {"n": 2}, headers=event)
    assert (answer.status, await answer.read()) == (202, b"")
    assert answer.headers["Location"].startswith("/v1/groups/grp_")
    again = await stack.post("/events", json=PROMPT | {"n": 2}, headers=event)
    assert again.headers["Location"] == answer.headers["Location"]

    body = {**PROMPT, "n": "2", "callback_url": stack.receiver.url("openai")}
    status, video = await call(stack, "POST", "/v1/videos", data=body)
    assert (status, video["object"]) == (200, "video") and video["group"].startswith("grp_")
    hook = await stack.receiver.wait_for(
        lambda d: d.path == "/openai" and d.event["type"] == "video.group.completed"
    )
    assert hook.event["data"] == {"id": video["group"]}
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle"]}
    infer = {"inputs": [tensor], "parameters": {"n": 2}}
    status, problem = await call(stack, "POST", "/v2/models/tiny/infer", json=infer)
    assert (status, problem["field"]) == (422, "n") and "use POST /v1/jobs" in problem["error"]
    for method, path, number, words in (
        ("POST", "/v1/jobs", 9, "one request may ask for 8 videos at most"),
        ("POST", "/v1/jobs", 0, "greater than or equal to 1"),
        ("PUT", "/v1/jobs/mine", 2, "an id of your own names one job"),
    ):
        status, problem = await call(stack, method, path, json=PROMPT | {"n": number})
        assert (status, problem["field"]) == (422, "n") and words in problem["detail"]
