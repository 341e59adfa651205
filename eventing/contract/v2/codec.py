"""Decode V2 `infer` requests and encode their answers: JSON, and the binary tensor data extension.

Sources: the V2 REST specification and the binary tensor data extension. A binary request is JSON of
`Inference-Header-Content-Length` bytes. The tensors with a `binary_data_size` follow, in order. That header
decides and not the content type, since tritonclient sends none. Elements are decoded in elements.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.contract.codecs import strictjson
from eventing.contract.codecs.stream import InlineVideo
from eventing.contract.errors import MalformedRequest, UnsupportedMedia
from eventing.contract.http import media_types
from eventing.contract.records.results import VideoResult
from eventing.contract.v2 import elements
from eventing.contract.v2.table import (
    OUTPUTS,
    TRANSPORT,
    check_input,
    check_output,
    output_names,
    output_values,
)

LENGTH_HEADER = "inference-header-content-length"
BYTES = "application/octet-stream"
LENGTH = re.compile("[0-9]{1,9}")  # no body has a length of more digits
SHOWN = 64  # characters of an unknown name that a message quotes


@dataclass(frozen=True)
class InferRequest:
    """A request: the fields from its inputs and parameters, the outputs to return, and which are binary."""

    id: str | None
    fields: Mapping[str, Any]
    outputs: tuple[str, ...]
    binary: frozenset[str]


def decode(body: bytes, headers: Mapping[str, str]) -> InferRequest:
    """Decode a body. Header names are in lower case, or `headers` ignores their case.

    Raises UnsupportedMedia, MalformedRequest, or InvalidRequest naming the tensor.
    """
    _check_media(headers)
    head, tail = _split(body, headers.get(LENGTH_HEADER))
    request = strictjson.loads(head)
    if not isinstance(request, dict):
        raise MalformedRequest("the body must be a JSON object")
    request_id = request.get("id")
    if not isinstance(request_id, str | None):
        raise MalformedRequest("id: must be text", field="id")
    parameters = _parameters(request)
    fields = {name: value for name, value in parameters.items() if name not in TRANSPORT}
    _add_inputs(fields, request.get("inputs"), _Binary(tail))
    outputs, binary = _outputs(request, output_names(fields.get("output")))
    return InferRequest(request_id, fields, outputs, binary)


def encode(
    request: InferRequest, model: str, version: str, result: VideoResult | InlineVideo
) -> tuple[bytes, dict[str, str]]:
    """Return the body of the answer, and its headers."""
    values = output_values(result)
    outputs, parts = [], []
    for name in request.outputs:
        tensor: dict[str, Any] = {"name": name, "datatype": OUTPUTS[name], "shape": [1]}
        if name in request.binary:
            parts.append(elements.to_bytes(OUTPUTS[name], values[name]))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = [values[name]]
        outputs.append(tensor)
    answer: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": outputs}
    if isinstance(result, VideoResult):
        answer["parameters"] = {"job_id": result.job_id}
    if request.id is not None:
        answer["id"] = request.id
    head = json.dumps(answer).encode()
    if not parts:
        return head, {"content-type": "application/json"}
    headers = {"content-type": BYTES, LENGTH_HEADER: str(len(head))}
    return b"".join([head, *parts]), headers


class _Binary:
    """Hands out the bytes after the JSON, in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, name: str, size: Any) -> bytes:
        """Return the bytes of one tensor. Raises MalformedRequest if fewer are left."""
        left = len(self._data) - self._offset
        if type(size) is not int or not 0 <= size <= left:
            raise MalformedRequest(
                f"input {name!r}: binary_data_size must be a number of bytes that follow the JSON", field=name
            )
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def end(self) -> None:
        """Raise MalformedRequest if bytes are left."""
        if left := len(self._data) - self._offset:
            raise MalformedRequest(f"{left} bytes follow the last tensor", field=LENGTH_HEADER)


def _check_media(headers: Mapping[str, str]) -> None:
    """Raise UnsupportedMedia for a media type or charset that is not read here."""
    charset = media_types.json_charset(headers.get("content-type", ""), BYTES)
    if not media_types.is_utf8(charset):
        raise UnsupportedMedia("the charset of a V2 request must be utf-8", field="content-type")


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not LENGTH.fullmatch(header_length) or int(header_length) > len(body):
        raise MalformedRequest(
            "Inference-Header-Content-Length must be the length of the JSON at the body's start",
            field=LENGTH_HEADER,
        )
    return body[: int(header_length)], body[int(header_length) :]


def _add_inputs(fields: dict[str, Any], inputs: Any, binary: _Binary) -> None:
    """Add the element of every input to the fields. Raises for the first wrong input."""
    if not isinstance(inputs, list):
        raise MalformedRequest("inputs: must be a list of tensors", field="inputs")
    for item in inputs:
        tensor = _object(item, "inputs")
        name = _name(tensor, "inputs")
        check_input(name, fields)
        fields[name] = _element(name, tensor, binary)
    binary.end()


def _element(name: str, tensor: dict[str, Any], binary: _Binary) -> Any:
    elements.check_tensor(name, tensor.get("datatype"), tensor.get("shape"))
    parameters = _parameters(tensor, name)
    if "binary_data_size" not in parameters:
        return elements.from_json(name, tensor["datatype"], tensor.get("data"))
    if "data" in tensor:
        raise MalformedRequest(f"input {name!r}: give data or binary_data_size, not both", field=name)
    raw = binary.take(name, parameters["binary_data_size"])
    return elements.from_bytes(name, tensor["datatype"], raw)


def _outputs(request: dict[str, Any], known: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of the outputs to return, and of those in binary form."""
    everything = _flag(_parameters(request), "binary_data_output", False, "parameters")
    items = request.get("outputs")
    if items is None or items == []:
        return known, frozenset(known if everything else ())
    if not isinstance(items, list):
        raise MalformedRequest("outputs: must be a list", field="outputs")
    forms: dict[str, bool] = {}
    for item in items:
        output = _object(item, "outputs")
        name = _name(output, "outputs")
        check_output(name, forms, known)
        forms[name] = _flag(_parameters(output, "outputs"), "binary_data", everything, "outputs")
    return tuple(forms), frozenset(name for name, binary in forms.items() if binary)


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRequest(f"{field}: every one must be a JSON object", field=field)
    return value


def _name(holder: dict[str, Any], field: str) -> str:
    name = holder.get("name")
    if not isinstance(name, str):
        raise MalformedRequest(f"{field}: every one needs a name", field=field)
    return name[:SHOWN]


def _parameters(holder: dict[str, Any], field: str = "parameters") -> dict[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise MalformedRequest(f"{field}: parameters must be a JSON object", field=field)
    return parameters


def _flag(parameters: dict[str, Any], name: str, default: bool, field: str) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise MalformedRequest(f"{field}: {name} must be true or false", field=field)
    return value
