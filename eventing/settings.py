"""Every setting of the eventing service, read once from the environment into a frozen object.

`docs/settings.md` lists them all, with the predictor's; a test keeps it complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from eventing.contract.budget import HEARTBEAT_SECONDS, HEARTBEATS_MISSED
from eventing.contract.env import SharedSettings
from eventing.contract.records.models import Frozen

STEP_LANE = "default"  # of every type of steps


class Endpoint(Frozen):
    """Where jobs of one model and lane are sent, and how many at once.

    On a cluster this is an InferenceService with `capacity` = maxReplicas x containerConcurrency. Then the
    requests in flight are exactly those that Knative's autoscaler has to count. With `scaler` = keda it is a
    headless Service, whose pods KEDA starts: one for every job that has not ended, up to `capacity`.
    """

    model: str
    lane: str = "default"
    url: str = ""
    capacity: int = Field(1, ge=1, le=1000)
    max_frames: int | None = Field(
        None, ge=1, description="Jobs that name no lane come here up to this length."
    )
    scaler: Literal["knative", "keda"] = Field(
        "knative", description="What starts a pod: knative, a request; keda, a job in the database."
    )
    idle_seconds: float = Field(
        0.0, ge=0, description="How long a predictor stays awake after its last job, to report what it cost."
    )
    always_on: int = Field(0, ge=0, le=1000, description="Predictors that never stop, of `capacity`.")


class StepEndpoint(Frozen):
    """Where steps of these types are sent, and how many at once: a runner, or a Service of several.

    On one machine there is no URL: the service starts the runner itself.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    types: tuple[str, ...] = Field(min_length=1)
    url: str = ""
    capacity: int = Field(1, ge=1, le=1000)
    idle_seconds: float = Field(0.0, ge=0, description="How long a runner stays awake after its last step.")
    always_on: int = Field(0, ge=0, le=1000, description="Runners' slots that never stop, of `capacity`.")


class Settings(SharedSettings):
    """The eventing service."""

    host: str = Field("127.0.0.1", description="Address to listen on. A public one needs API keys.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    database_url: str = Field(
        "sqlite+aiosqlite:///reelzero.db", description="sqlite+aiosqlite:///… or postgresql+asyncpg://…"
    )
    database_connections: int = Field(
        20,
        ge=2,
        description="Connections to the database per replica; half are reserved for leases and deliveries.",
    )
    source: str = Field("urn:reelzero:local", description="CloudEvents `source` of our events.")
    public_url: str = Field(
        "http://127.0.0.1:8080",
        description="Base URL by which clients reach the service, with a proxy's path prefix.",
    )
    endpoints: tuple[Endpoint, ...] = Field(
        (), description="JSON list: model, lane, url, capacity, max_frames, scaler, idle_seconds, always_on."
    )
    step_endpoints: tuple[StepEndpoint, ...] = Field(
        (), description="JSON list of runners of steps: name, types, url, capacity, idle_seconds, always_on."
    )
    steps_dir: Path | None = Field(
        None, description="Folder with more step types (*.yaml) and templates of stories (*.yaml.j2)."
    )
    default_model: str | None = Field(
        None, description="Model for requests that name none; else the first endpoint's."
    )
    model_aliases: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated alias=model for clients that cannot change the name they send."
    )
    sink_url: str | None = Field(None, description="Where completion events go; K_SINK if empty.")
    sink_ca_file: Path | None = Field(
        None, description="CA certificates of the sink (PEM), beside the system's and those of a SinkBinding."
    )
    sink_token_file: Path | None = Field(
        None,
        description="File with a bearer token for the sink, read for every event; empty: a SinkBinding's.",
    )
    progress_events: bool = Field(False, description="Send progressed events to the sink, at most every 5 s.")
    webhook_secrets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated whsec_… secrets; every one signs, so that they can be rotated.",
        repr=False,
    )
    webhook_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated host:port or CIDR that webhooks may reach although internal."
    )
    webhook_timeout_seconds: float = Field(20, gt=0, description="Limit on one webhook or sink delivery.")
    webhook_handshake: bool = Field(
        False, description="Ask receivers for consent (OPTIONS) before webhooks are sent to them."
    )
    picture_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated host:port or CIDR that pictures may be fetched from although internal;"
        " from host:port also by http.",
    )
    picture_s3_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated bucket or bucket/prefix that s3:// pictures may be in, beside the own.",
    )
    max_picture_bytes: int = Field(20 << 20, ge=1024, description="Largest file of a picture.")
    max_picture_pixels: int = Field(25_000_000, ge=1024, description="Most pixels of a picture.")
    auth: Literal["open", "required"] = Field(
        "required", description="open: no API key needed (loopback only)."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated host names that auth=open serves beside localhost, 127.0.0.1 and [::1].",
    )
    trusted_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated source=owner: events of this source need no key and belong to owner."
    )
    oidc_issuer: str | None = Field(
        None, description="Issuer of OIDC tokens that callers such as Triggers may show; empty: none."
    )
    oidc_audience: str | None = Field(None, description="Audience an OIDC token must be made out to.")
    oidc_owners: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Comma-separated subject=owner: tokens of this subject act for owner."
    )
    oidc_jwks_url: str | None = Field(
        None, description="Where the issuer's keys are; empty: found by OpenID Connect discovery."
    )
    oidc_ca_file: Path | None = Field(None, description="CA certificate for the issuer's keys (PEM).")
    oidc_token_file: Path | None = Field(
        None, description="File with a bearer token to fetch the issuer's keys with."
    )
    rate_per_minute: int = Field(600, ge=1, description="Submissions a minute per API key.")
    queue_quota: int = Field(
        1000,
        ge=1,
        description="Jobs one owner may have waiting; submissions at one moment may pass it by a few.",
    )
    owner_weights: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated owner=weight (1 to 100): an owner of weight 2 gets two turns of a lane"
        " for each turn of others.",
    )
    owner_running: int | None = Field(
        None, ge=1, description="Jobs that one owner may have running at once; empty: no limit."
    )
    max_videos: int = Field(8, ge=1, le=100, description="Most videos of one request (`n`).")
    reuse: bool = Field(
        False,
        description="Reuse the result of an equal request with a seed, unless it has `reuse: false`.",
    )
    max_body_bytes: int = Field(
        1 << 20, ge=1024, description="Largest request body; where pictures are taken, those come on top."
    )
    body_timeout_seconds: float = Field(30, gt=0, description="A body must have arrived by then.")
    max_attempts: int = Field(3, ge=1, le=20, description="Attempts before a job fails.")
    retry_seconds: float = Field(
        1.0, gt=0, description="First back-off between attempts; doubles, up to 60 times."
    )
    lease_seconds: float = Field(30, ge=2, description="A job whose holder is silent this long is freed.")
    heartbeat_timeout_seconds: float = Field(
        HEARTBEATS_MISSED * HEARTBEAT_SECONDS,
        ge=1,
        description="Silence in a predictor's stream that breaks it.",
    )
    poll_seconds: float = Field(1.0, gt=0, description="How often idle loops look at the database.")
    retention_hours: float = Field(
        168, gt=0, description="Rows and objects are deleted this long after the end."
    )
    idempotency_hours: float = Field(
        720, gt=0, description="A key or event id makes no second job for this long, or for the retention."
    )
    gpu_hour_price: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Price of one GPU for one hour; empty: no money is shown.",
    )
    gpu_hour_prices: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated model=price, for models on other GPUs than REELZERO_GPU_HOUR_PRICE's.",
    )
    currency: str = Field("USD", pattern=r"^\S{1,8}$", description="Currency of the prices, as it is shown.")
    presign_seconds: int = Field(3600, ge=60, le=604800, description="Life of presigned URLs.")
    drain_seconds: float | None = Field(
        None, ge=0, description="On SIGTERM, wait this long for open streams; empty: the longest budget."
    )

    @field_validator(
        "webhook_secrets",
        "webhook_allow",
        "picture_allow",
        "picture_s3_allow",
        "allowed_hosts",
        "trusted_sources",
        "owner_weights",
        "model_aliases",
        "oidc_owners",
        "gpu_hour_prices",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def path_prefix(self) -> str:
        """Path of `public_url` without a slash at its end; empty if there is none."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def routes(self) -> tuple[tuple[str, str], ...]:
        """Return all pairs of model and lane, and of type of step and lane."""
        models = ((each.model, each.lane) for each in self.endpoints)
        return (*models, *((kind, STEP_LANE) for each in self.step_endpoints for kind in each.types))

    @field_validator("owner_weights")
    @classmethod
    def _weights(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            owner, _, weight = entry.rpartition("=")
            if not owner or not weight.isascii() or not weight.isdigit() or not 1 <= int(weight) <= 100:
                raise ValueError(f"{entry!r} must be owner=weight, with a whole number from 1 to 100")
        return entries

    @field_validator("gpu_hour_prices")
    @classmethod
    def _prices(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            model, _, price = entry.rpartition("=")
            if not model or not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", price, re.ASCII):
                raise ValueError(f"{entry!r} must be model=price, with a number such as 2.5")
        return entries

    @model_validator(mode="after")
    def _oidc_is_whole(self) -> Self:
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError("oidc_issuer: needs REELZERO_OIDC_AUDIENCE too, or any token would do")
        return self

    @model_validator(mode="after")
    def _one_endpoint_per_lane(self) -> Self:
        lanes = [(endpoint.model, endpoint.lane) for endpoint in self.endpoints]
        if len(set(lanes)) != len(lanes):
            raise ValueError("endpoints: a model and lane may appear once")
        return self

    @model_validator(mode="after")
    def _one_endpoint_per_step(self) -> Self:
        names = [each.name for each in self.step_endpoints]
        if len(set(names)) != len(names):
            raise ValueError("step_endpoints: a name may appear once")
        types = [kind for each in self.step_endpoints for kind in each.types]
        taken = {endpoint.model for endpoint in self.endpoints}
        for number, kind in enumerate(types):
            if kind in types[:number]:
                raise ValueError(f"step_endpoints: the type {kind} may appear once")
            if kind in taken:
                raise ValueError(f"step_endpoints: {kind} is a model of REELZERO_ENDPOINTS; rename the type")
        return self


def pairs(entries: Iterable[str]) -> dict[str, str]:
    """Return `key=value` entries as a mapping; a key may contain `=`, as URIs do."""
    return {key: value for key, _, value in (entry.rpartition("=") for entry in entries)}
