"""Results that no attempt may have, each a change of a right one."""

from __future__ import annotations

from typing import Any

from eventing.contract.records.results import VideoResult
from eventing.testing import Lie


def of_result(**changes: Any) -> Lie:
    """Return a lie about the result itself."""
    return lambda result: result.model_copy(update=changes)


def of_video(**changes: Any) -> Lie:
    """Return a lie about the video's record."""
    return lambda result: result.model_copy(update={"video": result.video.model_copy(update=changes)})


def of_address(old: str, new: str) -> Lie:
    """Return a lie about the video's address."""
    return lambda result: of_video(uri=result.video.uri.replace(old, new))(result)


def _same(result: VideoResult) -> VideoResult:
    return of_video(uri=result.poster.uri)(result)


LIES: dict[str, Lie] = {
    "job": of_result(job_id="another"),
    "attempt": of_result(attempt=9),
    "model": of_result(model="another"),
    "manifest": of_result(manifest_uri="s3://elsewhere/manifest.json"),
    "prefix": of_address("/jobs/", "/others/"),
    "dots": of_address("/video.mp4", "/../../../other/video.mp4"),
    "bucket": of_address("s3://", "s3://not-"),
    "missing": of_address("video.mp4", "other.mp4"),
    "same": _same,
    "size": of_video(bytes=3),
    "negative": of_video(bytes=-1),
    "checksum": of_video(sha256="0" * 64),
    "type": of_video(content_type="text/html"),
}
