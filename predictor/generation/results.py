"""Turn the files on scratch into records: uploaded to S3 with a manifest, or inline in the answer.

Frames, size, frame rate and duration in a result are measured from the MP4, never copied from the request.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from eventing.contract.codecs.stream import InlineVideo
from eventing.contract.errors import BrokenVideo
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.results import Manifest, Mark, StoredFile, Timings, VideoResult
from eventing.contract.unseen import unseen
from predictor.generation.attempt import Attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import ResultStore, now
from predictor.generation.video.mp4 import Measured
from predictor.models.loading import Model


@dataclass(frozen=True)
class Files:
    """The files of an attempt on scratch, and what the video holds. File names are kept in S3."""

    video: Path
    poster: Path
    spritesheet: Path
    measured: Measured
    mark: Mark | None = None


@dataclass(frozen=True)
class Stored:
    """The files of an attempt in S3, and what the video holds."""

    video: StoredFile
    poster: StoredFile
    spritesheet: StoredFile
    measured: Measured
    mark: Mark | None


def require_promised(spec: GenerationSpec, measured: Measured) -> None:
    """Raise BrokenVideo if the frames, the size, the rate or the sound of the MP4 differ from the spec.

    A spec that says nothing of sound promises none, and an engine may still make it.
    """
    has_sound = measured.sound is not None
    wants_sound = has_sound if spec.generate_audio is None else spec.generate_audio
    expected = (spec.num_frames, spec.width, spec.height, Fraction(spec.fps), wants_sound)
    actual = (measured.frames, measured.width, measured.height, measured.fps, has_sound)
    if actual != expected:
        raise BrokenVideo(
            f"the model made {_words(*actual)} instead of {_words(*expected)}; "
            "the operator must check the model's catalog entry"
        )


def upload(files: Files, store: ResultStore, monitor: Monitor) -> Stored:
    """Upload the three files. Raises StorageError, Cancelled, GenerationTimeout."""
    return Stored(
        video=store.upload(files.video, "video/mp4", monitor),
        poster=store.upload(files.poster, "image/jpeg", monitor),
        spritesheet=store.upload(files.spritesheet, "image/jpeg", monitor),
        measured=files.measured,
        mark=files.mark,
    )


def manifest(model: Model, attempt: Attempt, stored: Stored, uri: str, timings: Timings) -> Manifest:
    """Make the manifest, which completes an attempt: its request, its result and the time."""
    result = VideoResult(
        job_id=attempt.address.job_id,
        attempt=attempt.address.attempt,
        model=model.entry.name,
        revision=model.revision,
        duration_seconds=stored.measured.seconds,
        video=stored.video,
        poster=stored.poster,
        spritesheet=stored.spritesheet,
        manifest_uri=uri,
        timings=timings,
        warnings=_warnings(model, attempt),
        loras=model.loras.used(attempt.spec) or None,
        mark=stored.mark,
        **_facts(attempt, stored.measured),
    )
    return Manifest(request=attempt.spec, result=result, created_at=now())


def inline(model: Model, attempt: Attempt, files: Files, timings: Timings) -> InlineVideo:
    """Return the MP4 itself, for a caller without S3."""
    body = files.video.read_bytes()
    return InlineVideo(
        video_base64=base64.b64encode(body).decode(),
        sha256=hashlib.sha256(body).hexdigest(),
        timings=timings,
        warnings=_warnings(model, attempt),
        loras=model.loras.used(attempt.spec) or None,
        mark=files.mark,
        **_facts(attempt, files.measured),
    )


def _facts(attempt: Attempt, measured: Measured) -> dict[str, Any]:
    return {
        "seed": attempt.spec.seed,
        "width": measured.width,
        "height": measured.height,
        "num_frames": measured.frames,
        "fps": int(measured.fps),
        "sound": measured.sound,
    }


def _words(frames: int, width: int, height: int, fps: object, has_sound: bool) -> str:
    return f"{frames} frames of {width}x{height} at {fps} fps{' with sound' if has_sound else ''}"


def _warnings(model: Model, attempt: Attempt) -> tuple[str, ...]:
    remarks = (picture.remark(field) for field, picture in attempt.spec.pictures().items())
    warnings = model.prompt_warnings(attempt.spec.prompt)
    return (*unseen(attempt.spec), *warnings, *filter(None, remarks))
