"""Serve `POST /`: a Trigger delivers an event to the predictor and gets the completion event as the reply.

This is for short jobs and for installations without eventing and its database.

The job's id is made of the event's source and id. A repeated delivery therefore finds the manifest in S3 and
is answered from it. While the first delivery still runs, the repeated one gets `busy` (503), and the Trigger
sends it again. A failure that may pass is a 5xx, which a Trigger repeats. A final one is a `failed` event, or
a 4xx, which makes the event a dead letter. Two deliveries at the same time to two pods make the video twice,
from the same seed; both are answered from the first manifest.

Limits:
- A delivery lasts as long as the generation, so the time-outs of the Broker and the Trigger must exceed it.
- Nothing is queued, listed or cancelled, and no webhook is sent.
- The same source and id with another body gets the result of the first body.
- Files of a run that was killed before its manifest stay in S3. With eventing, they are swept with the job.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from eventing.contract.codecs import cloudevent
from eventing.contract.codecs.cloudevent import Event
from eventing.contract.codecs.stream import FailedRecord
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest, MalformedRequest, UnsupportedMedia
from eventing.contract.records.events import REQUESTED, TERMINAL, JobEventData
from eventing.contract.records.models import JobRequest, Status
from eventing.contract.telemetry import current_traceparent
from predictor.device.channel import Terminal
from predictor.generation.attempt import make_attempt
from predictor.serving import tracing
from predictor.serving.connection import check_encoding
from predictor.serving.model import FailedAttempt, VideoModel

QUEUE_FIELDS = ("callback_url", "start_within_seconds", "lane", "n", "reuse", "priority")


def install(app: FastAPI, model: VideoModel) -> None:
    """Add the route; KServe owns `GET /` only."""
    router = APIRouter()

    @router.post("/", dependencies=[Depends(check_encoding)])
    async def receive(request: Request) -> Response:
        event = one_event(await request.body(), dict(request.headers))
        body = read_request(event)
        begin = datetime.now(UTC)
        fields = body.model_dump(mode="json", exclude={"metadata", *QUEUE_FIELDS}, exclude_unset=True)
        fields["job_id"] = job_id(event["source"], event["id"])
        with tracing.process_event(event, tracing.traceparent_of(request)):
            traceparent = current_traceparent()
            run = model.begin(make_attempt(model.worker.entry, fields, traceparent))
            record = await run.result(model.heartbeat_seconds)
            if isinstance(record, FailedRecord) and record.error.retryable:
                raise FailedAttempt(record)
        data = outcome(record, model.name, fields["job_id"], body.metadata, begin)
        headers, content = cloudevent.encode_binary(reply(data, model.name, traceparent))
        return Response(content, headers=headers)

    app.include_router(router)


def job_id(source: str, event_id: str) -> str:
    """Return the job id of an event. It is the same for every delivery of the event."""
    return "evt_" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()[:40]


def one_event(body: bytes, headers: dict[str, str]) -> Event:
    """Return the only event of a request. Raises MalformedRequest, UnsupportedMedia."""
    events = cloudevent.decode(body, headers)
    if len(events) != 1:
        raise UnsupportedMedia("a batch is not read here: send one event per request", field="content-type")
    cloudevent.check(events[0])
    return events[0]


def read_request(event: Event) -> JobRequest:
    """Return the request in an event. Raises InvalidRequest, UnsupportedMedia, MalformedRequest."""
    if event["type"] != REQUESTED:
        raise InvalidRequest(f"type must be {REQUESTED}, not {event['type']}", field="type")
    body = validated(JobRequest, cloudevent.json_data(event), whole="data")
    for name in QUEUE_FIELDS:
        if getattr(body, name) != JobRequest.model_fields[name].default:
            raise InvalidRequest(f"{name}: there is no queue here; send the event to eventing", field=name)
    return body


def outcome(
    record: Terminal, model: str, job: str, metadata: dict[str, str], begin: datetime
) -> JobEventData:
    """Return the payload of the terminal event. Raises MalformedRequest if the result is not in S3."""
    is_failure = isinstance(record, FailedRecord)
    result = None if isinstance(record, FailedRecord) else getattr(record, "result", None)
    if not is_failure and result is None:
        raise MalformedRequest("output must be s3: the reply event names files in S3", field="output")
    return JobEventData(
        job_id=job,
        status=Status.failed if is_failure else Status.completed,
        model=model,
        attempts=1,
        result=result,
        error=record.error if isinstance(record, FailedRecord) else None,
        metadata=metadata,
        submitted_at=begin,
        started_at=begin,
        completed_at=datetime.now(UTC),
    )


def reply(data: JobEventData, model: str, traceparent: str | None) -> dict[str, Any]:
    """Return the terminal event. Its type is not the request's, so the same Trigger does not match it."""
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
