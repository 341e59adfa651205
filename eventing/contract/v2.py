"""The Open Inference Protocol's `infer` as a pure codec: JSON and the binary tensor data extension.

Sources: the V2 REST specification and the binary tensor data extension. A binary request is JSON of
`Inference-Header-Content-Length` bytes, then the tensors that carry `binary_data_size`, in order. Elements of
BYTES are a 4-byte little-endian length and the bytes. Names of inputs and outputs are the predictor's.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.contract import strictjson
from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.contract.models import VideoResult

INPUTS = {
    "prompt": "BYTES",
    "negative_prompt": "BYTES",
    "width": "INT32",
    "height": "INT32",
    "num_frames": "INT32",
    "fps": "INT32",
    "seed": "INT64",
    "num_inference_steps": "INT32",
    "guidance_scale": "FP32",
    "quality": "BYTES",
}
OUTPUTS = {
    "video_uri": "BYTES",
    "poster_uri": "BYTES",
    "spritesheet_uri": "BYTES",
    "manifest_uri": "BYTES",
    "sha256": "BYTES",
    "seed": "INT64",
    "result": "BYTES",
}
FORMATS = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
TRANSPORT = frozenset({"binary_data_output", "binary_data_size", "binary_data"})


@dataclass(frozen=True)
class InferRequest:
    """What was asked: the fields from inputs and parameters, and how the outputs are wanted."""

    id: str | None
    fields: Mapping[str, Any]
    outputs: tuple[str, ...]
    binary: frozenset[str]


def decode(body: bytes, header_length: str | None) -> InferRequest:
    """The request in a body. Raises MalformedRequest, InvalidRequest naming the tensor."""
    head, tail = _split(body, header_length)
    request = _object(strictjson.loads(head), "the request")
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise MalformedRequest("inputs must be a list of tensors", field="inputs")
    fields = {k: v for k, v in _parameters(request).items() if k not in TRANSPORT}
    for item in inputs:
        tensor = _object(item, "an input")
        name = str(tensor.get("name"))
        if name not in INPUTS:
            raise InvalidRequest(f"unknown input {name!r}; known: {', '.join(INPUTS)}", field=name)
        fields[name], tail = _element(name, tensor, tail)
    if tail:
        raise MalformedRequest(f"{len(tail)} bytes follow the last tensor")
    outputs, binary = _outputs(request)
    request_id = request.get("id")
    return InferRequest(None if request_id is None else str(request_id), fields, outputs, binary)


def encode(request: InferRequest, model: str, result: VideoResult) -> tuple[bytes, int | None]:
    """The answer's body, and the length of its JSON if binary tensors follow."""
    values = output_values(result)
    outputs, tail = [], b""
    for name in request.outputs:
        tensor: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": [1]}
        if name in request.binary:
            raw = _raw(OUTPUTS[name], values[name])
            tensor["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            tensor["data"] = [values[name]]
        outputs.append(tensor)
    answer: dict[str, Any] = {"model_name": model, "model_version": result.revision, "outputs": outputs}
    answer["parameters"] = {"job_id": result.job_id}
    head = json.dumps(answer | ({"id": request.id} if request.id is not None else {})).encode()
    return head + tail, len(head) if request.binary else None


def output_values(result: VideoResult) -> dict[str, str | int]:
    """Every output by name."""
    return {
        "video_uri": result.video.uri,
        "poster_uri": result.poster.uri,
        "spritesheet_uri": result.spritesheet.uri,
        "manifest_uri": result.manifest_uri,
        "sha256": result.video.sha256,
        "seed": result.seed,
        "result": result.model_dump_json(),
    }


def tensors(kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Inputs or outputs as V2 metadata lists them."""
    return [{"name": name, "datatype": datatype, "shape": [1]} for name, datatype in kinds.items()]


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    # Nine digits are more than any body has; int() refuses thousands of them in its own way.
    if not re.fullmatch("[0-9]{1,9}", header_length) or int(header_length) > len(body):
        raise MalformedRequest(
            "Inference-Header-Content-Length must be the length of the JSON at the body's start",
            field="inference-header-content-length",
        )
    return body[: int(header_length)], body[int(header_length) :]


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRequest(f"{what} must be a JSON object")
    return value


def _parameters(holder: dict[str, Any]) -> dict[str, Any]:
    return _object(holder.get("parameters") or {}, "parameters")


def _outputs(request: dict[str, Any]) -> tuple[tuple[str, ...], frozenset[str]]:
    everything = _parameters(request).get("binary_data_output") is True
    asked = request.get("outputs") or [{"name": name} for name in OUTPUTS]
    if not isinstance(asked, list):
        raise MalformedRequest("outputs must be a list", field="outputs")
    names, binary = [], set()
    for item in asked:
        output = _object(item, "an output")
        name = str(output.get("name"))
        if name not in OUTPUTS:
            raise InvalidRequest(f"unknown output {name!r}; known: {', '.join(OUTPUTS)}", field="outputs")
        names.append(name)
        if _parameters(output).get("binary_data", everything) is True:
            binary.add(name)
    return tuple(names), frozenset(binary)


def _element(name: str, tensor: dict[str, Any], tail: bytes) -> tuple[Any, bytes]:
    """The one element of an input, and what is left of the binary data."""
    datatype, size = str(tensor.get("datatype")), _parameters(tensor).get("binary_data_size")
    if datatype != "BYTES" and datatype not in FORMATS:
        raise MalformedRequest(f"input {name!r} has no datatype of V2: {datatype}", field=name)
    _check_shape(name, tensor.get("shape"))
    if size is None:
        return _from_json(name, tensor.get("data"), datatype), tail
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail):
        raise MalformedRequest(f"input {name!r}: binary_data_size is not what follows", field=name)
    return _from_bytes(name, tail[:size], datatype), tail[size:]


def _check_shape(name: str, shape: Any) -> None:
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise MalformedRequest(f"input {name!r}: shape must be a list of integers", field=name)
    if any(side != 1 for side in shape):
        raise InvalidRequest(f"input {name!r} must have one element, not the shape {shape}", field=name)


def _from_json(name: str, data: Any, datatype: str) -> Any:
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    fits = isinstance(data, str) if datatype == "BYTES" else isinstance(data, int | float)
    if not fits:
        raise MalformedRequest(f"input {name!r}: data must be one element of {datatype}", field=name)
    return data


def _from_bytes(name: str, raw: bytes, datatype: str) -> Any:
    try:
        if datatype != "BYTES":
            (value,) = struct.unpack("<" + FORMATS[datatype], raw)
            return _plain(value, datatype)
        (length,) = struct.unpack_from("<I", raw)
        if length != len(raw) - 4:
            raise MalformedRequest(f"input {name!r} must hold one element", field=name)
        return raw[4:].decode("utf-8")
    except struct.error as error:
        raise MalformedRequest(f"input {name!r} does not hold one {datatype}", field=name) from error
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"input {name!r} is not UTF-8", field=name) from error


def _plain(value: Any, datatype: str) -> Any:
    """A float of 32 bits as it was meant: 6.1 and not 6.099999904632568."""
    return float(f"{value:.7g}") if datatype in ("FP32", "FP16") else value


def _raw(datatype: str, value: str | int) -> bytes:
    if datatype != "BYTES":
        return struct.pack("<" + FORMATS[datatype], value)
    text = str(value).encode()
    return struct.pack("<I", len(text)) + text
