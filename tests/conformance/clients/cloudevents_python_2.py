"""The CloudEvents SDK for Python 2.x as producer, and as reader of what we send back."""

from __future__ import annotations

import urllib.request
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from tests.conformance.clients.report import PREDICTOR_URL, PROMPT, URL, call, ended, receiver

TYPE = "dev.reelzero.video.requested.v1"


def send(message: HTTPMessage, url: str = URL + "/events") -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, message.body, message.headers, method="POST")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()


def event(name: str, **data: Any) -> CloudEvent:
    attributes = {"type": TYPE, "source": "/python-2", "id": name, "subject": "größer %"}
    attributes |= {"specversion": "1.0", "datacontenttype": "application/json"}
    return CloudEvent(attributes=attributes, data={"prompt": PROMPT, "seed": 7} | data)


def accepted(message: HTTPMessage) -> str:
    status, answer, nothing = send(message)
    assert (status, nothing) == (202, b"")
    job = ended(answer["location"].rpartition("/")[2])
    assert job["status"] == "completed", job
    return f"202, then {job['status']}"


@call("eventing: binary mode, with a percent-encoded attribute")
def _() -> object:
    return accepted(to_binary_event(event("binary 1 %")))


@call("eventing: structured mode")
def _() -> object:
    return accepted(to_structured_event(event("structured")))


@call("eventing: the same id in both modes is one job")
def _() -> object:
    first, second = (
        send(to(event("both %")))[1]["location"] for to in (to_binary_event, to_structured_event)
    )
    assert first == second
    return "one Location"


@call("eventing: the webhook is an event the SDK reads")
def _() -> object:
    with receiver() as (url, got):
        send(to_structured_event(event("hook", callback_url=url)))
        headers, body = got.get(timeout=120)
    done = from_http_event(HTTPMessage(headers, body))
    assert done.get_type() == "dev.reelzero.video.completed.v1", done
    assert done.get_data()["result"]["video"]["uri"].startswith("s3://")
    return done.get_type()


@call("predictor: the reply to a delivery is the completion event")
def _() -> object:
    status, headers, body = send(to_binary_event(event("direct")), PREDICTOR_URL + "/")
    done = from_http_event(HTTPMessage(headers, body))
    assert (status, done.get_type()) == (200, "dev.reelzero.video.completed.v1"), done
    return done.get_type()
