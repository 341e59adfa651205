"""Print the last lines of `reelzero run`: where the video is and how long each part took."""

from __future__ import annotations

from pathlib import Path

from eventing.client import Job
from eventing.contract.records.results import VideoResult
from eventing.standalone.one_shot.screen import Screen

NOISE = "tiny has random weights: its picture is noise on purpose"


def show_result(screen: Screen, job: Job, link: str | None, path: Path) -> None:
    """Print path, S3 URI, the presigned URL while a server answers it (None: none does), and seconds."""
    result = job.result
    assert result is not None  # noqa: S101 - the job is completed
    size = f"{result.num_frames} frames of {result.width}x{result.height} at {result.fps} a second"
    screen.say()
    screen.say(f"{path}", "bold", copy=True)
    screen.say(f"  {size}, seed {result.seed}, {result.video.bytes:,} bytes")
    screen.say(f"  {result.video.uri}", copy=True)
    if link:
        screen.say(f"  {link}", copy=True)
    screen.say()
    screen.say(f"  {describe_seconds(job, result)}", copy=True)
    for warning in result.warnings:
        screen.say(f"  note: {warning}")
    if result.model == "tiny":
        screen.say(f"  {NOISE}")


def describe_seconds(job: Job, result: VideoResult) -> str:
    """Return the seconds of cold start, queue, generation, encode and upload in one line."""
    timings = result.timings
    parts = {
        "cold start": job.cold_start_seconds or 0.0,
        "queue": job.queue_seconds or 0.0,
        "generation": timings.encode_prompt + timings.denoise + timings.decode,
        "encode": timings.encode_video,
        "upload": timings.upload,
    }
    return " · ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())
