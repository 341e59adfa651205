"""What a ready predictor answers: streams, V2 inference, files in S3, refusals that name the field."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import secrets
import shutil
from fractions import Fraction
from typing import Any

import av
import grpc
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from PIL import Image

from eventing import __version__
from eventing.contract.metrics.declare import Service
from eventing.contract.records.results import Manifest, VideoResult, attempt_prefix
from eventing.contract.storage.s3 import Bucket
from tests.integration.predictor.process import Predictor
from tests.support import metrics_page
from tests.support.scrape import Scrape, lint, rise

STAGES = ["encode_prompt", "denoise", "decode", "encode_video"]


def text(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}


def outputs(answer: dict[str, Any]) -> dict[str, Any]:
    return {output["name"]: output["data"][0] for output in answer["outputs"]}


def test_a_stream_tells_every_stage_and_ends_with_the_file(shared: Predictor) -> None:
    stream = shared.stream(output="inline", seed=3, num_frames=17, width=128, height=128, fps=12)
    assert stream.status == 200
    assert stream.response.headers.get_content_type() == "text/event-stream"
    records = [record for record in stream if record["type"] != "heartbeat"]  # a busy machine has silences
    assert [record["type"] for record in records[:-1]] == ["progress"] * (len(records) - 1)
    assert list(dict.fromkeys(record["progress"]["stage"] for record in records[:-1])) == STAGES
    steps = [r["progress"]["step"] for r in records[:-1] if r["progress"]["stage"] == "denoise"]
    assert steps == [0, 1, 2, 3, 4]
    inline = records[-1]["inline"]
    body = base64.b64decode(inline["video_base64"])
    assert hashlib.sha256(body).hexdigest() == inline["sha256"]
    with av.open(io.BytesIO(body), "r") as container:
        video = container.streams.video[0]
        assert (video.codec.name, video.pix_fmt, video.average_rate) == ("h264", "yuv420p", Fraction(12))
        assert (video.width, video.height) == (128, 128)
        assert sum(1 for _ in container.decode(video)) == 17
    assert body.index(b"moov") < body.index(b"mdat"), "a browser plays only once it has the index"


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(shared: Predictor) -> None:
    def digest(seed: int) -> str:
        sha256: str = shared.stream(output="inline", seed=seed).last()["inline"]["mark"]["unmarked_sha256"]
        return sha256

    assert digest(5) == digest(5) != digest(6)


def test_an_adapter_is_on_for_the_calls_that_name_it(shared: Predictor) -> None:
    def video(*inputs: dict[str, Any]) -> dict[str, Any]:
        body = {
            "inputs": [text("prompt", "a red circle"), *inputs],
            "parameters": {"output": "inline", "seed": 5},
        }
        status, answer = shared.post("infer", body)
        assert status == 200, answer
        result: dict[str, Any] = json.loads(outputs(answer)["result"])
        return result

    ink = text("loras", json.dumps([{"name": "ink", "scale": 0.5}]))
    videos = [video(), video(ink), video(), video(ink)]
    plain, inked, plain_again, inked_again = (made["mark"]["unmarked_sha256"] for made in videos)
    assert plain == plain_again != inked == inked_again
    assert [(lora["name"], lora["scale"]) for lora in videos[1]["loras"]] == [("ink", 0.5)]
    assert "ink.safetensors" in videos[1]["loras"][0]["sha256"] and videos[2]["loras"] is None
    _, metadata = shared.get("/v2/models/tiny")
    assert {"name": "loras", "datatype": "BYTES", "shape": [1]} in metadata["inputs"]
    wrong = {"inputs": [text("prompt", "a red circle"), text("loras", '[{"name": "inc"}]')]}
    status, problem = shared.post("infer", wrong)
    assert (status, problem["field"]) == (422, "loras.0.name")
    spec = {
        "width": 64,
        "height": 64,
        "num_frames": 9,
        "fps": 8,
        "seed": 3,
        "quality": "low",
        "negative_prompt": "",
    }
    spec |= {"num_inference_steps": 2, "guidance_scale": 1.0, "prompt": "a red circle", "model": "tiny"}
    other = {"spec": spec | {"loras": [{"name": "gone", "scale": 1}]}}  # of a dispatcher with another catalog
    body = {"text_input": "a red circle", "parameters": other}
    status, problem = shared.post("generate_stream", body)
    assert (status, problem["field"]) == (422, "loras.0.name")
    assert "this predictor has no adapter gone for tiny; it has ink" in problem["error"]


def test_files_are_in_s3_and_the_manifest_says_what_they_are(shared: Predictor, bucket: Bucket) -> None:
    record = shared.stream(job_id="files", attempt=2, seed=1).last()
    result = record["result"]
    prefix = attempt_prefix("files", 2)
    uris = [result[name]["uri"] for name in ("video", "poster", "spritesheet")]
    assert [uri.rpartition("/")[2] for uri in uris] == ["video.mp4", "poster.jpg", "spritesheet.jpg"]
    assert {bucket.uri(key) for key in bucket.keys(prefix)} == {*uris, result["manifest_uri"]}
    for name in ("video", "poster", "spritesheet"):
        stored = bucket.get(bucket.key(result[name]["uri"]))
        assert stored is not None
        assert hashlib.sha256(stored).hexdigest() == result[name]["sha256"]
        assert len(stored) == result[name]["bytes"]
    poster = bucket.get(bucket.key(result["poster"]["uri"]))
    assert poster is not None
    assert Image.open(io.BytesIO(poster)).size == (64, 64)
    manifest = bucket.get(prefix + "manifest.json")
    assert manifest is not None
    parsed = Manifest.model_validate_json(manifest)
    assert parsed.result == VideoResult.model_validate(result)
    assert parsed.request.seed == 1


def test_the_same_attempt_sent_again_is_answered_and_not_generated_again(
    shared: Predictor, bucket: Bucket
) -> None:
    first = shared.stream(job_id="twice", seed=1).last()
    again = list(shared.stream(job_id="twice", seed=2))
    assert again[-1]["result"] == first["result"]
    assert not [r for r in again if r.get("progress", {}).get("stage") == "denoise"]


def test_infer_gives_uris_by_default_and_only_what_was_asked_for(shared: Predictor, bucket: Bucket) -> None:
    body = {"id": "r1", "inputs": [text("prompt", "a red circle")], "parameters": {"job_id": "inferred"}}
    status, answer = shared.post("infer", body)
    assert (status, answer["id"], answer["model_name"]) == (200, "r1", "tiny")
    found = outputs(answer)
    assert found["video_uri"].startswith(f"s3://{bucket.name}/{attempt_prefix('inferred', 1)}")
    assert json.loads(found["result"])["video"]["sha256"] == found["sha256"]
    assert bucket.get(bucket.key(found["manifest_uri"])) is not None
    status, answer = shared.post("infer", body | {"outputs": [{"name": "sha256"}]})
    assert (status, outputs(answer)) == (200, {"sha256": found["sha256"]})


@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "numbers as text"])
def test_numbers_come_as_tensors_or_as_parameters(shared: Predictor, as_text: bool) -> None:
    numbers: dict[str, Any] = {"width": 128, "height": 128, "num_frames": 9, "fps": 5, "seed": 9}
    numbers |= {"num_inference_steps": 2, "guidance_scale": 1.5}
    if as_text:
        numbers = {name: str(value) for name, value in numbers.items()}
    kind = {float: "FP32", int: "INT64", str: "BYTES"}
    tensors = [
        {"name": name, "shape": [1, 1], "datatype": kind[type(value)], "data": [[value]]}
        for name, value in numbers.items()
    ]
    prompt = text("prompt", "a red circle")
    by_tensor = shared.post("infer", {"inputs": [prompt, *tensors], "parameters": {"output": "inline"}})
    by_parameter = shared.post("infer", {"inputs": [prompt], "parameters": numbers | {"output": "inline"}})
    assert by_tensor[0] == by_parameter[0] == 200, (by_tensor, by_parameter)
    result, other = (json.loads(outputs(answer)["result"]) for _, answer in (by_tensor, by_parameter))
    assert result["mark"]["unmarked_sha256"] == other["mark"]["unmarked_sha256"]
    assert (result["width"], result["num_frames"], result["fps"], result["seed"]) == (128, 9, 5, 9)


def test_generate_answers_with_one_record(shared: Predictor) -> None:
    body = {"text_input": "a red circle", "parameters": {"output": "inline", "seed": 3}}
    status, answer = shared.post("generate", body)
    assert status == 200
    assert answer["type"] == "completed"
    assert answer["inline"] == answer["inline"] | {"num_frames": 9, "fps": 8, "width": 64, "height": 64}


def test_a_prompt_past_the_limit_is_cut_with_a_warning(shared: Predictor) -> None:
    warnings = shared.stream(output="inline").last()["inline"].get("warnings", [])
    body = {"text_input": "a red circle moving to the right", "parameters": {"output": "inline"}}
    cut = shared.post("generate", body)[1]["inline"]["warnings"]
    assert warnings == []
    assert cut == ["the prompt has 34 tokens; this model reads the first 16"]


FINISHED: dict[str, Any] = {
    "prompt": "x", "negative_prompt": "", "model": "tiny", "width": 64, "height": 64, "num_frames": 9,
    "fps": 8, "seed": 3, "quality": "low", "num_inference_steps": 2, "guidance_scale": 1.0,
}  # fmt: skip
BAD_GENERATE: dict[str, tuple[dict[str, Any], str, int]] = {
    "a spec that is not finished": ({"spec": {"prompt": "x"}}, "spec.negative_prompt", 422),
    "a spec that is no object": ({"spec": []}, "spec", 422),
    "a spec of another model": ({"spec": FINISHED | {"model": "cogvideox-2b"}}, "model", 422),
    "a spec with an unknown field": ({"spec": FINISHED | {"colour": "red"}}, "spec.colour", 422),
    "a field beside the spec": ({"spec": FINISHED, "seed": 4}, "seed", 422),
    "a spec of another prompt": ({"spec": FINISHED | {"prompt": "y"}}, "text_input", 422),
    "a spec of an endless size": ({"spec": FINISHED | {"width": 10**9}}, "spec.width", 422),
    "a spec for nowhere": ({"spec": FINISHED, "job_id": "../etc"}, "job_id", 422),
    "frames": ({"num_frames": 10}, "num_frames", 422),
    "size": ({"width": 65}, "width", 422),
    "other model": ({"model": "cogvideox-2b"}, "model", 422),
    "unknown parameter": ({"colour": "red"}, "colour", 422),
    "job id": ({"job_id": "../../etc"}, "job_id", 422),
    "attempt": ({"attempt": 0}, "attempt", 422),
    "no number": ({"seed": "many"}, "seed", 422),
}


@pytest.mark.parametrize("name", BAD_GENERATE)
def test_a_bad_parameter_is_named_before_the_stream_starts(shared: Predictor, name: str) -> None:
    parameters, field, expected = BAD_GENERATE[name]
    status, answer = shared.post("generate_stream", {"text_input": "x", "parameters": parameters})
    assert (status, answer["code"], answer["field"]) == (expected, "invalid_request", field)
    assert field in answer["error"]


BAD_BODIES = {
    "no json": (b"{", 400),
    "not utf-8": (b'{"text_input": "\xff"}', 400),
    "empty prompt": (b'{"text_input": " "}', 422),
    "no prompt": (b"{}", 422),
    "10,000 characters": (json.dumps({"text_input": "x" * 10_000}).encode(), 422),
    "over the limit": (b'{"text_input": "' + b"x" * (1 << 20) + b'"}', 413),
}


@pytest.mark.parametrize("path", ["generate_stream", "generate"])
@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_in_v2_form(shared: Predictor, name: str, path: str) -> None:
    body, expected = BAD_BODIES[name]
    status, answer = shared.post(path, body)
    assert status == expected, answer
    assert answer["error"]
    assert set(answer) == {"error", "code", "field"}


BAD_INFERENCES = {
    "no inputs": ({}, 400),
    "no prompt": ({"inputs": []}, 422),
    "unknown input": ({"inputs": [text("prompt", "x"), text("colour", "red")]}, 422),
    "two prompts": ({"inputs": [text("prompt", "x") | {"shape": [2], "data": ["a", "b"]}]}, 422),
    "shape that lies": ({"inputs": [text("prompt", "x") | {"shape": [7]}]}, 422),
    "unknown datatype": ({"inputs": [text("prompt", "x") | {"datatype": "COMPLEX", "data": []}]}, 400),
    "half a frame": ({"inputs": [text("prompt", "x")], "parameters": {"num_frames": 9.5}}, 422),
    "unknown output": ({"inputs": [text("prompt", "x")], "outputs": [{"name": "gif"}]}, 422),
    "uri of an inline video": (
        {
            "inputs": [text("prompt", "x")],
            "outputs": [{"name": "video_uri"}],
            "parameters": {"output": "inline"},
        },
        422,
    ),
    "a number for inputs": ({"inputs": 7}, 400),
}


@pytest.mark.parametrize("name", BAD_INFERENCES)
def test_a_bad_inference_is_refused_in_v2_form(shared: Predictor, name: str) -> None:
    body, expected = BAD_INFERENCES[name]
    status, answer = shared.post("infer", body)
    assert status == expected, answer
    assert answer["error"]


@pytest.mark.parametrize("header", ["5", "-1", "x", "999999"])
def test_a_binary_body_that_lies_about_its_length_is_refused(shared: Predictor, header: str) -> None:
    body = json.dumps({"inputs": [text("prompt", "x")]}).encode()
    status, answer = shared.post(
        "infer",
        body if header != "999999" else b"\x00" * 30,
        **{"content-type": "application/octet-stream", "inference-header-content-length": header},
    )
    assert status == 400, answer


def test_metadata_lists_what_the_model_really_takes(shared: Predictor) -> None:
    status, metadata = shared.get("/v2/models/tiny")
    assert status == 200
    assert {"name": "guidance_scale", "datatype": "FP32", "shape": [1]} in metadata["inputs"]
    assert {"video_uri", "manifest_uri", "video", "result"} <= {o["name"] for o in metadata["outputs"]}
    assert set(metadata["parameters"]) >= {"output", "job_id", "attempt"}


@pytest.mark.parametrize("path", ["", "/ready"])
def test_another_model_is_not_found(shared: Predictor, path: str) -> None:
    assert shared.get(f"/v2/models/other{path}")[0] == 404


def test_another_models_inference_is_not_found(shared: Predictor) -> None:
    status, answer = shared.call("POST", "/v2/models/other/infer", {"inputs": [text("prompt", "x")]})
    assert status == 404, answer


ABSENT = [
    ("GET", "/v1/models", "use V2"), ("GET", "/v1/models/tiny", "use V2"),
    ("POST", "/v1/models/tiny:predict", "use V2"), ("POST", "/v1/models/tiny:explain", "use V2"),
    ("POST", "/v2/repository/models/tiny/load", "stays loaded"),
    ("POST", "/v2/repository/models/tiny/unload", "stays loaded"),
]  # fmt: skip


@pytest.mark.parametrize("method, path, word", ABSENT)
@pytest.mark.parametrize("headers", [{}, {"content-encoding": "gzip"}, {"content-type": "text/plain"}])
def test_kserves_other_routes_are_off(
    shared: Predictor, method: str, path: str, word: str, headers: dict[str, str]
) -> None:
    status, answer = shared.call(method, path, {"instances": ["a red circle"]}, headers)
    assert (status, answer["code"]) == (404, "not_found")
    assert word in answer["error"]
    assert shared.get("/v2/models/tiny/ready")[0] == 200


def test_grpc_loads_and_unloads_nothing(shared: Predictor) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{shared.grpc_port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        for call, request in (
            (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="tiny")),
            (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="tiny")),
        ):
            with pytest.raises(grpc.RpcError) as refusal:
                call(request, wait_for_ready=True)
            assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
            assert "stays loaded" in refusal.value.details()
        assert stub.ModelReady(pb.ModelReadyRequest(name="tiny")).ready


def test_metrics_count_stages_steps_bytes_and_device_seconds(shared: Predictor) -> None:
    before = Scrape.of(shared.get("/metrics")[1])
    job_id = f"measured-{secrets.token_hex(4)}"
    shared.stream(job_id=job_id, num_inference_steps=3).last()
    assert shared.get("/zanzibar/marked")[0] == 404
    after = Scrape.of(shared.get("/metrics")[1])
    tiny = {"model": "tiny"}
    assert rise(before, after, "reelzero_predictor_jobs_total", **tiny, outcome="completed") == 1
    assert rise(before, after, "reelzero_generation_seconds_count", **tiny, outcome="completed") == 1
    for stage in ("encode_prompt", "denoise", "decode", "encode_video", "upload"):
        assert rise(before, after, "reelzero_stage_seconds_count", **tiny, stage=stage) == 1, stage
    assert rise(before, after, "reelzero_denoise_steps_total", **tiny) == 3
    assert (after.value("reelzero_denoise_steps_per_second", **tiny) or 0) > 0
    assert rise(before, after, "reelzero_upload_bytes_total", **tiny) > 1000
    assert rise(before, after, "reelzero_gpu_seconds_total", **tiny, state="busy") > 0
    assert rise(before, after, "reelzero_gpu_seconds_total", **tiny, state="loading") == 0
    assert after.value("reelzero_predictor_state", **tiny, state="ready") == 1
    assert after.value("reelzero_predictor_state", **tiny, state="loading") == 0
    assert after.value("reelzero_gpus", **tiny) == 1
    unknown = {"method": "GET", "route": "unmatched", "status": "404"}
    assert rise(before, after, "reelzero_http_requests_total", **unknown) == 1
    route = {"method": "POST", "route": "/v2/models/{name}/generate_stream", "status": "200"}
    assert rise(before, after, "reelzero_http_requests_total", **route) == 1
    assert rise(before, after, "reelzero_s3_request_seconds_count", operation="PutObject") >= 4
    assert not {"zanzibar", "red circle", job_id} & set(after.text.split()) and job_id not in after.text


def test_the_scrape_is_what_the_page_says_and_clean_for_promtool(shared: Predictor) -> None:
    shared.stream(output="inline").last()
    shown = Scrape.of(shared.get("/metrics")[1])
    declared = {one.name: one.service for one in metrics_page.declarations()}
    names = {name for name in shown.names() if name.startswith("reelzero_")}
    assert {declared[name] for name in names} <= {Service.predictor, Service.both}
    missing = {name for name, service in declared.items() if service is Service.predictor} - names
    rare = {"reelzero_gpu_wasted_seconds_total"}  # with the first job that fails
    cards = {name for name in missing if name.startswith("reelzero_gpu_") and name not in rare}
    assert missing - cards <= rare
    assert cards <= {
        "reelzero_gpu_memory_used_bytes", "reelzero_gpu_memory_size_bytes", "reelzero_gpu_utilization_ratio",
    }  # fmt: skip
    assert shown.value("reelzero_build_info", component="predictor", version=__version__) == 1
    assert (shown.value("reelzero_volume_free_bytes", volume="scratch") or 0) > 0
    if shutil.which("promtool"):
        assert lint(shown.text) == ""


def test_the_callers_trace_goes_on(shared: Predictor) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    body = {"text_input": "x", "parameters": {"output": "inline", "job_id": "traced"}}
    assert shared.post("generate_stream", body, traceparent=parent)[0] == 200
    lines = [json.loads(line) for line in shared.log.read_text().splitlines()]
    assert {line["trace_id"] for line in lines if line.get("job_id") == "traced"} == {trace}


def test_the_log_is_json_and_holds_no_prompt(shared: Predictor) -> None:
    secret = "zanzibar"
    shared.post("generate", {"text_input": secret * 3, "parameters": {"output": "inline"}})
    shared.post("generate", {"text_input": secret * 900})
    shared.post("infer", {"inputs": [text("prompt", secret)], "parameters": {"num_frames": secret}})
    log = shared.log.read_text()
    assert secret not in log
    assert [json.loads(line)["level"] for line in log.splitlines()]
