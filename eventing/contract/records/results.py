"""Define what an attempt leaves behind: its files, the video's facts, the manifest, and their keys in S3."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eventing.contract.records.loras import UsedLora
from eventing.contract.records.models import GenerationSpec, Received


class StoredFile(Received):
    """One object in S3."""

    uri: str = Field(description="s3://bucket/key")
    sha256: str
    bytes: int
    content_type: str


class Timings(Received):
    """Seconds spent in each stage of one generation, by a monotonic clock."""

    load: float = Field(0.0, description="Process start to weights in memory; 0 if it was warm.")
    encode_prompt: float
    denoise: float
    decode: float
    engine: float | None = Field(
        None, description="In the queue of an engine, its work and the download; null without an engine."
    )
    encode_video: float
    upload: float
    total: float


class Mark(Received):
    """The mark of origin inside an MP4: C2PA content credentials, which readers of C2PA show."""

    manifest: str = Field(description="URN of the C2PA manifest in the file.")
    signed_by: str = Field(description="Common name of the certificate.")
    self_made: bool = Field(description="Whether the certificate was made here, so that no reader trusts it.")
    unmarked_sha256: str = Field(
        description="SHA-256 of the MP4 before signing: equal frames have equal ones, and signatures differ."
    )


class Sound(Received):
    """The sound of an MP4: an AAC track, as long as the video and from its first frame on."""

    rate: int = Field(description="Samples per second.")
    channels: int


class VideoResult(Received):
    """The result of one successful attempt. The manifest holds it beside the request."""

    job_id: str
    attempt: int
    model: str
    revision: str = Field(description="Commit of the weights; `local` if their folder does not tell it.")
    seed: int
    width: int
    height: int
    num_frames: int
    fps: int
    duration_seconds: float
    video: StoredFile
    poster: StoredFile
    spritesheet: StoredFile
    manifest_uri: str
    timings: Timings
    warnings: tuple[str, ...] = ()
    reused_from: str | None = Field(
        None,
        description="Id of the job whose files were copied; null if they were made for this job.",
    )
    loras: tuple[UsedLora, ...] | None = Field(
        None, description="Adapters that made the video, with their weights; null if none did."
    )
    mark: Mark | None = Field(None, description="The mark of origin; null if the operator turned it off.")
    sound: Sound | None = Field(None, description="The sound of the video; null if it has none.")


class Manifest(Received):
    """`manifest.json`. It is written last and only once, so an attempt that has one is complete."""

    version: Literal[1] = 1
    request: GenerationSpec
    result: VideoResult
    created_at: str


JOBS = "jobs/"  # prefix of the objects of all jobs


def job_prefix(job_id: str) -> str:
    """Return the key prefix of a job's objects."""
    return f"{JOBS}{job_id}/"


def preview_key(job_id: str) -> str:
    """Return the key of a running job's latest preview."""
    return job_prefix(job_id) + "preview.jpg"


def attempt_prefix(job_id: str, attempt: int) -> str:
    """Return the key prefix of an attempt: its manifest, and below it a folder for each run's files."""
    return f"{job_prefix(job_id)}attempts/{attempt:04d}/"


def manifest_key(job_id: str, attempt: int) -> str:
    """Return the key of an attempt's manifest."""
    return attempt_prefix(job_id, attempt) + "manifest.json"
