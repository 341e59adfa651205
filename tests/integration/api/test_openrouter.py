"""OpenRouter's video contract: requests, statuses, files, models, errors and webhooks in its own words."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.testing import Script
from tests.integration.api.deployment import SECRET, Deployment, deployment
from tests.support.pictures import MODEL, catalog, inline, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH, LOUD = "/api/v1/videos", "ltx-2.3"
PROMPT = {"prompt": "a red circle moving right"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    """One service whose models take pictures and make sound."""

    def endpoints(url: str) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(model=name, url=url, capacity=2) for name in (MODEL, "tiny", LOUD))

    folder = tmp_path_factory.mktemp("openrouter")
    chosen = {"catalog_dir": catalog(folder / "catalog"), "endpoints": endpoints}
    chosen |= {"public_url": "https://video.example", "model_aliases": "google/veo-3.1=tiny"}
    async with deployment(folder, bucket, **chosen) as running:
        yield running


async def generate(service: Deployment, **fields: Any) -> dict[str, Any]:
    answer, generation = await service.call("POST", PATH, json=PROMPT | fields)
    assert answer.status == 202, generation
    return dict(generation)


async def spec(service: Deployment, generation: dict[str, Any]) -> dict[str, Any]:
    """What the job will make, once it has ended."""
    return dict((await service.ended(generation["id"]))["request"])


def frame(kind: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": inline(picture())}, "frame_type": kind}


async def test_a_video_from_the_request_to_the_file(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    fields = {"duration": 4, "resolution": "128p", "aspect_ratio": "1:1", "seed": 7}
    generation = await generate(service, model="google/veo-3.1", **fields)
    address = f"https://video.example{PATH}/{generation['id']}"
    known = {
        "id": generation["id"],
        "polling_url": address,
        "generation_id": generation["id"],
        "model": "tiny",
    }
    assert generation == known | {"status": "pending"}
    gate.set()
    await service.ended(generation["id"])
    _, done = await service.call("GET", f"{PATH}/{generation['id']}")
    assert done == known | {
        "status": "completed",
        "unsigned_urls": [f"{address}/content?index=0"],
        "expires_at": done["expires_at"],
    }
    answer, body = await service.call("GET", f"{PATH}/{generation['id']}/content?index=0")
    assert (answer.status, answer.content_type) == (200, "video/mp4")
    assert body == f"video.mp4 of {generation['id']}, attempt 1".encode()
    answer, body = await service.call("GET", f"{PATH}/{generation['id']}/content?index=1")
    assert (answer.status, body["error"]["metadata"]["field"]) == (404, "index")
    made = await spec(service, generation)
    assert (made["width"], made["height"], made["num_frames"], made["seed"]) == (128, 128, 33, 7)
    _, video = await service.call("GET", f"/v1/videos/{generation['id']}")  # the same at the other doors
    assert (video["status"], video["size"]) == ("completed", "128x128")


async def test_frames_references_and_fields_of_a_job(service: Deployment) -> None:
    both = [frame("first_frame"), frame("last_frame")]
    generation = await generate(service, frame_images=both, user="ann", session_id="s1")
    made = await spec(service, generation)
    assert made["image"]["sha256"] == made["last_image"]["sha256"] and "warnings" not in generation
    _, job = await service.call("GET", f"/v1/jobs/{generation['id']}")
    assert job["metadata"] == {"user": "ann", "session_id": "s1"}
    reference = {key: value for key, value in frame("").items() if key != "frame_type"}
    generation = await generate(service, input_references=[reference])
    assert (await spec(service, generation))["image"] is not None
    assert "became the first frame" in generation["warnings"][0]
    generation = await generate(service, input_references=[reference, reference], frame_images=both)
    assert "left out" in generation["warnings"][0]
    await service.ended(generation["id"])
    options = {"options": {"reelzero": {"num_inference_steps": 3}, "fal": {"x": 1}}}
    generation = await generate(service, provider=options, negative_prompt="blue", model=LOUD)
    made = await spec(service, generation)
    assert (made["num_inference_steps"], made["negative_prompt"], made["generate_audio"]) == (3, "blue", True)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"duration": 60}, "duration", "cannot make 60 s at 8 frames per second; it makes 1.12 to 6.12 s"),
        ({"duration": 1.5}, "duration", "integer"),
        ({"resolution": "1080p"}, "resolution", "cannot make 1080p; it makes 64p, 128p"),
        ({"resolution": "HD"}, "resolution", "such as 480p or 720p"),
        ({"aspect_ratio": "16:9"}, "aspect_ratio", "cannot make 16:9; it makes 1:1"),
        ({"aspect_ratio": "wide"}, "aspect_ratio", "width:height"),
        ({"size": "640x480"}, "size", "it makes 64x64, 128x128"),
        ({"size": "64x64", "resolution": "64p"}, "size", "say the same"),
        ({"width": 64, "resolution": "64p"}, "resolution", "resolution and width say the same"),
        ({"generate_audio": True}, "generate_audio", "without sound"),
        ({"frame_images": [frame("last_frame")]}, "frame_images", "needs an image, the first frame"),
        ({"frame_images": [frame("middle")]}, "frame_images.0.frame_type", "'first_frame' or 'last_frame'"),
        ({"frame_images": [frame("first_frame")], "model": "tiny"}, "frame_images", "tiny takes no image"),
        ({"input_references": [{"type": "audio_url"}]}, "input_references.0.type", "image_url"),
        ({"input_references": [{"image_url": inline(b"x")}]}, "input_references", "cannot be read"),
        ({"input_references": [{"image_url": inline(b"x")}] * 2}, "input_references", "send one"),
        ({"seconds": "4"}, "seconds", "here it is duration"),
        ({"previous_job_id": "x"}, "previous_job_id", "remix"),
        ({"upscale_factor": 2}, "upscale_factor", "choose a resolution or a size"),
        ({"provider": {"options": {"reelzero": {"prompt": "x"}}}}, "prompt", "give one of them"),
        ({"provider": {"options": {"reelzero": {"loop": True}}}}, "loop", "unknown field; known: "),
        ({"provider": {"order": []}}, "provider.order", "unknown field"),
        ({"loop": True}, "loop", "unknown field; known: "),
        ({"callback_url": "ftp://x.test"}, "callback_url", "http"),
        ({"model": "google/veo-9"}, "model", "unknown model"),
    ],
)
async def test_what_cannot_be_had_is_answered_in_its_own_words(
    service: Deployment, fields: dict[str, Any], field: str, says: str
) -> None:
    answer, body = await service.call("POST", PATH, json=PROMPT | {"model": MODEL} | fields)
    assert (answer.status, set(body)) == (400, {"error"}), body
    error = body["error"]
    assert (error["code"], error["metadata"]) == (400, {"code": "invalid_request", "field": field}), error
    assert says in error["message"] and field.partition(".")[0] in error["message"]


async def test_statuses_and_errors_of_videos_without_a_file(service: Deployment) -> None:
    service.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large"))]
    failed = await generate(service)
    await service.ended(failed["id"])
    cancelled = await generate(service, start_within_seconds=3600)
    await service.call("POST", f"/v1/videos/{cancelled['id']}/cancel")
    for generation, status, error in ((failed, "failed", "too large"), (cancelled, "cancelled", "cancelled")):
        _, shown = await service.call("GET", f"{PATH}/{generation['id']}")
        assert shown["status"] == status and error in shown["error"]
        answer, body = await service.call("GET", f"{PATH}/{generation['id']}/content")
        assert (answer.status, body["error"]["metadata"]["code"]) == (400, "conflict")
        assert status in body["error"]["message"]
    answer, body = await service.call("GET", f"{PATH}/none")
    assert (answer.status, body["error"]["code"]) == (404, 404)
    answer, body = await service.call("POST", PATH, data={"prompt": "a form"})
    assert (answer.status, body["error"]["code"]) == (415, 415)


async def test_each_model_says_what_it_makes(service: Deployment) -> None:
    for path in (f"{PATH}/models", "/v1/videos/models"):
        _, models = await service.call("GET", path)
        tiny = next(model for model in models["data"] if model["id"] == MODEL)
        assert tiny["supported_resolutions"] == ["64p", "128p"]
        assert tiny["supported_sizes"] == ["64x64", "128x128"]
        assert tiny["supported_durations"] == [1, 2, 3, 4, 5, 6]
        assert tiny["supported_frame_images"] == ["first_frame", "last_frame"]
        assert tiny["generate_audio"] is False and tiny["seed"] is True
    loud = next(model for model in models["data"] if model["id"] == LOUD)
    assert loud["generate_audio"] is True and loud["supported_frame_images"] == ["first_frame"]
    assert "num_inference_steps" in loud["allowed_passthrough_parameters"]


async def test_a_webhook_has_its_body_and_its_signature(service: Deployment) -> None:
    generation = await generate(service, callback_url=service.receiver.url + "/hook")
    delivery = await service.receiver.next("/hook")
    event = delivery.json
    assert (event["type"], event["data"]["status"]) == ("video.generation.completed", "completed")
    assert (event["data"]["id"], event["data"]["model"]) == (generation["id"], MODEL)
    assert event["data"]["unsigned_urls"] == [f"{generation['polling_url']}/content?index=0"]
    stamp, signature = (
        part.partition("=")[2] for part in delivery.headers["x-openrouter-signature"].split(",")
    )
    digest = hmac.new(SECRET.encode(), f"{stamp},{delivery.body}".encode(), hashlib.sha256)
    assert signature == digest.hexdigest()
    assert delivery.headers["x-openrouter-idempotency-key"] == delivery.headers["webhook-id"]


async def test_a_video_that_did_not_start_in_time_is_expired(service: Deployment) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    service.predictor.scripts, service.predictor.on_start = [Script(gate=gate)], lambda _: begun.set()
    first = await generate(service)
    await asyncio.wait_for(begun.wait(), 90)  # the only device is taken
    late = await generate(service, start_within_seconds=0.1, callback_url=service.receiver.url + "/hook")
    event = (await service.receiver.next("/hook")).json
    assert (event["type"], event["data"]["id"]) == ("video.generation.expired", late["id"])
    _, shown = await service.call("GET", f"{PATH}/{late['id']}")
    assert shown["status"] == "expired" and "deadline" in shown["error"]
    gate.set()
    await service.ended(first["id"])
