"""A Trigger delivers straight to the predictor: its reply is the completion event; a redelivery is safe."""

from __future__ import annotations

import hashlib
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.storage.s3 import Bucket
from predictor.serving.subscriber import job_id
from tests.integration.predictor.conftest import Start
from tests.integration.predictor.process import Predictor, reached, wait_for

TYPE = "dev.reelzero.video.requested.v1"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STRUCTURED = {"content-type": "application/cloudevents+json"}
BINARY = {"content-type": "application/json", "ce-specversion": "1.0", "ce-source": "/shop", "ce-type": TYPE}


def deliver(predictor: Predictor, body: Any, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", predictor.port, timeout=60)
    connection.request("POST", "/", body if isinstance(body, bytes) else json.dumps(body), headers)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    return answer, json.loads(raw)


def event(**changes: Any) -> dict[str, Any]:
    data = {"prompt": "a red circle moving right", "seed": 7, "metadata": {"story": "7"}}
    return {"specversion": "1.0", "id": "1", "source": "/shop", "type": TYPE, "data": data} | changes


def test_the_reply_is_the_completion_event(shared: Predictor) -> None:
    answer, data = deliver(shared, event(id="reply", traceparent=TRACE), STRUCTURED)
    assert answer.status == 200
    assert answer.headers["ce-type"] == "dev.reelzero.video.completed.v1"
    assert answer.headers["ce-subject"] == data["job_id"] == job_id("/shop", "reply")
    assert (answer.headers["ce-traceparent"], data["metadata"]) == (TRACE, {"story": "7"})
    prefix, name = data["result"]["video"]["uri"].split("/attempts/0001/")
    assert (prefix.rpartition("/")[2], name.rpartition("/")[2]) == (data["job_id"], "video.mp4")


def test_a_redelivery_is_answered_from_the_manifest(shared: Predictor, bucket: Bucket) -> None:
    first = deliver(shared, {"prompt": "a blue square"}, BINARY | {"ce-id": "again"})
    second = deliver(shared, {"prompt": "a blue square"}, BINARY | {"ce-id": "again"})
    assert first[0].status == second[0].status == 200
    assert first[1]["result"] == second[1]["result"]
    assert first[0].headers["ce-id"] == second[0].headers["ce-id"]
    assert len([key for key in bucket.keys(f"jobs/{first[1]['job_id']}/") if "manifest" in key]) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (b"{}", {"content-type": "application/json"}, 400, "specversion"),
        (event(type="dev.reelzero.video.completed.v1"), STRUCTURED, 422, "type"),
        (event(data={"prompt": ""}), STRUCTURED, 422, "prompt"),
        (event(data={"prompt": "x", "num_frames": 10}), STRUCTURED, 422, "num_frames"),
        (event(data={"prompt": "x", "callback_url": "http://x.test"}), STRUCTURED, 422, "callback_url"),
        (event(data={"prompt": "x", "n": 2}), STRUCTURED, 422, "n"),
        # Fields of the queue that say nothing are no mistake, and the next wrong field is found.
        (event(data={"prompt": "x", "n": 1, "reuse": False, "num_frames": 2}), STRUCTURED, 422, "num_frames"),
        (event(data=None), STRUCTURED, 422, None),
        (b"", BINARY | {"ce-id": "empty"}, 422, None),
        (
            [event(), event(id="2")],
            {"content-type": "application/cloudevents-batch+json"},
            415,
            "content-type",
        ),
        (b"<x/>", BINARY | {"ce-id": "x", "content-type": "text/xml"}, 415, "datacontenttype"),
    ],
)
def test_what_no_repetition_can_mend_is_a_4xx(
    shared: Predictor, body: Any, headers: dict[str, str], status: int, field: str
) -> None:
    answer, problem = deliver(shared, body, headers)
    assert (answer.status, problem["field"]) == (status, field), problem


def test_busy_is_said_so_that_the_trigger_comes_again(
    start: Start, storage: dict[str, str], tmp_path: Path
) -> None:
    import threading

    go = tmp_path / "go"
    predictor = start(("denoise", go), **storage)
    predictor.wait()
    replies = []
    one = threading.Thread(target=lambda: replies.append(deliver(predictor, event(id="busy"), STRUCTURED)))
    one.start()
    while not (tmp_path / "go.reached").exists():
        one.join(0.01)
    answer, problem = deliver(predictor, event(id="busy"), STRUCTURED)
    assert (answer.status, problem["code"]) == (503, "busy")
    go.touch()
    one.join()
    assert replies[0][0].status == 200
    assert deliver(predictor, event(id="busy"), STRUCTURED)[1]["result"] == replies[0][1]["result"]


def test_two_pods_with_the_same_event_give_one_answer_and_its_files(
    shared: Predictor, start: Start, storage: dict[str, str], bucket: Bucket, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    late = start(("upload", go), **storage)
    late.wait()
    asked = event(id="two", data={"prompt": "a red circle"})
    with ThreadPoolExecutor() as pool:
        second = pool.submit(deliver, late, asked, STRUCTURED)
        wait_for(reached(go).exists, "the upload of the second")
        first = deliver(shared, asked, STRUCTURED)[1]["result"]
        go.touch()
        assert second.result()[1]["result"] == first
    for name in ("video", "poster", "spritesheet"):
        body = bucket.get(bucket.key(first[name]["uri"]))
        assert body is not None and hashlib.sha256(body).hexdigest() == first[name]["sha256"]
    assert len(bucket.keys(f"jobs/{first['job_id']}/")) == 4
