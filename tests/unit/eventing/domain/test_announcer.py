"""Events: valid CloudEvents, the right ones to the right places, one id per event."""

from __future__ import annotations

import json
from typing import Any

from cloudevents.http import from_json

from eventing.contract.records.models import Failure
from eventing.domain import job as state
from eventing.domain.announcer import Announcer
from eventing.domain.destinations import target_of
from eventing.domain.job import Job
from eventing.testing import fake_result
from tests.support.builders import make_job

ANNOUNCER = Announcer("urn:test", "http://test", sink=True)


def ended(**changes: Any) -> tuple[Job, Job]:
    job = state.claim(make_job(**changes), "h", 200.0, 30)
    return job, state.complete(job, 1, fake_result(job.video, job.id, 1, None), 210.0, 60)


def test_the_end_goes_to_the_sink_to_s3_and_to_the_webhook_with_one_id() -> None:
    messages = ANNOUNCER.transition(*ended(callback_url="https://example.com/hook"))
    assert [message.destination.kind for message in messages] == ["sink", "s3", "webhook"]
    assert len({message.event_id for message in messages}) == 1
    assert target_of(messages[1].destination) == f"jobs/{messages[1].job_id}/event.json"
    assert target_of(messages[2].destination) == "https://example.com/hook"


def test_without_sink_and_webhook_the_end_still_goes_to_s3() -> None:
    messages = Announcer("urn:test", "http://test", sink=False).transition(*ended())
    assert [message.destination.kind for message in messages] == ["s3"]


def test_the_body_is_a_cloudevent_with_the_result_and_no_presigned_url() -> None:
    old, new = ended(traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01", metadata={"story": "7"})
    event = from_json(ANNOUNCER.transition(old, new)[0].body)
    assert event["type"] == "dev.reelzero.video.completed.v1"
    assert (event["subject"], event["source"], event["model"]) == (new.id, "urn:test", "tiny")
    assert event["traceparent"] == new.traceparent
    assert event.data["result"]["video"]["uri"].startswith("s3://")
    assert event.data["result_url"] == f"http://test/v1/jobs/{new.id}/result"
    assert event.data["metadata"] == {"story": "7"}
    assert "X-Amz" not in json.dumps(event.data)


def test_failed_and_cancelled_are_announced_too() -> None:
    job = state.claim(make_job(), "h", 200.0, 30)
    failed = state.fail(job, 1, Failure(code="out_of_memory", message="too big"), 201.0, 60)
    body = json.loads(ANNOUNCER.transition(job, failed)[0].body)
    assert (body["type"], body["data"]["error"]["code"]) == ("dev.reelzero.video.failed.v1", "out_of_memory")
    waiting = make_job()
    cancelled = state.request_cancel(waiting, 101.0, 60)
    assert json.loads(ANNOUNCER.transition(waiting, cancelled)[0].body)["type"].endswith("cancelled.v1")


def test_a_start_goes_to_the_sink_only_and_sequences_sort() -> None:
    job = state.claim(make_job(callback_url="https://example.com"), "h", 200.0, 30)
    started = state.start(job, 1, 201.0)
    done = state.fail(started, 1, Failure(code="x", message="x"), 202.0, 60)
    first = ANNOUNCER.transition(job, started)
    last = ANNOUNCER.transition(started, done)
    assert [message.destination.kind for message in first] == ["sink"]
    assert json.loads(first[0].body)["sequence"] < json.loads(last[0].body)["sequence"]


def test_claims_renewals_and_requeues_are_nobodys_business() -> None:
    waiting = make_job()
    job = state.claim(waiting, "h", 200.0, 30)
    assert ANNOUNCER.transition(waiting, job) == []
    cause = Failure(code="busy", message="busy")
    assert ANNOUNCER.transition(job, state.put_back(job, 1, cause, 0, 201.0, 60)) == []


def test_the_openai_form_of_the_webhook() -> None:
    old, new = ended(callback_url="https://example.com", callback_format="openai")
    body = json.loads(ANNOUNCER.transition(old, new)[2].body)
    assert (body["object"], body["type"], body["data"]) == ("event", "video.completed", {"id": new.id})
