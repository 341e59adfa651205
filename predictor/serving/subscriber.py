"""`POST /`: the predictor as a CloudEvents subscriber, for short jobs and installations without a database.

A Trigger delivers the request straight to the InferenceService and gets the completion event as the reply.
The job's id comes from the event's source and id, so a redelivery finds the finished manifest in S3 and is
answered from it; while the first delivery still works, it is told `busy` (503) and comes again. What may
succeed later is a 5xx, which a Trigger repeats; what cannot is a `failed` event, or a 4xx (a dead letter).
Two deliveries at once to two pods make the video twice, from the same seed; the first manifest is the answer
to both.

Limits: the delivery lasts as long as the generation, so the Broker's and Trigger's time-outs must exceed it;
nothing is queued, listed or cancelled, no webhook is sent, the same id with another body gets the first
body's result, and files of a run that was killed before its manifest stay in S3 (eventing would sweep them).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from eventing.contract import cloudevent
from eventing.contract.cloudevent import Event
from eventing.contract.errors import InvalidRequest, MalformedRequest, UnsupportedMedia
from eventing.contract.events import REQUESTED, TERMINAL, JobEventData
from eventing.contract.models import JobRequest, Status
from eventing.contract.stream import FailedRecord
from eventing.contract.validation import validated
from predictor.device.channel import Terminal
from predictor.generation.attempt import make_attempt
from predictor.serving.model import FailedAttempt, VideoModel

QUEUE_FIELDS = ("callback_url", "start_within_seconds", "lane")


def install(app: FastAPI, model: VideoModel) -> None:
    """Add the route; KServe owns `GET /` only."""
    router = APIRouter()

    @router.post("/")
    async def receive(request: Request) -> Response:
        event = one_event(await request.body(), dict(request.headers))
        asked = read_request(event)
        begun = datetime.now(UTC)
        fields = asked.model_dump(mode="json", exclude={"metadata", *QUEUE_FIELDS}, exclude_unset=True)
        fields["job_id"] = job_id(event["source"], event["id"])
        traceparent = event.get("traceparent") or request.headers.get("traceparent")
        run = model.begin(make_attempt(model.worker.entry, fields, traceparent))
        record = await run.result(model.heartbeat_seconds)
        if isinstance(record, FailedRecord) and record.error.retryable:
            raise FailedAttempt(record)
        data = outcome(record, model.name, fields["job_id"], asked.metadata, begun)
        headers, body = cloudevent.encode_binary(reply(data, model.name, traceparent))
        return Response(body, headers=headers)

    app.include_router(router)


def job_id(source: str, event_id: str) -> str:
    """The same for every delivery of one event."""
    return "evt_" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()[:40]


def one_event(body: bytes, headers: dict[str, str]) -> Event:
    """The event of a request. Raises MalformedRequest, UnsupportedMedia."""
    events = cloudevent.decode(body, headers)
    if len(events) != 1:
        raise UnsupportedMedia("one event at a time: the reply is one event too", field="content-type")
    cloudevent.check(events[0])
    return events[0]


def read_request(event: Event) -> JobRequest:
    """What an event asks for. Raises InvalidRequest naming the field, UnsupportedMedia, MalformedRequest."""
    if event["type"] != REQUESTED:
        raise InvalidRequest(f"type must be {REQUESTED}, not {event['type']}", field="type")
    asked = validated(JobRequest, cloudevent.json_data(event), whole="data")
    for name in QUEUE_FIELDS:
        if getattr(asked, name) is not None:
            raise InvalidRequest(f"{name}: there is no queue here; send the event to eventing", field=name)
    return asked


def outcome(
    record: Terminal, model: str, job: str, metadata: dict[str, str], begun: datetime
) -> JobEventData:
    """The payload of the terminal event. Raises MalformedRequest if the result is not in S3."""
    failed = isinstance(record, FailedRecord)
    result = None if isinstance(record, FailedRecord) else getattr(record, "result", None)
    if not failed and result is None:
        raise MalformedRequest("a subscriber's result belongs into S3", field="output")
    return JobEventData(
        job_id=job,
        status=Status.failed if failed else Status.completed,
        model=model,
        attempts=1,
        result=result,
        error=record.error if isinstance(record, FailedRecord) else None,
        metadata=metadata,
        submitted_at=begun,
        started_at=begun,
        completed_at=datetime.now(UTC),
    )


def reply(data: JobEventData, model: str, traceparent: str | None) -> dict[str, Any]:
    """The terminal event; its type differs from the request's, or a Trigger would match its own output."""
    event = {
        "specversion": "1.0",
        "id": f"{data.job_id}-1",
        "source": f"urn:reelzero:predictor:{model}",
        "type": TERMINAL[data.status],
        "subject": data.job_id,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "model": model,
        "data": data.model_dump(mode="json"),
    }
    return event | ({"traceparent": traceparent} if traceparent else {})
