"""One device, one job: busy at once, cancel by closing the connection, and nothing of it in the next job."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from kserve import InferResponse
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from tests.integration.predictor.held import Held, holding
from tests.integration.predictor.process import Stream, reached, wait_for

INFER = {
    "inputs": [{"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["a red circle"]}],
    "parameters": {"output": "inline", "seed": 3},
}
GENERATE = {"text_input": "a red circle", "parameters": INFER["parameters"]}


@pytest.fixture(scope="module")
def process(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    folder = tmp_path_factory.mktemp("held")
    env = {"REELZERO_MODEL_DIR": str(tiny), "REELZERO_HEARTBEAT_SECONDS": "0.05"}
    with holding(env, folder) as held:
        yield held


@pytest.fixture(scope="module")
def reference(process: Held) -> str:
    """What the seed looks like in a fresh process, before anything was cancelled."""
    process.release()
    return process.digest()


def grpc_request(**parameters: Any) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="tiny")
    prompt = request.inputs.add(name="prompt", datatype="BYTES", shape=[1])
    prompt.contents.bytes_contents.append(b"a red circle")
    for name, value in ({"output": "inline", "seed": "3"} | parameters).items():
        request.parameters[name].string_param = value
    return request


def test_a_second_caller_is_told_busy_at_once_and_health_answers(held: Held) -> None:
    stream = held.predictor.stream(output="inline")
    stream.until("decode")
    held.wait()
    for path, body in (("generate_stream", GENERATE), ("generate", GENERATE), ("infer", INFER)):
        status, answer = held.predictor.post(path, body)
        assert (status, answer["code"]) == (503, "busy")
    with pytest.raises(grpc.RpcError) as refusal:
        held.stub().ModelInfer(grpc_request())
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    assert refusal.value.details().startswith("busy: ")
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/tiny/ready"):
        assert held.predictor.get(path)[0] == 200
    held.release()
    assert stream.last()["type"] == "completed"


def test_heartbeats_come_while_a_stage_is_silent(held: Held) -> None:
    stream = held.predictor.stream(output="inline")
    beats = []
    for record in stream:
        if record["type"] == "heartbeat" and record["progress"]["stage"] == "decode":
            beats.append(record["progress"])  # a stage before it may be slow too, and is not held
        if len(beats) == 3:
            held.release()
    assert len(beats) >= 3
    assert beats[0]["elapsed_seconds"] < beats[2]["elapsed_seconds"]


@pytest.mark.parametrize("path", ["generate_stream", "generate", "infer"])
def test_a_closed_connection_cancels_and_the_next_job_is_as_fresh(
    held: Held, reference: str, path: str
) -> None:
    held.arm()
    before = held.ended("cancelled")
    connection = http.client.HTTPConnection("127.0.0.1", held.predictor.port)
    body = json.dumps(INFER if path == "infer" else GENERATE)
    connection.request("POST", f"/v2/models/tiny/{path}", body, {"content-type": "application/json"})
    held.wait()
    connection.close()
    held.release()
    wait_for(lambda: held.ended("cancelled") == before + 1, "the end of the cancelled job")
    assert held.digest() == reference


def test_a_closed_stream_stops_within_the_denoising(held: Held, reference: str) -> None:
    before = held.ended("cancelled")
    stream = Stream(
        held.predictor.port,
        {"text_input": "x", "parameters": {"output": "inline", "num_inference_steps": 500, "num_frames": 49}},
    )
    stream.until("denoise")
    stream.close()
    # Were the steps not cut short, the job would be held in decode, for ever.
    wait_for(lambda: held.ended("cancelled") == before + 1, "the end of the cancelled job")
    assert not reached(held.file).exists()
    held.release()
    assert held.digest() == reference


def test_a_grpc_cancel_stops_the_job(held: Held, reference: str) -> None:
    held.arm()
    before = held.ended("cancelled")
    call = held.stub().ModelInfer.future(grpc_request())
    held.wait()
    call.cancel()
    held.release()
    wait_for(lambda: held.ended("cancelled") == before + 1, "the end of the cancelled job")
    assert call.code() == grpc.StatusCode.CANCELLED
    assert held.digest() == reference


def test_a_grpc_deadline_stops_the_job(held: Held, reference: str) -> None:
    held.arm()
    before = held.ended("cancelled")
    call = held.stub().ModelInfer.future(grpc_request(), timeout=5)
    held.wait()
    assert call.exception().code() == grpc.StatusCode.DEADLINE_EXCEEDED
    held.release()
    wait_for(lambda: held.ended("cancelled") == before + 1, "the end of the cancelled job")
    assert held.digest() == reference


def test_a_grpc_inference_makes_the_same_video(held: Held, reference: str) -> None:
    held.release()
    answer = InferResponse.from_grpc(held.stub().ModelInfer(grpc_request()))
    result = json.loads(answer.get_output_by_name("result").as_numpy().item())
    assert result["mark"]["unmarked_sha256"] == reference
    assert answer.get_output_by_name("seed").as_numpy().item() == 3


BAD_CALLS = {
    "frames": (grpc_request(num_frames="10"), grpc.StatusCode.INVALID_ARGUMENT, "num_frames"),
    "model": (pb.ModelInferRequest(model_name="other"), grpc.StatusCode.NOT_FOUND, "other"),
    "no prompt": (pb.ModelInferRequest(model_name="tiny"), grpc.StatusCode.INVALID_ARGUMENT, "prompt"),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_a_bad_grpc_call_gets_its_status(held: Held, name: str) -> None:
    request, status, word = BAD_CALLS[name]
    with pytest.raises(grpc.RpcError) as refusal:
        held.stub().ModelInfer(request)
    assert refusal.value.code() == status
    assert word in refusal.value.details()
