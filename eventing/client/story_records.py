"""What a server answers about stories, as typed records. Fields that a newer server adds are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from eventing.client.answer import Answer
from eventing.contract.records.models import Failure, Status


class StoryFile(Answer):
    """A file of a story. `url` is a path on the server; of a result it is presigned."""

    url: str
    sha256: str
    bytes: int
    content_type: str


class StoryStep(Answer):
    """One step of a story."""

    name: str
    uses: str
    state: str
    percent: int
    needs: tuple[str, ...] = ()
    queued: bool = False
    waiting_for: str | None = None
    job_id: str | None = None
    reused: bool = False
    expected_seconds: float
    seconds: float | None = None
    cost: float | None = None
    outputs: dict[str, StoryFile] = Field(default_factory=dict)
    error: Failure | None = None


class Story(Answer):
    """One story, as `GET /v1/stories/{id}` shows it."""

    id: str
    status: Status
    percent: int
    submitted_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    callback_url: str | None = None
    revised_from: str | None = None
    request: dict[str, Any]
    steps: tuple[StoryStep, ...]
    error: Failure | None = None


class StoryPage(Answer):
    """A page of stories; `next` goes into `after` for the following one."""

    data: list[Story]
    has_more: bool
    next: str | None = None


class StoryResult(Answer):
    """The presigned addresses of the files in which a story ends. They need no key, and expire."""

    film: StoryFile | None = None
    subtitles: StoryFile | None = None
    poster: StoryFile | None = None
    manifest: StoryFile | None = None


class StepEstimate(Answer):
    """One step of a story that is not stored."""

    name: str
    uses: str
    needs: tuple[str, ...] = ()
    expected_seconds: float


class StoryEstimate(Answer):
    """What a story would take. Nothing is stored."""

    steps: tuple[StepEstimate, ...]
    expected_seconds: float
    expected_cost: float | None = None
    currency: str | None = None


class StepType(Answer):
    """A step type of a server."""

    name: str
    version: int
    title: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    parameters: dict[str, Any]
    seconds: float
    gpus: int = 0


class StepTypes(Answer):
    """The step types of a server."""

    data: list[StepType]
