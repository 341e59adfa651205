"""OpenRouter's official SDK for Python, its server URL changed and nothing else."""

from __future__ import annotations

import time

from openrouter import OpenRouter, errors

from tests.conformance.clients.report import PROMPT, URL, call, http_json, is_mp4, refused

client = OpenRouter(api_key="none-needed-here", server_url=f"{URL}/api/v1")
videos = client.video_generation
made: dict[str, str] = {}


@call("video_generation.list_videos_models")
def _() -> object:
    model = videos.list_videos_models().data[0]
    assert (model.id, model.supported_aspect_ratios, model.seed) == ("tiny", ["1:1"], True), model
    made["model"] = model.id
    return f"{model.id}: {', '.join(model.supported_sizes)}, {model.supported_durations} s"


@call("video_generation.generate and get_generation, until it is completed")
def _() -> object:
    fields = {"duration": 4, "resolution": "128p", "aspect_ratio": "1:1", "seed": 7}
    video = videos.generate(model=made["model"], prompt=PROMPT, **fields)
    made["id"] = video.id
    while video.status in ("pending", "in_progress"):
        time.sleep(0.2)
        video = videos.get_generation(job_id=video.id)
    assert video.status == "completed" and len(video.unsigned_urls) == 1, video
    _, _, shown = http_json("GET", f"/v1/videos/{video.id}")
    assert (shown["size"], shown["seconds"]) == ("128x128", "4.125"), shown
    return f"{video.status}, {shown['seconds']} s of {shown['size']}"


@call("video_generation.get_video_content")
def _() -> object:
    body = videos.get_video_content(job_id=made["id"]).read()
    assert is_mp4(body), body[:16]
    return f"MP4 of {len(body)} bytes"


@call("what the model cannot do is a BadRequestResponseError with what it can")
def _() -> object:
    def create() -> None:
        videos.generate(model=made["model"], prompt=PROMPT, aspect_ratio="16:9")

    error = refused(errors.BadRequestResponseError, create, "it makes 1:1")
    assert (error.data.error.code, error.data.error.metadata["field"]) == (400, "aspect_ratio"), error.data
    return error.data.error.message


@call("an unknown job is a NotFoundResponseError")
def _() -> object:
    refused(errors.NotFoundResponseError, lambda: videos.get_generation(job_id="none"))
    return "NotFoundResponseError"
