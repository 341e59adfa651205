"""From each protocol's words to one job, or to an error that names the field."""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve import InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

from eventing.contract import v2
from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.codecs.stream import InlineVideo, Output
from eventing.contract.errors import InvalidRequest, MalformedRequest, ReelzeroError
from eventing.contract.records.models import Quality
from eventing.contract.records.results import StoredFile, Timings, VideoResult
from predictor.generation.attempt import make_attempt
from predictor.serving.tensors import answer, read_fields

TIMINGS = Timings(encode_prompt=1, denoise=1, decode=1, encode_video=1, upload=1, total=5)
FILE = StoredFile(uri="s3://b/k", sha256="ab", bytes=1, content_type="video/mp4")
SHARED: dict[str, Any] = {
    "seed": 3,
    "width": 64,
    "height": 64,
    "num_frames": 9,
    "fps": 8,
    "timings": TIMINGS,
}
INLINE = InlineVideo(video_base64="AAAA", sha256="ab", **SHARED)
STORED = VideoResult(
    job_id="j",
    attempt=1,
    model="tiny",
    revision="r",
    duration_seconds=1,
    video=FILE,
    poster=FILE,
    spritesheet=FILE,
    manifest_uri="s3://b/m",
    **SHARED,
)


def request(*inputs: InferInput, parameters: Any = None, outputs: Any = None) -> InferRequest:
    prompt = InferInput("prompt", [1], "BYTES", ["a cat"])
    asked = [RequestedOutput(name) for name in outputs] if outputs else None
    return InferRequest("tiny", [prompt, *inputs], parameters=parameters, request_outputs=asked)


def test_defaults_come_from_the_catalog(entry: CatalogEntry) -> None:
    attempt = make_attempt(entry, {"prompt": "a cat"})
    spec = attempt.spec
    assert (spec.width, spec.height, spec.num_frames, spec.fps) == (64, 64, 9, 8)
    assert (spec.num_inference_steps, spec.quality) == (4, Quality.medium)
    assert (attempt.address.attempt, attempt.address.output) == (1, Output.s3)
    assert make_attempt(entry, {"prompt": "a cat"}).address.job_id != attempt.address.job_id


def test_a_seed_nobody_gave_is_the_same_whenever_the_job_is_asked_for(entry: CatalogEntry) -> None:
    one, again, other = (
        make_attempt(entry, {"prompt": "a cat", "job_id": job_id}) for job_id in ("one", "one", "other")
    )
    assert one.spec.seed == again.spec.seed != other.spec.seed
    assert (
        make_attempt(entry, {"prompt": "a cat"}).spec.seed
        != make_attempt(entry, {"prompt": "a cat"}).spec.seed
    )
    assert make_attempt(entry, {"prompt": "a cat", "job_id": "one", "seed": 0}).spec.seed == 0


def test_an_error_quotes_no_prompt(entry: CatalogEntry) -> None:
    prompt = "zan" + "zibar" * 1000
    with pytest.raises(InvalidRequest) as error:
        make_attempt(entry, {"prompt": prompt})
    assert error.value.field == "prompt"
    assert prompt[:8] not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"seed": -1}, "seed"),
        ({"guidance_scale": "nan"}, "guidance_scale"),
        ({"quality": "best"}, "quality"),
        ({"num_frames": 10}, "num_frames"),
        ({"height": 65}, "height"),
        ({"output": "ftp"}, "output"),
        ({"attempt": 10_000}, "attempt"),
        ({"job_id": "a b"}, "job_id"),
    ],
)
def test_each_bad_field_is_named(entry: CatalogEntry, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        make_attempt(entry, {"prompt": "a cat"} | fields)
    assert error.value.field == field


@pytest.mark.parametrize(
    "tensor",
    [
        InferInput("seed", [1], "INT64", [7]),
        InferInput("seed", [1, 1], "INT64", [[7]]),
        InferInput("seed", [1], "BYTES", ["7"]),
        InferInput("seed", [1], "BYTES", [b"7"]),
        InferInput("seed", [1], "FP32", [7.0]),
        InferInput("seed", [1], "INT32", np.array([7], dtype=np.int32)),
    ],
    ids=["list", "matrix", "text", "bytes", "float", "array"],
)
def test_a_number_has_many_dresses(entry: CatalogEntry, tensor: InferInput) -> None:
    assert make_attempt(entry, read_fields(request(tensor))).spec.seed == 7


def test_raw_bytes_are_read(entry: CatalogEntry) -> None:
    tensor = InferInput("guidance_scale", [1], "FP32")
    tensor.set_data_from_numpy(np.array([6.1], dtype=np.float32), binary_data=True)
    assert make_attempt(entry, read_fields(request(tensor))).spec.guidance_scale == 6.1


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (InferInput("seed", [2], "INT64", [7, 8]), InvalidRequest),
        (InferInput("seed", [0], "INT64", []), InvalidRequest),
        (InferInput("seed", [3], "INT64", [7]), InvalidRequest),
        (InferInput("colour", [1], "BYTES", ["red"]), InvalidRequest),
        (InferInput("quality", [1], "BYTES", [b"\xff"]), MalformedRequest),
        (InferInput("quality", [1], "NONSENSE", None), MalformedRequest),
    ],
)
def test_a_bad_tensor_is_named(tensor: InferInput, kind: type[ReelzeroError]) -> None:
    with pytest.raises(kind) as error:
        read_fields(request(tensor))
    assert error.value.field == tensor.name


def test_the_protocols_own_parameter_is_not_ours(entry: CatalogEntry) -> None:
    fields = read_fields(request(parameters={"binary_data_output": True, "output": "inline"}))
    assert make_attempt(entry, fields).address.output is Output.inline


@given(
    datatype=st.sampled_from(["BYTES", "INT32", "INT64", "FP32", "FP64", "BOOL", "UINT8", "X"]),
    name=st.sampled_from([*v2.INPUTS, "output", "job_id", "attempt"]),
    shape=st.lists(st.integers(-2, 3), max_size=3),
    data=st.lists(
        st.one_of(
            st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=8)
        ),
        max_size=3,
    ),
)
def test_no_tensor_makes_anything_but_a_job_or_a_named_error(
    name: str, datatype: str, shape: list[int], data: list[Any]
) -> None:
    try:
        make_attempt(
            load_catalog().get("tiny"), read_fields(request(InferInput(name, shape, datatype, data)))
        )
    except (InvalidRequest, MalformedRequest) as error:
        assert error.field


@pytest.mark.parametrize(
    ("result", "names"), [(STORED, v2.STORED_OUTPUTS), (INLINE, v2.INLINE_OUTPUTS)], ids=["stored", "inline"]
)
def test_an_answer_has_all_outputs_or_those_asked_for(result: Any, names: Any) -> None:
    response = answer(request(), "1", result).to_rest()[0]
    assert [output["name"] for output in response["outputs"]] == list(names)
    one = answer(request(outputs=["seed"]), "1", result).to_rest()[0]
    assert [(output["name"], output["data"]) for output in one["outputs"]] == [("seed", [3])]
    grpc = answer(request(), "1", result).to_grpc()
    assert [output.name for output in grpc.outputs] == list(names)


def test_every_output_is_in_the_metadata(entry: CatalogEntry) -> None:
    metadata = v2.metadata(entry, v2.OUTPUTS, {})
    assert {output["name"] for output in metadata["outputs"]} == {*v2.STORED_OUTPUTS, *v2.INLINE_OUTPUTS}
    other = {"image", "last_image", "image_fit", "strength", "loras", "generate_audio"}  # for other models
    assert {tensor["name"] for tensor in metadata["inputs"]} == v2.INPUTS.keys() - other
