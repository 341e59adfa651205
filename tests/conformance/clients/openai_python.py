"""The official OpenAI SDK for Python, its base URL changed and nothing else."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import httpx2
import openai

from tests.conformance.clients.report import OLD_SECRET, PROMPT, SECRET, URL, call, is_mp4, receiver, refused

warnings.simplefilter("ignore", DeprecationWarning)  # OpenAI closed its own endpoint; the contract lives on
client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none-needed-here", webhook_secret=SECRET)
made: dict[str, str] = {}


@call("videos.create_and_poll")
def _() -> object:
    video = client.videos.create_and_poll(prompt=PROMPT, seconds="4", size="128x128", extra_body={"seed": 7})
    assert (video.status, video.progress, video.size) == ("completed", 100, "128x128"), video
    made["id"] = video.id
    return f"completed, {video.seconds} s of {video.size}"


@call("videos.create with a model name that is an alias")
def _() -> object:
    video = client.videos.create(prompt=PROMPT, model="sora-2")
    made["second"] = video.id
    video = client.videos.poll(video.id)
    assert (video.status, video.model) == ("completed", "tiny"), video
    return f"{video.status}, model {video.model}"


@call("videos.retrieve")
def _() -> object:
    video = client.videos.retrieve(made["id"])
    assert (video.id, video.object, video.prompt, video.error) == (made["id"], "video", PROMPT, None)
    assert video.created_at <= video.completed_at < video.expires_at
    return video.status


@call("videos.download_content: video, thumbnail, spritesheet")
def _() -> object:
    video = client.videos.download_content(made["id"]).read()
    assert is_mp4(video), video[:16]
    for variant in ("thumbnail", "spritesheet"):
        assert client.videos.download_content(made["id"], variant=variant).read()[:2] == b"\xff\xd8"
    return f"MP4 of {len(video)} bytes, two JPEGs"


@call("videos.download_content with a Range")
def _() -> object:
    part = client.videos.download_content(made["id"], extra_headers={"Range": "bytes=4-7"})
    assert (part.response.status_code, part.read()) == (206, b"ftyp")
    return part.response.headers["content-range"]


@call("videos.list, over pages")
def _() -> object:
    ids = [video.id for video in client.videos.list(limit=1)]
    assert ids[:2] == [made["second"], made["id"]], ids
    assert [video.id for video in client.videos.list(order="asc", limit=1)] == ids[::-1]
    return f"{len(ids)} videos, one a page"


@call("videos.remix")
def _() -> object:
    video = client.videos.remix(made["id"], prompt="a blue circle")
    assert video.remixed_from_video_id == made["id"] and video.size == "128x128"
    return client.videos.poll(video.id).status


@call("webhooks.unwrap of video.completed, with either secret")
def _() -> object:
    with receiver() as (url, got):
        video = client.videos.create(prompt=PROMPT, extra_body={"callback_url": url})
        headers, body = got.get(timeout=120)
    for secret in (SECRET, OLD_SECRET):
        event = client.webhooks.unwrap(body.decode(), headers, secret=secret)
        assert (event.type, event.data.id) == ("video.completed", video.id)
    refused(openai.InvalidWebhookSignatureError, lambda: client.webhooks.unwrap(body.decode() + " ", headers))
    return event.type


@call("videos.create with the engines' fields, in JSON and in a form")
def _() -> object:
    fields: dict[str, Any] = {"width": 64, "height": 64, "num_frames": 17, "fps": 8, "num_inference_steps": 2}
    fields |= {"guidance_scale": 1.5, "negative_prompt": "blue", "seed": 7}
    videos = [client.videos.create(prompt=PROMPT, extra_body=fields)]
    body, form = {"prompt": PROMPT} | fields, {"headers": {"Content-Type": "multipart/form-data"}}
    videos.append(client.post("/videos", cast_to=openai.types.Video, body=body, options=form))
    for video in videos:
        assert (video.size, video.seconds) == ("64x64", "2.125"), video
    return ", ".join(client.videos.poll(video.id).status for video in videos)


@call("a POST to /videos/sync is answered with the file")
def _() -> object:
    answer = client.post("/videos/sync", cast_to=httpx2.Response, body={"prompt": PROMPT})
    assert is_mp4(answer.content), answer.content[:16]
    return f"MP4 of {len(answer.content)} bytes"


@call("a video that has not ended is cancelled, or deleted")
def _() -> object:
    video = client.videos.create(prompt=PROMPT)
    video = client.post(f"/videos/{video.id}/cancel", cast_to=openai.types.Video)
    assert (video.status, video.error.code) == ("failed", "cancelled"), video
    gone = client.videos.delete(client.videos.create(prompt=PROMPT).id)
    assert gone.deleted, gone
    return f"{video.error.code}, {gone.object}"


@call("videos.delete")
def _() -> object:
    gone = client.videos.delete(made["second"])
    assert (gone.id, gone.deleted) == (made["second"], True)
    refused(openai.NotFoundError, lambda: client.videos.retrieve(made["second"]))
    return gone.object


@call("what the model cannot do is a BadRequestError with its param")
def _() -> object:
    for field, value, says in (
        ("seconds", "60", "6.12 s"),
        ("size", "1280x720", "64x64"),
        ("model", "x", "unknown"),
    ):
        create = partial(client.videos.create, prompt=PROMPT, **{field: value})
        error = refused(openai.BadRequestError, create)
        assert error.param == field and says in error.message, error
    return error.code


@call("input_reference is refused by name")
def _() -> object:
    def create() -> None:
        client.videos.create(prompt=PROMPT, input_reference=("a.png", b"\x89PNG", "image/png"))

    return refused(openai.BadRequestError, create, "takes no image").param
