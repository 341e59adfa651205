"""Convert KServe's gRPC requests to fields, and results to gRPC answers, by the shared table of V2.

REST requests are decoded by eventing/contract/v2/codec.py instead. A number in a parameter may be text, since
KServe's gRPC client cannot send floats as parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from kserve.protocol.infer_type import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    to_http_parameters,
)

from eventing.contract import v2
from eventing.contract.codecs.stream import InlineVideo
from eventing.contract.errors import MalformedRequest
from eventing.contract.records.results import VideoResult


def read_fields(request: InferRequest) -> dict[str, Any]:
    """Return the fields of a request. Raises MalformedRequest or InvalidRequest naming the tensor."""
    fields = {name: value for name, value in _parameters(request).items() if name not in v2.TRANSPORT}
    for tensor in request.inputs:
        v2.check_input(tensor.name, fields)
        v2.check_tensor(tensor.name, tensor.datatype, list(tensor.shape))
        fields[tensor.name] = v2.from_json(tensor.name, tensor.datatype, _values(tensor))
    known, outputs = v2.output_names(fields.get("output")), set[str]()
    for output in request.request_outputs or []:
        v2.check_output(output.name, outputs, known)
        outputs.add(output.name)
    return fields


def answer(request: InferRequest, version: str, result: VideoResult | InlineVideo) -> InferResponse:
    """Return the answer with the outputs that the request names, or with all."""
    values = v2.output_values(result)
    names = [output.name for output in request.request_outputs or []]
    return InferResponse(
        response_id=request.id or "",
        model_name=request.model_name,
        model_version=version,
        infer_outputs=[_output(name, values[name]) for name in names or values],
        requested_outputs=request.request_outputs,
        use_binary_outputs=request.use_binary_outputs,
    )


def _parameters(request: InferRequest) -> dict[str, Any]:
    parameters: dict[str, Any] = to_http_parameters(request.parameters) if request.parameters else {}
    return parameters


def _values(tensor: InferInput) -> Any:
    """Return the values in nested lists. Raises MalformedRequest."""
    try:
        return tensor.data if isinstance(tensor.data, list) and tensor.data else tensor.as_numpy().tolist()
    except Exception as error:
        raise MalformedRequest(
            f"input {tensor.name!r}: must match its shape and datatype", field=tensor.name
        ) from error


def _output(name: str, value: str | int) -> InferOutput:
    array = np.array([value], dtype=np.int64 if isinstance(value, int) else np.object_)
    return InferOutput(name, [1], v2.OUTPUTS[name], array)
