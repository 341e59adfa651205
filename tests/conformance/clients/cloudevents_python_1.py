"""The CloudEvents SDK for Python 1.x as producer, and as reader of what we send back."""

from __future__ import annotations

import json
from typing import Any

import requests
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http

from tests.conformance.clients.report import PREDICTOR_URL, PROMPT, URL, call, ended, receiver

TYPE = "dev.reelzero.video.requested.v1"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def send(
    headers: dict[str, str], body: bytes, url: str = URL + "/events"
) -> tuple[int, dict[str, str], bytes]:
    answer = requests.post(
        url, data=body, headers=headers, timeout=120
    )  # as the SDK's own documentation does
    answer.raise_for_status()
    return answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content


def event(name: str, **data: Any) -> CloudEvent:
    attributes = {"type": TYPE, "source": "/python-1", "id": name, "traceparent": TRACE}
    return CloudEvent(attributes, {"prompt": PROMPT, "seed": 7} | data)


def accepted(headers: dict[str, str], body: bytes) -> str:
    status, answer, nothing = send(headers, body)
    assert (status, nothing) == (202, b"")
    job = ended(answer["location"].rpartition("/")[2])
    assert job["status"] == "completed", job
    return f"202, then {job['status']}"


@call("eventing: binary mode")
def _() -> object:
    return accepted(*to_binary(event("binary")))


@call("eventing: structured mode")
def _() -> object:
    return accepted(*to_structured(event("structured")))


@call("eventing: structured mode with bytes (data_base64)")
def _() -> object:
    attributes = {"type": TYPE, "source": "/python-1", "id": "bytes", "datacontenttype": "application/json"}
    raw = CloudEvent(attributes, json.dumps({"prompt": PROMPT}).encode())
    return accepted(*to_structured(raw))


@call("eventing: the same event twice is one job")
def _() -> object:
    first, second = (send(*to_binary(event("twice")))[1]["location"] for _ in range(2))
    assert first == second
    return "one Location"


@call("eventing: the webhook is an event the SDK reads, in the request's trace")
def _() -> object:
    with receiver() as (url, got):
        send(*to_structured(event("hook", callback_url=url)))
        headers, body = got.get(timeout=120)
    done = from_http(headers, body)
    assert done["type"] == "dev.reelzero.video.completed.v1" and done.data["result"]["video"]["uri"]
    assert done["traceparent"].split("-")[1] == TRACE.split("-")[1]
    return done["type"]


@call("predictor: the reply to a delivery is the completion event")
def _() -> object:
    status, headers, body = send(*to_binary(event("direct")), PREDICTOR_URL + "/")
    done = from_http(headers, body)
    assert (status, done["type"]) == (200, "dev.reelzero.video.completed.v1"), done
    again = from_http(*send(*to_structured(event("direct")), PREDICTOR_URL + "/")[1:])
    assert again["id"] == done["id"] and again.data["result"] == done.data["result"]
    return f"{done['type']}, a redelivery the same"
