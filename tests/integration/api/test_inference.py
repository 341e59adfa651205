"""V2 on eventing: the predictor's protocol over the durable queue."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment

LENGTH = "Inference-Header-Content-Length"
INFER = "/v2/models/tiny/infer"


def tensor(name: str, datatype: str, value: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [1], "data": [value]}


def prompt(shape: Any, *data: Any) -> dict[str, Any]:
    return {
        "inputs": [{"name": "prompt", "datatype": "BYTES", "shape": shape} | ({"data": data} if data else {})]
    }


def request(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"inputs": [tensor("prompt", "BYTES", "a red circle"), *more]} | fields


def values(answer: dict[str, Any]) -> dict[str, Any]:
    return {output["name"]: output["data"][0] for output in answer["outputs"]}


async def test_what_a_client_asks_before_it_infers(service: Deployment) -> None:
    for path, shown in (("/v2/health/live", "live"), ("/v2/health/ready", "ready")):
        assert (await service.call("GET", path))[1] == {shown: True}
    _, server = await service.call("GET", "/v2")
    assert (server["name"], server["extensions"]) == ("reelzero", ["binary_tensor_data"])
    assert (await service.call("GET", "/v2/models"))[1] == {"models": ["tiny"]}
    assert (await service.call("GET", "/v2/models/tiny/ready"))[1] == {"name": "tiny", "ready": True}
    _, model = await service.call("GET", "/v2/models/tiny")
    assert {entry["name"] for entry in model["inputs"]} > {"prompt", "seed", "num_frames"}
    assert model["inputs"][0] == {"name": "prompt", "datatype": "BYTES", "shape": [1]}
    for path in ("/v2/models/none", "/v2/models/none/ready", "/v2/else"):
        answer, body = await service.call("GET", path)
        assert (answer.status, isinstance(body["error"], str)) == (404, True)


async def test_it_waits_in_the_queue_and_answers_as_v2(service: Deployment) -> None:
    body = request(tensor("seed", "INT64", 7), tensor("guidance_scale", "FP32", 2.5), id="r1")
    answer, got = await service.call("POST", INFER, json=body)
    assert (answer.status, got["id"], got["model_name"]) == (200, "r1", "tiny")
    shown = values(got)
    assert shown["seed"] == 7 and shown["video_uri"].startswith("s3://")
    assert json.loads(shown["result"])["video"]["uri"] == shown["video_uri"]
    assert service.predictor.requests[0]["parameters"]["spec"]["guidance_scale"] == 2.5
    _, job = await service.call("GET", f"/v1/jobs/{got['parameters']['job_id']}")
    assert job["status"] == "completed"


async def test_only_the_outputs_that_were_asked_for(service: Deployment) -> None:
    _, got = await service.call("POST", INFER, json=request(outputs=[{"name": "video_uri"}]))
    assert list(values(got)) == ["video_uri"]


async def test_binary_tensors_in_and_out(service: Deployment) -> None:
    prompt = "ein roter Kreis, größer".encode()
    raw = struct.pack("<I", len(prompt)) + prompt + struct.pack("<i", 17)
    head = {
        "inputs": [
            {
                "name": "prompt",
                "datatype": "BYTES",
                "shape": [1],
                "parameters": {"binary_data_size": len(prompt) + 4},
            },
            {
                "name": "num_frames",
                "datatype": "INT32",
                "shape": [1, 1],
                "parameters": {"binary_data_size": 4},
            },
            tensor("quality", "BYTES", "low"),
        ],
        "outputs": [{"name": "seed", "parameters": {"binary_data": True}}, {"name": "sha256"}],
    }
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
    answer, body = await service.call("POST", INFER, data=text + raw, headers=headers)
    assert answer.status == 200
    length = int(answer.headers["Inference-Header-Content-Length"])
    seed, sha = json.loads(body[:length])["outputs"]
    sent = service.predictor.requests[0]
    assert struct.unpack("<q", body[length:])[0] == sent["parameters"]["spec"]["seed"]
    assert (seed["parameters"]["binary_data_size"], len(sha["data"][0])) == (8, 64)
    assert sent["text_input"] == prompt.decode() and sent["parameters"]["spec"]["num_frames"] == 17


async def test_respond_async_is_answered_at_once_with_the_job(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    for prefer in ("respond-async", "respond-async, wait=0", "handling=lenient, Respond-Async"):
        headers = {"Prefer": prefer, "Idempotency-Key": "k"}
        answer, body = await service.call("POST", INFER, json=request(id="r"), headers=headers)
        assert (answer.status, answer.headers["Preference-Applied"], body["id"]) == (
            202,
            "respond-async",
            "r",
        )
        assert answer.headers["Location"] == f"/v1/jobs/{body['parameters']['job_id']}"
    gate.set()
    assert (await service.ended(body["parameters"]["job_id"]))["status"] == "completed"
    answer, body = await service.call("POST", INFER, json=request(id="r"), headers=headers)
    assert (answer.status, "video_uri" in values(body)) == (200, True)
    assert len(service.predictor.requests) == 1


@pytest.mark.parametrize("named", [False, True])
async def test_a_caller_who_leaves_cancels_only_what_nobody_else_knows_of(
    service: Deployment, named: bool
) -> None:
    started: asyncio.Queue[str] = asyncio.Queue()
    service.predictor.on_start = started.put_nowait
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    headers = {"Idempotency-Key": "mine"} if named else {}
    call = asyncio.create_task(service.call("POST", INFER, json=request(), headers=headers))
    job_id = await started.get()
    call.cancel()
    if named:
        gate.set()
    ended = await service.ended(job_id)
    assert ended["status"] == ("completed" if named else "cancelled")


@pytest.mark.parametrize(
    ("failure", "status"),
    [("out_of_memory", 500), ("model_unavailable", 503)],
)
async def test_a_failed_job_is_an_error_of_v2(service: Deployment, failure: str, status: int) -> None:
    service.predictor.scripts = [Script(failure=Failure(code=failure, message="it did not work"))]
    answer, body = await service.call("POST", INFER, json=request())
    assert (answer.status, body["code"]) == (status, failure)
    assert "it did not work" in body["error"]
    assert answer.headers.get("x-should-retry") == ("false" if status == 500 else None)


WHOLE = json.dumps(request()).encode()
BAD = {
    "no JSON": (b"{", {}, 400, None),
    "no object": (b"[]", {}, 400, None),
    "no inputs": ({"inputs": []}, {}, 422, "prompt"),
    "inputs that are no list": ({"inputs": {}}, {}, 400, "inputs"),
    "an input that is no object": ({"inputs": [1]}, {}, 400, "inputs"),
    "an unknown input": (request(tensor("zoom", "FP32", 1)), {}, 422, "zoom"),
    "a name of half a surrogate pair": (request(tensor("\ud800", "FP32", 1)), {}, 400, "inputs"),
    "an unknown output": (request(outputs=[{"name": "gif"}]), {}, 422, "outputs"),
    "outputs that are no list": (request(outputs="all"), {}, 400, "outputs"),
    "an unknown datatype": (request(tensor("seed", "INT128", 1)), {}, 400, "seed"),
    "text for a number": (request(tensor("seed", "INT64", "seven")), {}, 400, "seed"),
    "two elements": (prompt([2], "a", "b"), {}, 422, "prompt"),
    "a shape of text": (prompt(["1"], "a"), {}, 400, "prompt"),
    "no data": (prompt([1]), {}, 400, "prompt"),
    "parameters that are no object": (request(parameters=[1]), {}, 400, "parameters"),
    "an unknown parameter": (request(parameters={"zoom": 1}), {}, 422, "zoom"),
    "a bad job id": (request(parameters={"job_id": "a b"}), {}, 422, "job_id"),
    "inline": (request(parameters={"output": "inline"}), {}, 422, "output"),
    "another model": (request(parameters={"model": "mochi-1-preview"}), {}, 422, "model"),
    "frames the model cannot make": (request(tensor("num_frames", "INT32", 10)), {}, 422, "num_frames"),
    "no prompt": ({"inputs": [tensor("seed", "INT64", 7)]}, {}, 422, "prompt"),
    "infinity": (request(tensor("guidance_scale", "FP32", float("inf"))), {}, 400, "inputs"),
    "a length that is none": (request(), {LENGTH: "ten"}, 400, LENGTH.lower()),
    "a length past the end": (request(), {LENGTH: "9999"}, 400, LENGTH.lower()),
    "bytes left over": (WHOLE + b"xx", {LENGTH: str(len(WHOLE))}, 400, LENGTH.lower()),
    "compression": (b"\x1f\x8b", {"Content-Encoding": "gzip"}, 415, "content-encoding"),
}  # fmt: skip


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("body, headers, status, field", BAD.values(), ids=BAD)
async def test_bad_requests_in_the_form_of_v2(
    shared: Deployment, body: Any, headers: dict[str, str], status: int, field: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer, error = await shared.call(
        "POST", INFER, data=data, headers=headers, skip_auto_headers=["Content-Type"]
    )
    assert (answer.status, error.get("field")) == (status, field), error
    assert isinstance(error["error"], str) and error["code"]


async def test_keys_are_needed_here_too(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, auth="required") as service:
        answer, body = await service.call("POST", INFER, json=request())
        assert (answer.status, body["code"]) == (401, "unauthorized")
        assert (await service.call("GET", "/v2/health/ready"))[0].status == 200
