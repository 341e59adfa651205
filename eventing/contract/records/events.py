"""Define the types of all CloudEvents, in and out, and the payloads of outgoing ones."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from eventing.contract.records.models import Failure, Frozen, Progress, Status
from eventing.contract.records.results import StoredFile, VideoResult

PREFIX = "dev.reelzero.video."
REQUESTED = PREFIX + "requested.v1"
STARTED = PREFIX + "started.v1"
PROGRESSED = PREFIX + "progressed.v1"
REJECTED = PREFIX + "rejected.v1"
GROUP_COMPLETED = PREFIX + "group.completed.v1"
TERMINAL = {
    Status.completed: PREFIX + "completed.v1",
    Status.failed: PREFIX + "failed.v1",
    Status.cancelled: PREFIX + "cancelled.v1",
}
STORY = "dev.reelzero.story."
STORY_REQUESTED = STORY + "requested.v1"
STORY_STARTED = STORY + "started.v1"
STORY_STEP_COMPLETED = STORY + "step.completed.v1"
STORY_TERMINAL = {
    Status.completed: STORY + "completed.v1",
    Status.failed: STORY + "failed.v1",
    Status.cancelled: STORY + "cancelled.v1",
}
INCOMING = (REQUESTED, STORY_REQUESTED)


class JobEventData(Frozen):
    """Payload of started, completed, failed and cancelled."""

    job_id: str
    status: Status
    model: str
    attempts: int = Field(description="Attempts that reached a predictor.")
    result: VideoResult | None = None
    result_url: str | None = Field(None, description="Redirects to a presigned URL. It never expires.")
    error: Failure | None = None
    group: str | None = Field(None, description="Id of the group, if the request was for several videos.")
    metadata: dict[str, str] = Field(default_factory=dict)
    submitted_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    queue_seconds: float | None = Field(None, description="From submission to the last claim.")
    cold_start_seconds: float | None = Field(
        None, description="From the claim to the predictor's first record."
    )


class GroupMember(Frozen):
    """One job of a group."""

    job_id: str
    status: Status
    seed: int
    result_url: str | None = Field(None, description="Redirects to a presigned URL. It never expires.")
    error: Failure | None = None


class GroupCounts(Frozen):
    """How many jobs of a group have each status."""

    queued: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class GroupEventData(Frozen):
    """Payload of group.completed: the last job of a group has ended, with a video or without."""

    group: str
    model: str
    counts: GroupCounts
    jobs: tuple[GroupMember, ...] = Field(description="In the order of their seeds; without deleted ones.")
    metadata: dict[str, str] = Field(default_factory=dict)
    submitted_at: datetime
    completed_at: datetime


class ProgressEventData(Frozen):
    """Payload of progressed: at most every 5 s, the latest only, never after the terminal event."""

    job_id: str
    model: str
    progress: Progress
    percent: int


class RejectedEventData(Frozen):
    """Payload of rejected: why an incoming event cannot become a job or a story."""

    rejected_source: str
    rejected_id: str
    error: Failure
    field: str | None = None


class StoryStepState(Frozen):
    """One step of a story, in short."""

    name: str
    uses: str
    state: str = Field(description="waiting, running, completed, failed, cancelled or skipped.")
    reused: bool = Field(description="Whether the outputs are those of an earlier equal step.")
    error: Failure | None = None


class StoryEventData(Frozen):
    """Payload of story.started, story.completed, story.failed and story.cancelled."""

    story_id: str
    status: Status
    steps: tuple[StoryStepState, ...] = Field(description="In an order in which each follows what it needs.")
    film: StoredFile | None = Field(None, description="Of a completed story that ends in a video.")
    subtitles: StoredFile | None = None
    poster: StoredFile | None = None
    result_url: str | None = Field(None, description="Answers with presigned URLs. It never expires.")
    error: Failure | None = None
    revised_from: str | None = Field(None, description="Id of the story of which this is a revision.")
    metadata: dict[str, str] = Field(default_factory=dict)
    submitted_at: datetime
    completed_at: datetime | None = None


class StoryStepEventData(Frozen):
    """Payload of story.step.completed: the files that a step has left."""

    story_id: str
    step: str
    uses: str
    reused: bool = Field(description="Whether the outputs are those of an earlier equal step.")
    outputs: dict[str, StoredFile]
    metadata: dict[str, str] = Field(default_factory=dict)
