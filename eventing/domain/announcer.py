"""Make the messages of a transition, each with its destination. Pure: no clock, no network.

CloudEvents 1.0.2, JSON format. The `id` of an event is made of the id of the job's row and the number of the
event, so a receiver recognises a repeated delivery by `source` and `id`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from eventing.contract.records.events import (
    GROUP_COMPLETED,
    PROGRESSED,
    REJECTED,
    STARTED,
    TERMINAL,
    GroupEventData,
    GroupMember,
    JobEventData,
    ProgressEventData,
    RejectedEventData,
)
from eventing.contract.records.models import Failure, Frozen, Status
from eventing.contract.records.results import job_prefix
from eventing.domain.callbacks import BODIES
from eventing.domain.destinations import Destination, S3Object, Sink, Webhook
from eventing.domain.envelope import cloudevent, number, timestamp
from eventing.domain.group import Group
from eventing.domain.job import Job
from eventing.domain.kinds import Kind


@dataclass(frozen=True)
class Message:
    """One row of the outbox: an event and its destination."""

    event_id: str
    event_type: str
    job_id: str | None
    owner: str
    sequence: int
    destination: Destination
    body: str
    traceparent: str | None = None


@dataclass(frozen=True)
class Announcer:
    """Makes the messages of transitions. `sink` tells whether a sink is configured."""

    source: str
    public_url: str
    sink: bool

    def transition(self, old: Job, new: Job) -> list[Message]:
        """Return the messages of a transition; none if it emits no event.

        The jobs of steps that are no video emit none: their story does (story_announcer.py).
        """
        if new.sequence == old.sequence or new.kind is Kind.step:
            return []
        if new.status.is_terminal:
            return self._terminal(new)
        event = self._event(STARTED, new, self._job_data(new))
        return self._messages(event, new, [Sink()])

    def progressed(self, job: Job) -> list[Message]:
        """Return a progress message for the sink. It uses up no sequence number, so its id has a suffix."""
        data = ProgressEventData(
            job_id=job.public_id, model=job.model, progress=job.progress, percent=job.progress.percent()
        )
        event = self._event(PROGRESSED, job, data)
        event["id"] += f"-p{int(job.updated_at * 1000)}"
        return self._messages(event, job, [Sink()])

    def group_completed(self, group: Group, last: Job) -> list[Message]:
        """Return the messages of the end of a group. They follow those of the end of its last job.

        The id is that of the job's event with a suffix. So if the job is queued again, the next end of the
        group has another id.
        """
        event = self._event(GROUP_COMPLETED, last, self._group_data(group))
        del event["sequence"]
        event |= {"id": f"{event['id']}-group", "subject": group.id}
        messages = self._messages(event, last, [Sink(), *_webhooks(last)])
        return [replace(message, sequence=last.sequence + 1) for message in messages]

    def rejected(
        self, source: str, event_id: str, owner: str, error: Failure, field: str | None,
        traceparent: str | None = None,
    ) -> list[Message]:  # fmt: skip
        """Return one message about an incoming event that cannot become a job, if there is a sink."""
        data = RejectedEventData(rejected_source=source, rejected_id=event_id, error=error, field=field)
        # A hash, since a producer's id may be longer than the column.
        own_id = "rejected-" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()[:32]
        event = cloudevent(self.source, REJECTED, own_id, event_id, data, traceparent)
        message = Message(event["id"], REJECTED, None, owner, 0, Sink(), json.dumps(event), traceparent)
        return [message] if self.sink else []

    def _terminal(self, job: Job) -> list[Message]:
        event = self._event(TERMINAL[job.status], job, self._job_data(job))
        destinations: list[Destination] = [Sink(), S3Object(job_prefix(job.id) + "event.json")]
        return self._messages(event, job, destinations + _webhooks(job))

    def _messages(self, event: dict[str, Any], job: Job, destinations: list[Destination]) -> list[Message]:
        return [
            Message(
                event_id=event["id"],
                event_type=event["type"],
                job_id=job.id,
                owner=job.owner,
                sequence=job.sequence,
                destination=destination,
                body=self._body(job, event, destination),
                traceparent=job.traceparent,
            )
            for destination in destinations
            if self.sink or not isinstance(destination, Sink)
        ]

    def _body(self, job: Job, event: dict[str, Any], destination: Destination) -> str:
        dialect = BODIES.get(job.callback_format) if isinstance(destination, Webhook) else None
        return json.dumps(dialect(job, event, self.public_url) if dialect else event)

    def _event(self, kind: str, job: Job, data: Frozen) -> dict[str, Any]:
        return cloudevent(
            self.source, kind, f"{job.id}-{job.sequence}", job.public_id, data, job.traceparent,
            at=job.updated_at, model=job.model, sequence=number(job.sequence),
        )  # fmt: skip

    def _job_data(self, job: Job) -> JobEventData:
        return JobEventData(
            job_id=job.public_id,
            status=job.status,
            model=job.model,
            attempts=job.attempts_used,
            result=job.public_result,
            result_url=self._result_url(job),
            error=job.error,
            group=job.group_id,
            metadata=job.metadata,
            submitted_at=timestamp(job.submitted_at),
            started_at=timestamp(job.started_at) if job.started_at else None,
            completed_at=timestamp(job.completed_at) if job.completed_at else None,
            queue_seconds=seconds(job.submitted_at, job.claimed_at),
            cold_start_seconds=seconds(job.claimed_at, job.started_at),
        )

    def _group_data(self, group: Group) -> GroupEventData:
        jobs = tuple(
            GroupMember(
                job_id=job.public_id,
                status=job.status,
                seed=job.video.seed,
                result_url=self._result_url(job),
                error=job.error,
            )
            for job in group.jobs
        )
        return GroupEventData(
            group=group.id,
            model=group.jobs[0].model,
            counts=group.counts,
            jobs=jobs,
            metadata=group.jobs[0].metadata,
            submitted_at=timestamp(group.submitted_at),
            completed_at=timestamp(group.completed_at or 0.0),
        )

    def _result_url(self, job: Job) -> str | None:
        completed = job.status is Status.completed
        return f"{self.public_url}/v1/jobs/{job.public_id}/result" if completed else None


def _webhooks(job: Job) -> list[Destination]:
    return [Webhook(job.callback_url)] if job.callback_url else []


def seconds(start: float | None, end: float | None) -> float | None:
    """Return the elapsed seconds; None if either end is unknown."""
    return None if start is None or end is None else round(max(0.0, end - start), 3)
