"""The CloudEvents SDK for Python 2.x as producer, and as reader of what we send back."""

import urllib.request

from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from report import PREDICTOR_URL, PROMPT, URL, call, ended, receiver

TYPE = "dev.reelzero.video.requested.v1"


def send(message, url=URL + "/events"):
    request = urllib.request.Request(url, message.body, message.headers, method="POST")
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()


def event(name, **data):
    attributes = {"type": TYPE, "source": "/python-2", "id": name, "subject": "größer %"}
    attributes |= {"specversion": "1.0", "datacontenttype": "application/json"}
    return CloudEvent(attributes=attributes, data={"prompt": PROMPT, "seed": 7} | data)


def accepted(message):
    status, answer, nothing = send(message)
    assert (status, nothing) == (202, b"")
    job = ended(answer["location"].rpartition("/")[2])
    assert job["status"] == "completed", job
    return f"202, then {job['status']}"


@call("eventing: binary mode, with a percent-encoded attribute")
def _():
    return accepted(to_binary_event(event("binary 1 %")))


@call("eventing: structured mode")
def _():
    return accepted(to_structured_event(event("structured")))


@call("eventing: the same id in both modes is one job")
def _():
    first, second = (
        send(to(event("both %")))[1]["location"] for to in (to_binary_event, to_structured_event)
    )
    assert first == second
    return "one Location"


@call("eventing: the webhook is an event the SDK reads")
def _():
    with receiver() as (url, got):
        send(to_structured_event(event("hook", callback_url=url)))
        headers, body = got.get(timeout=120)
    done = from_http_event(HTTPMessage(headers, body))
    assert done.get_type() == "dev.reelzero.video.completed.v1", done
    assert done.get_data()["result"]["video"]["uri"].startswith("s3://")
    return done.get_type()


@call("predictor: the reply to a delivery is the completion event")
def _():
    status, headers, body = send(to_binary_event(event("direct")), PREDICTOR_URL + "/")
    done = from_http_event(HTTPMessage(headers, body))
    assert (status, done.get_type()) == (200, "dev.reelzero.video.completed.v1"), done
    return done.get_type()
