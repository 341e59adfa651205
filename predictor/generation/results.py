"""From files on scratch to the records that report them: stored in S3 with a manifest, or inline."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from eventing.contract.models import Manifest, StoredFile, Timings, VideoResult
from eventing.contract.stream import InlineVideo
from predictor.generation.attempt import Attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import ResultStore, now
from predictor.models.loading import LoadedModel
from predictor.models.prompts import prompt_warnings

SHARED_FIELDS = {"seed", "width", "height", "num_frames", "fps"}


@dataclass(frozen=True)
class Files:
    """What a generation leaves on scratch; the names are also those of the objects in S3."""

    video: Path
    poster: Path
    spritesheet: Path


@dataclass(frozen=True)
class Stored:
    """The same files in S3."""

    video: StoredFile
    poster: StoredFile
    spritesheet: StoredFile


def upload(files: Files, store: ResultStore, monitor: Monitor) -> Stored:
    """Upload the three files. Raises StorageError, Cancelled, GenerationTimeout."""
    return Stored(
        video=store.upload(files.video, "video/mp4", monitor),
        poster=store.upload(files.poster, "image/jpeg", monitor),
        spritesheet=store.upload(files.spritesheet, "image/jpeg", monitor),
    )


def manifest(model: LoadedModel, attempt: Attempt, stored: Stored, uri: str, timings: Timings) -> Manifest:
    """What completes an attempt: the request, the result and the time."""
    result = VideoResult(
        job_id=attempt.address.job_id,
        attempt=attempt.address.attempt,
        model=model.entry.name,
        revision=model.revision,
        duration_seconds=attempt.spec.num_frames / attempt.spec.fps,
        video=stored.video,
        poster=stored.poster,
        spritesheet=stored.spritesheet,
        manifest_uri=uri,
        timings=timings,
        warnings=_warnings(model, attempt),
        **attempt.spec.model_dump(include=SHARED_FIELDS),
    )
    return Manifest(request=attempt.spec, result=result, created_at=now())


def inline(model: LoadedModel, attempt: Attempt, files: Files, timings: Timings) -> InlineVideo:
    """The MP4 itself, for a caller without S3."""
    body = files.video.read_bytes()
    return InlineVideo(
        video_base64=base64.b64encode(body).decode(),
        sha256=hashlib.sha256(body).hexdigest(),
        timings=timings,
        warnings=_warnings(model, attempt),
        **attempt.spec.model_dump(include=SHARED_FIELDS),
    )


def _warnings(model: LoadedModel, attempt: Attempt) -> tuple[str, ...]:
    limit, tokenizer = model.entry.max_prompt_tokens, model.pipeline.tokenizer
    return prompt_warnings(attempt.spec.prompt, limit, tokenizer, model.vocabulary)
