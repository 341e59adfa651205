"""The extensions of SGLang-Diffusion and vLLM-Omni to `/v1/videos`: fields, cancel, delete, `sync`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment
from tests.support.pictures import MODEL, catalog, inline, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")
TWO_GUIDANCES, LOUD = "wan2.2-t2v-a14b", "ltx-2.3"
PROMPT = {"prompt": "a red circle moving right"}
EXTENSIONS: dict[str, Any] = {
    "width": 832, "height": 480, "num_frames": 17, "fps": 12, "num_inference_steps": 9, "guidance_scale": 3.5,
    "guidance_scale_2": 2.5, "negative_prompt": "blue", "seed": 11,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    """One service whose models have pictures, two guidance scales, and sound."""

    def endpoints(url: str) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(model=name, url=url, capacity=2) for name in (MODEL, TWO_GUIDANCES, LOUD))

    folder = tmp_path_factory.mktemp("dialects")
    chosen = {"catalog_dir": catalog(folder / "catalog"), "endpoints": endpoints}
    async with deployment(folder, bucket, **chosen) as running:
        yield running


async def make(service: Deployment, **fields: Any) -> dict[str, Any]:
    answer, video = await service.call("POST", "/v1/videos", json=PROMPT | fields)
    assert answer.status == 200, video
    return dict(video)


async def running(service: Deployment) -> tuple[dict[str, Any], asyncio.Event]:
    """A video that a predictor has begun and holds, and what lets it go on."""
    begun, gate = asyncio.Event(), asyncio.Event()
    service.predictor.scripts, service.predictor.on_start = [Script(gate=gate)], lambda _: begun.set()
    video = await make(service)
    await asyncio.wait_for(begun.wait(), 90)
    return video, gate


@pytest.mark.parametrize("form", [False, True], ids=["json", "multipart"])
async def test_the_engines_fields_are_those_of_the_job(service: Deployment, form: bool) -> None:
    fields = PROMPT | EXTENSIONS | {"model": TWO_GUIDANCES, "user": "ann"}
    data = aiohttp.FormData({name: str(value) for name, value in fields.items()})
    data._is_multipart = True
    sent: dict[str, Any] = {"data": data} if form else {"json": fields}
    answer, video = await service.call("POST", "/v1/videos", **sent)
    assert (answer.status, video["size"]) == (200, "832x480"), video
    _, job = await service.call("GET", f"/v1/jobs/{video['id']}")
    assert {name: job["request"][name] for name in EXTENSIONS} == EXTENSIONS
    assert job["metadata"] == {"user": "ann"}
    await service.ended(video["id"])


async def test_a_form_has_frame_images_as_json_text(service: Deployment) -> None:
    frames = json.dumps([{"image_url": inline(picture()), "frame_type": "last_frame"}])
    form = aiohttp.FormData(PROMPT | {"frame_images": frames, "model": MODEL})
    form.add_field("input_reference", picture(), filename="a.png", content_type="image/png")
    answer, video = await service.call("POST", "/v1/videos", data=form)
    assert answer.status == 200, video
    _, job = await service.call("GET", f"/v1/jobs/{video['id']}")
    assert job["request"]["image"]["bytes"] == job["request"]["last_image"]["bytes"]
    answer, problem = await service.call("POST", "/v1/videos", data=PROMPT | {"frame_images": "[{"})
    assert (answer.status, problem["error"]["param"]) == (400, "frame_images")
    assert '"frame_type"' in problem["error"]["message"]
    await service.ended(video["id"])


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"generate_sound": True}, "generate_sound", "without sound"),
        ({"generate_sound": True, "generate_audio": True}, "generate_sound", "say the same"),
        ({"guidance_scale_2": 3}, "guidance_scale_2", "one transformer"),
        ({"num_frames": 10}, "num_frames", "nearest: 9 and 17"),
        ({"duration": 4}, "duration", "here it is seconds"),
        ({"aspect_ratio": "1:1"}, "aspect_ratio", "here it is size"),
        ({"input_references": []}, "input_references", "here it is input_reference"),
        ({"boundary_ratio": 1}, "boundary_ratio", "unknown field; known: "),
        ({"user": "x" * 513}, "user", "512"),
        ({"metadata": {str(n): "" for n in range(16)}, "user": "ann"}, "metadata", "at most 16"),
    ],
)
async def test_what_cannot_be_done_names_the_field_that_was_sent(
    service: Deployment, fields: dict[str, Any], param: str, says: str
) -> None:
    answer, body = await service.call("POST", "/v1/videos", json=PROMPT | fields)
    assert (answer.status, body["error"]["param"]) == (400, param), body
    assert says in body["error"]["message"]


async def test_sound_has_the_engines_name_too(service: Deployment) -> None:
    video = await make(service, model=LOUD, generate_sound=False)
    _, job = await service.call("GET", f"/v1/jobs/{video['id']}")
    assert job["request"]["generate_audio"] is False
    await service.ended(video["id"])


async def test_a_running_video_is_cancelled(service: Deployment) -> None:
    video, _ = await running(service)
    for _ in range(2):  # the second call finds it ended
        answer, video = await service.call("POST", f"/v1/videos/{video['id']}/cancel")
        assert (answer.status, video["status"], video["error"]["code"]) == (200, "failed", "cancelled")
    answer, _ = await service.call("POST", "/v1/videos/none/cancel")
    assert answer.status == 404


async def test_deleting_a_running_video_cancels_it_first(service: Deployment) -> None:
    video, _ = await running(service)
    answer, body = await service.call("DELETE", f"/v1/videos/{video['id']}")
    assert (answer.status, body["deleted"]) == (200, True)
    answer, _ = await service.call("GET", f"/v1/videos/{video['id']}")
    assert answer.status == 404
    event = await service.receiver.next("/sink", "dev.reelzero.video.cancelled.v1")
    while event.json["subject"] != video["id"]:
        event = await service.receiver.next("/sink", "dev.reelzero.video.cancelled.v1")


async def test_one_call_makes_a_video_and_returns_its_file(service: Deployment) -> None:
    form = aiohttp.FormData(PROMPT | {"seconds": "2", "model": MODEL})
    form.add_field("input_reference", picture(), filename="a.png", content_type="image/png")
    for sent in ({"json": PROMPT}, {"data": form}):
        answer, body = await service.call("POST", "/v1/videos/sync", **sent)
        assert (answer.status, answer.content_type) == (200, "video/mp4"), body
        video_id = answer.headers["Content-Location"].split("/")[-2]
        assert body == f"video.mp4 of {video_id}, attempt 1".encode()
    _, job = await service.call("GET", f"/v1/jobs/{video_id}")
    assert job["request"]["image"]["width"] == 64


async def test_a_job_that_outlasts_the_call_goes_on(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    for wait in ("respond-async", "wait=0"):
        headers = {"Prefer": wait, "Idempotency-Key": "outlasts"}
        answer, video = await service.call("POST", "/v1/videos/sync", json=PROMPT, headers=headers)
        assert (answer.status, answer.content_type, video["object"]) == (202, "application/json", "video")
        assert answer.headers["Location"] == f"/v1/videos/{video['id']}"
        assert int(answer.headers["openai-poll-after-ms"]) >= 500
    gate.set()
    assert (await service.ended(video["id"]))["status"] == "completed"
    answer, body = await service.call("POST", "/v1/videos/sync", json=PROMPT, headers=headers)
    assert (answer.status, body) == (200, f"video.mp4 of {video['id']}, attempt 1".encode())


async def test_a_caller_that_leaves_cancels_what_it_alone_waits_for(service: Deployment) -> None:
    begun = asyncio.Queue[str]()
    service.predictor.scripts, service.predictor.on_start = [Script(gate=asyncio.Event())], begun.put_nowait
    call = asyncio.create_task(service.call("POST", "/v1/videos/sync", json=PROMPT))
    job_id = await asyncio.wait_for(begun.get(), 90)
    call.cancel()
    assert (await service.ended(job_id))["status"] == "cancelled"


async def test_a_failure_while_the_caller_waits_is_an_error(service: Deployment) -> None:
    service.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large"))]
    answer, body = await service.call("POST", "/v1/videos/sync", json=PROMPT)
    assert (answer.status, body["error"]["code"]) == (500, "out_of_memory")
    assert answer.headers["x-should-retry"] == "false", "an SDK would make the same job again"
    assert "too large" in body["error"]["message"]
    answer, body = await service.call("POST", "/v1/videos/sync", json=PROMPT | {"n": 2})
    assert (answer.status, body["error"]["param"]) == (400, "n")
