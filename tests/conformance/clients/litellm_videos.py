"""LiteLLM's video calls, with our server as its OpenAI endpoint."""

from __future__ import annotations

import time
from typing import Any

import litellm

from tests.conformance.clients.report import PROMPT, URL, call, is_mp4, refused

WHERE = {"api_base": f"{URL}/v1", "api_key": "none-needed-here", "custom_llm_provider": "openai"}
made: dict[str, str] = {}


def ended(video: Any) -> Any:
    """The video once it has ended."""
    while video.status in ("queued", "in_progress"):
        time.sleep(0.2)
        video = litellm.video_status(video_id=video.id, **WHERE)
    return video


@call("video_generation and video_status, until it is completed")
def _() -> object:
    video = litellm.video_generation(prompt=PROMPT, model="sora-2", seconds="4", size="128x128", **WHERE)
    made["id"] = video.id
    video = ended(video)
    assert video.status == "completed", video
    return f"{video.status}, {video.seconds} s of {video.size}"


@call("video_content")
def _() -> object:
    body = litellm.video_content(video_id=made["id"], **WHERE)
    assert is_mp4(body), body[:16]
    return f"MP4 of {len(body)} bytes"


@call("video_list")
def _() -> object:
    videos = litellm.video_list(**WHERE)
    assert videos, videos
    return f"{len(videos)} videos"


@call("a length that the model cannot make is a BadRequestError")
def _() -> object:
    def ask() -> None:
        litellm.video_generation(prompt=PROMPT, model="sora-2", seconds="60", **WHERE)

    refused(litellm.BadRequestError, ask, "cannot make 60 s")
    return "BadRequestError"


@call("video_generation with the engines' fields in extra_body")
def _() -> object:
    fields = {"num_frames": 17, "num_inference_steps": 2, "seed": 7, "negative_prompt": "blue"}
    video = litellm.video_generation(prompt=PROMPT, model="sora-2", size="64x64", extra_body=fields, **WHERE)
    video = ended(video)
    assert (video.status, video.seconds, video.size) == ("completed", "2.125", "64x64"), video
    return f"{video.status}, {video.seconds} s of {video.size}"


@call("video_remix of a finished one")
def _() -> object:
    video = litellm.video_remix(video_id=made["id"], prompt="a blue circle moving right", **WHERE)
    video = ended(video)
    assert video.status == "completed", video
    return str(video.status)
