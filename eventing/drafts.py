"""Turn a request and its origin into the jobs that it asks for: one, or a group with consecutive seeds.

The jobs have no times and no pictures yet: the store sets the times, and `Jobs.submit` adds the pictures.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace

from eventing.contract.catalog import Catalog
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import JobRequest
from eventing.contract.telemetry import current_traceparent
from eventing.domain.group import GROUP_PREFIX, members
from eventing.domain.job import Job, owned_id
from eventing.domain.reuse import spec_digest
from eventing.served import Served
from eventing.store.submissions import Submission, digest

JOB_PREFIX = "vid_"


@dataclass(frozen=True)
class Origin:
    """Who submits a job, by which way in, and what makes the submission idempotent."""

    owner: str
    way: str
    job_id: str | None = None
    key: str | None = None
    traceparent: str | None = None
    callback_format: str = "cloudevents"
    remixed_from: str | None = None
    max_priority: int = 0


class Drafts:
    """Makes the jobs of requests.

    `most_videos` is the most that one request may ask for. `reuse` is what holds for a request that does not
    say it.
    """

    def __init__(
        self, catalog: Catalog, served: Served, *, has_webhooks: bool, most_videos: int, reuse: bool
    ) -> None:
        self._catalog = catalog
        self._served = served
        self._has_webhooks = has_webhooks
        self._most_videos = most_videos
        self._reuse = reuse

    def submission(self, request: JobRequest, origin: Origin) -> Submission:
        """Return what is to be stored. Raises InvalidRequest naming the field, NotFound."""
        self._check_number(request.n, origin)
        _check_priority(request.priority, origin)
        if request.reuse and request.seed is None:
            raise InvalidRequest(
                "reuse: send a seed with it; without one a seed is drawn, and no earlier request is equal",
                field="reuse",
            )
        job, others = self._job(request, origin), tuple[Job, ...]()
        if request.n > 1:
            ids = [new_id(JOB_PREFIX) for _ in range(request.n)]
            job, *rest = members(job, new_id(GROUP_PREFIX), ids)
            others = tuple(rest)
        return Submission(job, origin.key, request.start_within_seconds, others)

    def check_again(self, job: Job, origin: Origin) -> None:
        """Raise InvalidRequest if a job could not be submitted now as it was: its priority, model or lane."""
        _check_priority(job.priority, origin)
        self._served.lane(job.model, job.video.num_frames, job.lane)

    def reuses(self, request: JobRequest) -> bool:
        """Tell whether a request may be answered from an earlier result."""
        by_default = self._reuse and request.seed is not None and "reuse" not in request.model_fields_set
        return request.reuse or by_default

    def sealed(self, submission: Submission) -> Submission:
        """Return the jobs with the digest of what they make. Call it when they have their pictures."""
        return submission.of([
            replace(job, spec_digest=spec_digest(job.video, self._catalog.get(job.model)))
            for job in submission.jobs
        ])  # fmt: skip

    def _check_number(self, number: int, origin: Origin) -> None:
        if number > self._most_videos:
            raise InvalidRequest(f"n: one request may ask for {self._most_videos} videos at most", field="n")
        if number > 1 and origin.job_id:
            raise InvalidRequest(
                "n: an id of your own names one job; for several videos use POST /v1/jobs", field="n"
            )

    def _job(self, request: JobRequest, origin: Origin) -> Job:
        entry = self._catalog.get(request.model or self._served.default())
        spec = entry.resolve(request)
        if request.callback_url and not self._has_webhooks:
            raise InvalidRequest(
                "webhooks are not configured here: REELZERO_WEBHOOK_SECRETS is empty", field="callback_url"
            )
        return Job(
            id=owned_id(origin.owner, origin.job_id) if origin.job_id else new_id(JOB_PREFIX),
            chosen_id=origin.job_id,
            owner=origin.owner,
            model=entry.name,
            lane=self._served.lane(entry.name, spec.num_frames, request.lane),
            spec=spec,
            digest=digest(request),
            submitted_at=0.0,
            updated_at=0.0,
            metadata=request.metadata,
            callback_url=request.callback_url,
            callback_format=origin.callback_format,
            remixed_from=origin.remixed_from,
            priority=request.priority,
            traceparent=origin.traceparent or current_traceparent(),
        )


def _check_priority(priority: int, origin: Origin) -> None:
    if priority > origin.max_priority:
        raise InvalidRequest(
            f"priority: this caller may ask for {origin.max_priority} at most; "
            "`reelzero keys create OWNER --max-priority` makes a key that may ask for more",
            field="priority",
        )


def new_id(prefix: str) -> str:
    """Return a prefix and 26 characters: a time in milliseconds, so ids sort by age, and 80 random bits."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letters that look alike
    number = (int(time.time() * 1000) << 80) | secrets.randbits(80)
    return prefix + "".join(alphabet[(number >> shift) & 31] for shift in range(125, -1, -5))
