"""From a request to a stored job: the one way in behind every door (REST, CloudEvents, OpenAI, V2)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from eventing.contract.catalog import Catalog
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.models import JobRequest
from eventing.contract.telemetry import current_traceparent
from eventing.contract.validation import validated
from eventing.domain.job import Job
from eventing.metrics import SUBMITTED
from eventing.settings import Settings
from eventing.signal import Wake
from eventing.store.jobs import JobStore, Submission, digest


@dataclass(frozen=True)
class Origin:
    """Who asks, by which way, and what makes the submission idempotent."""

    owner: str
    way: str
    job_id: str | None = None
    key: str | None = None
    traceparent: str | None = None
    callback_format: str = "cloudevents"
    remixed_from: str | None = None


class Intake:
    """Validates against the catalog, picks the lane, stores."""

    def __init__(self, settings: Settings, catalog: Catalog, store: JobStore, wake: Wake) -> None:
        self.settings = settings
        self.catalog = catalog
        self._store = store
        self._wake = wake

    async def submit(self, request: JobRequest, origin: Origin) -> tuple[Job, bool]:
        """Store the job, or find the one an equal submission made; True if it is new.

        Raises InvalidRequest naming the field, Conflict, TooMany, Unavailable.
        """
        entry = self.catalog.get(request.model or self.default_model())
        spec = entry.resolve(request)
        if request.callback_url and not self.settings.webhook_secrets:
            raise InvalidRequest(
                "webhooks are not configured here: REELZERO_WEBHOOK_SECRETS is empty", field="callback_url"
            )
        draft = Job(
            id=origin.job_id or new_job_id(),
            owner=origin.owner,
            model=entry.name,
            lane=self._lane(entry.name, spec.num_frames, request.lane),
            spec=spec,
            digest=digest(request),
            submitted_at=0.0,  # the database's clock fills these in
            updated_at=0.0,
            metadata=request.metadata,
            callback_url=str(request.callback_url) if request.callback_url else None,
            callback_format=origin.callback_format,
            remixed_from=origin.remixed_from,
            traceparent=origin.traceparent or current_traceparent(),
        )
        job, new = await self._store.submit(Submission(draft, origin.key, request.start_within_seconds))
        if new:
            SUBMITTED.labels(job.model, job.lane, origin.way).inc()
            self._wake.now()
        return job, new

    def default_model(self) -> str:
        """The model of requests that name none."""
        if self.settings.default_model:
            return self.settings.default_model
        if not self.settings.endpoints:
            raise NotFound("no model is served here", field="model")
        return self.settings.endpoints[0].model

    def lanes(self, model: str) -> list[str]:
        """The lanes of a model, in the operator's order."""
        return [endpoint.lane for endpoint in self.settings.endpoints if endpoint.model == model]

    def _lane(self, model: str, frames: int, asked: str | None) -> str:
        served = [endpoint for endpoint in self.settings.endpoints if endpoint.model == model]
        if not served:
            raise InvalidRequest(f"model {model} is not served here", field="model")
        if asked is not None:
            if asked not in self.lanes(model):
                raise InvalidRequest(
                    f"{model} has no lane {asked!r}; it has {self.lanes(model)}", field="lane"
                )
            return asked
        fits = [
            endpoint for endpoint in served if endpoint.max_frames is None or frames <= endpoint.max_frames
        ]
        return (fits or served[-1:])[0].lane


def parse_request(data: Any) -> JobRequest:
    """A JobRequest from decoded JSON. Raises InvalidRequest naming the first wrong field."""
    return validated(JobRequest, data)


def new_job_id() -> str:
    """`vid_` and 26 characters: a time in milliseconds, so ids sort by age, and 80 random bits."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letters that look alike
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return "vid_" + "".join(alphabet[(number >> shift) & 31] for shift in range(125, -1, -5))
