"""Define what `/v1/operate` shows. No view has a prompt, a picture or a secret: operators need none."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from eventing.api.jobs.deliveries import Destination
from eventing.contract.records.models import Frozen, Stage


class FlowView(Frozen):
    """The jobs of one owner in one lane."""

    owner: str
    queued: int
    in_progress: int
    oldest_seconds: float | None = Field(description="How long the oldest job waits; null if none does.")


class PauseView(Frozen):
    """Why a lane starts nothing: its last predictors did not start."""

    reason: str
    failures: int = Field(description="Failed starts in a row.")
    next_probe_at: datetime = Field(description="From then on, one waiting job tries the lane.")


class LaneView(Frozen):
    """One lane of a model."""

    model: str
    lane: str
    queued: int
    in_progress: int
    oldest_seconds: float | None = Field(description="How long the oldest job waits; null if none does.")
    owners: tuple[FlowView, ...] = Field(description="Those first whose jobs wait longest.")
    paused: PauseView | None
    unavailable: str | None = Field(description="Why the model can never start here, such as weights.")


class PoolView(Frozen):
    """The slots of a pool: how many jobs it can run at once."""

    name: str
    free: int
    taken: int


class PredictorView(Frozen):
    """A predictor that this replica started or uses. Those behind Knative's gateway are in `endpoints`."""

    model: str
    name: str
    state: Literal["starting", "working", "idle", "stopping"]


class EndpointView(Frozen):
    """A lane's predictors behind a gateway that starts their pods: what their jobs tell of them."""

    model: str
    lane: str
    address: str = Field(description="Host and port that jobs are sent to.")
    starting: int = Field(description="Jobs that wait for a pod or for its weights.")
    working: int = Field(description="Jobs that a pod has begun.")
    free: int = Field(description="Slots, as in `pools`.")
    taken: int
    cold_start_at: datetime | None = Field(description="When a pod last answered after loading its weights.")
    cold_start_seconds: float | None = Field(description="How long that took, from the claim of its job.")
    state: Literal["starting", "working", "idle"] = Field(description="idle: no pod needs to be there.")


class RunningView(Frozen):
    """One job that runs. `id` is that of the row, which `reelzero jobs` takes."""

    id: str
    owner: str
    model: str
    lane: str
    attempt: int
    held_by: str | None
    stage: Stage
    percent: int
    seconds: float = Field(description="Since it was claimed.")


class RecentView(Frozen):
    """What a lane has done in the jobs that ended last."""

    model: str
    lane: str
    completed: int
    failed: int
    cancelled: int
    cold_starts: int = Field(description="Jobs for which a predictor loaded its weights.")
    cold_start_seconds: float | None = Field(description="Median of these, from claim to first record.")
    device_seconds: float = Field(description="Seconds that their videos took on devices, times the devices.")


class OperateView(Frozen):
    """What waits, what runs and what is broken, for all owners."""

    object: Literal["operate"] = "operate"
    version: str
    at: datetime = Field(description="The database's clock.")
    lanes: tuple[LaneView, ...]
    pools: tuple[PoolView, ...]
    predictors: tuple[PredictorView, ...]
    endpoints: tuple[EndpointView, ...] = Field(description="On a cluster; empty on one machine.")
    running: tuple[RunningView, ...] = Field(description="100 at most.")
    recent: tuple[RecentView, ...] = Field(description="Of the 200 jobs that ended last.")
    deliveries_pending: int = Field(description="Messages that wait to be delivered; counted up to 1000.")
    deliveries_dead: int = Field(description="Messages that failed for good; counted up to 1000.")


class OperatedDelivery(Frozen):
    """One outgoing message that failed for good."""

    id: str
    object: Literal["delivery"] = "delivery"
    job_id: str | None
    owner: str
    event_type: str
    destination: Destination
    target: str | None
    status: Literal["pending", "delivered", "dead"]
    tries: int
    last_error: str | None
    created_at: datetime
    next_at: datetime


class OperatedDeliveries(Frozen):
    """A page of deliveries, newest first; `next` goes into `after` for the following one."""

    object: Literal["list"] = "list"
    data: list[OperatedDelivery]
    has_more: bool
    next: str | None


class OperatedLetter(Frozen):
    """One event that a Broker could not deliver, without its data."""

    id: str
    object: Literal["dead_letter"] = "dead_letter"
    owner: str
    event_id: str
    event_type: str
    source: str
    destination: str | None
    code: str | None
    received_at: datetime


class OperatedLetters(Frozen):
    """A page of dead letters, newest first; `next` goes into `after` for the following one."""

    object: Literal["list"] = "list"
    data: list[OperatedLetter]
    has_more: bool
    next: str | None


class KeyView(Frozen):
    """One API key, without its secret."""

    id: str
    object: Literal["key"] = "key"
    owner: str
    max_priority: int = Field(description="Highest `priority` of its jobs.")
    may_operate: bool
    created_at: datetime
    revoked_at: datetime | None


class KeyList(Frozen):
    """The API keys, oldest first, and the limits that each of their owners has."""

    object: Literal["list"] = "list"
    data: list[KeyView]
    rate_per_minute: int
    queue_quota: int
    owner_running: int | None
