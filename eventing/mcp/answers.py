"""Make answers that are small: what an agent needs to tell of a video, and a thumbnail of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from eventing.client.records import Group, Job, Model, Page
from eventing.contract.records.models import Status
from eventing.contract.records.pictures import Picture

SHORT = 120  # characters of a prompt or a reason in a list
THUMBNAIL = (256, 256)  # most pixels a side


@dataclass(frozen=True)
class Answer:
    """What a tool answers: facts as JSON, and a JPEG if there is a picture."""

    facts: dict[str, Any] = field(default_factory=dict)
    picture: bytes | None = None


def job_facts(job: Job) -> dict[str, Any]:
    """Return what there is to tell of a job. What is not there is left out."""
    request = job.request
    facts: dict[str, Any] = {
        "id": job.id,
        "status": str(job.status),
        "percent": job.percent,
        "prompt": request.prompt,
        "model": job.model,
        "seed": request.seed,
        "size": f"{request.width}x{request.height}",
        "seconds": round(request.num_frames / request.fps, 2),
    }
    if job.status is Status.in_progress:
        facts |= {"stage": str(job.progress.stage), "step": job.progress.step, "of": job.progress.total_steps}
    extra = {
        "image": request.image and _picture(request.image),
        "last_image": request.last_image and _picture(request.last_image),
        "jobs_ahead": job.queue_position,
        "waiting_for": job.waiting_for,
        "error": job.error.message if job.error and job.status.is_terminal else None,
        "warnings": list(job.warnings),
        "group": job.group,
    }
    return facts | {name: value for name, value in extra.items() if value not in (None, [])}


def group_facts(group: Group) -> dict[str, Any]:
    """Return the videos of a request for several."""
    videos = [{"id": item.id, "status": str(item.status), "seed": item.seed} for item in group.jobs]
    return {"group": group.id, "model": group.model, "videos": videos} | (
        {"warnings": list(group.warnings)} if group.warnings else {}
    )


def page_facts(page: Page) -> dict[str, Any]:
    """Return a page of videos, each in a line."""
    videos = [
        {"id": job.id, "status": str(job.status), "percent": job.percent, "prompt": _cut(job.request.prompt)}
        for job in page.data
    ]
    return {"videos": videos} | ({"next": page.next} if page.next else {})


def models_facts(models: Sequence[Model]) -> dict[str, Any]:
    """Return the models that can start, with what an agent chooses by; of the others only why they cannot."""
    able = [_model_facts(model) for model in models if not model.unavailable]
    reasons = {
        model.id: _cut(next(iter(model.unavailable.values()))) for model in models if model.unavailable
    }
    return {"models": able} | ({"cannot_start": reasons} if reasons else {})


def thumbnail(content: bytes) -> bytes | None:
    """Return a picture as a small JPEG; None if it cannot be read, since an answer is good without it."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
            picture.draft("RGB", THUMBNAIL)
            picture.thumbnail(THUMBNAIL)
            small = io.BytesIO()
            picture.convert("RGB").save(small, "JPEG", quality=80)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return small.getvalue()


def _picture(picture: Picture) -> str:
    return f"{picture.source_width}x{picture.source_height}, {picture.fit}"


def _model_facts(model: Model) -> dict[str, Any]:
    return {
        "model": model.id,
        "title": model.title,
        "default": model.default,
        "sizes": [f"{width}x{height}" for width, height in model.sizes],
        "frames_a_second": model.fps,
        "takes": sorted(model.inputs),
        "quality": {name: tier.expected_seconds for name, tier in model.quality.items()},
    }


def _cut(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
