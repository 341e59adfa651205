"""V2 tensors and parameters to the fields of a request, and results to V2 outputs (Open Inference Protocol).

Every field may come as a tensor of one element or as a request parameter; numbers may be text, since some
clients (KServe's gRPC one) can send no float parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import to_http_parameters

from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.contract.models import VideoResult
from eventing.contract.stream import InlineVideo, Output
from eventing.contract.v2 import INPUTS

PARAMETERS = ("output", "job_id", "attempt", "model")
TRANSPORT_PARAMETERS = frozenset({"binary_data_output"})  # of the protocol's binary extension, not of ours
STORED: dict[str, Callable[[VideoResult], str]] = {
    "video_uri": lambda result: result.video.uri,
    "poster_uri": lambda result: result.poster.uri,
    "spritesheet_uri": lambda result: result.spritesheet.uri,
    "manifest_uri": lambda result: result.manifest_uri,
    "sha256": lambda result: result.video.sha256,
    "seed": lambda result: str(result.seed),
    "result": lambda result: result.model_dump_json(),
}
INLINE: dict[str, Callable[[InlineVideo], str]] = {
    "video": lambda result: result.video_base64,
    "sha256": lambda result: result.sha256,
    "seed": lambda result: str(result.seed),
    "result": lambda result: result.model_dump_json(exclude={"video_base64"}),
}


def input_types() -> list[dict[str, Any]]:
    """The inputs as V2 metadata lists them."""
    return [{"name": name, "datatype": datatype, "shape": [1]} for name, datatype in INPUTS.items()]


def output_types() -> list[dict[str, Any]]:
    """The outputs as V2 metadata lists them: all of both kinds of answer."""
    names = list(dict.fromkeys([*STORED, *INLINE]))
    return [{"name": name, "datatype": _datatype(name), "shape": [1]} for name in names]


def read_fields(request: InferRequest) -> dict[str, Any]:
    """All fields of a request. Raises MalformedRequest or InvalidRequest naming the tensor."""
    fields = {k: v for k, v in parameters(request).items() if k not in TRANSPORT_PARAMETERS}
    for tensor in request.inputs:
        if tensor.name not in INPUTS and tensor.name not in PARAMETERS:
            raise InvalidRequest(
                f"unknown input {tensor.name!r}; known: {', '.join(INPUTS)}", field=tensor.name
            )
        fields[tensor.name] = _only_element(tensor)
    _check_outputs(request, Output.inline if fields.get("output") == Output.inline else Output.s3)
    return fields


def parameters(request: InferRequest) -> dict[str, Any]:
    """The request's parameters as plain values, whichever protocol they came by."""
    found: dict[str, Any] = to_http_parameters(request.parameters) if request.parameters else {}
    return found


def answer(request: InferRequest, result: VideoResult | InlineVideo) -> InferResponse:
    """The V2 answer, with the outputs that were asked for, or all of them."""
    if isinstance(result, InlineVideo):
        values = {name: read(result) for name, read in INLINE.items()}
    else:
        values = {name: read(result) for name, read in STORED.items()}
    asked = [output.name for output in request.request_outputs or []]
    return InferResponse(
        response_id=request.id or "",
        model_name=request.model_name,
        infer_outputs=[_output(name, values[name]) for name in asked or values],
        requested_outputs=request.request_outputs,
        use_binary_outputs=request.use_binary_outputs,
    )


def _output(name: str, value: str) -> InferOutput:
    datatype = _datatype(name)
    if datatype == "INT64":
        return InferOutput(name, [1], datatype, np.array([int(value)], dtype=np.int64))
    return InferOutput(name, [1], datatype, np.array([value], dtype=np.object_))


def _datatype(output: str) -> str:
    return "INT64" if output == "seed" else "BYTES"


def _check_outputs(request: InferRequest, output: Output) -> None:
    """Refuse unknown outputs before a GPU works for them."""
    known = INLINE if output is Output.inline else STORED
    for asked in request.request_outputs or []:
        if asked.name not in known:
            raise InvalidRequest(
                f"unknown output {asked.name!r}; with output={output.value} there are: {', '.join(known)}",
                field="outputs",
            )


def _only_element(tensor: InferInput) -> Any:
    try:
        # Lists are taken as they are: numpy would cut 9.5 to 9 without a word.
        values = np.array(tensor.data, dtype=np.object_) if tensor.data else tensor.as_numpy()
    except Exception as error:
        raise MalformedRequest(
            f"input {tensor.name!r} does not hold what its shape and datatype say", field=tensor.name
        ) from error
    if values.size != 1 or math.prod(tensor.shape) != 1:
        raise InvalidRequest(f"input {tensor.name!r} must have exactly one element", field=tensor.name)
    return _plain(values.reshape(-1).tolist()[0], tensor.name)


def _plain(value: Any, name: str) -> Any:
    """A Python value; FP32 loses what it never had, so that 6.1 is 6.1 and not 6.099999904632568."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedRequest(f"input {name!r} is not UTF-8", field=name) from error
    if isinstance(value, float) and INPUTS.get(name) == "FP32":
        return float(str(np.float32(value)))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
