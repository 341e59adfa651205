"""Decode one element of a V2 tensor from JSON or from bytes, and encode it to bytes.

An element of BYTES in binary form is a 4-byte little-endian length and UTF-8 text. Numbers may have any
numeric datatype or be text, and so may truth values, since some clients cannot send the right one. A picture
is an address or a file: in binary form the file as it is, in JSON its base64. A file becomes a data: address.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.contract.records.pictures import FIELDS, INLINE, SCHEMES, inline

FORMATS = {
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q",
    "BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
FLOATS = frozenset({"FP16", "FP32", "FP64"})
SHOWN = 40  # characters of a wrong value that a message quotes


def check_tensor(name: str, datatype: Any, shape: Any) -> None:
    """Raise MalformedRequest or InvalidRequest unless this is one element of a known datatype."""
    if not isinstance(datatype, str) or (datatype != "BYTES" and datatype not in FORMATS):
        known = ", ".join(["BYTES", *FORMATS])
        raise MalformedRequest(
            f"input {name!r}: datatype must be one of {known}, not {str(datatype)[:SHOWN]!r}", field=name
        )
    if not isinstance(shape, list) or not all(type(side) is int and side >= 0 for side in shape):
        raise MalformedRequest(f"input {name!r}: shape must be a list of integers from 0", field=name)
    if any(side != 1 for side in shape):
        raise InvalidRequest(f"input {name!r}: must have one element, so its shape is [1]", field=name)


def from_json(name: str, datatype: str, data: Any) -> Any:
    """Return the element in nested lists of one item each. Raises MalformedRequest."""
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not _fits(datatype, data):
        raise MalformedRequest(f"input {name!r}: data must be one element of {datatype}", field=name)
    if isinstance(data, bytes):  # from a gRPC request
        return _text(name, data)
    if name in FIELDS and isinstance(data, str) and not data.startswith(SCHEMES):
        return INLINE + data
    return _plain(datatype, data)


def from_bytes(name: str, datatype: str, raw: bytes) -> Any:
    """Return the element in bytes that hold nothing else. Raises MalformedRequest."""
    try:
        if datatype != "BYTES":
            (value,) = struct.unpack("<" + FORMATS[datatype], raw)
            return _plain(datatype, value)
        (length,) = struct.unpack_from("<I", raw)
    except struct.error as error:
        raise MalformedRequest(f"input {name!r}: must hold one element of {datatype}", field=name) from error
    if length != len(raw) - 4:
        raise MalformedRequest(f"input {name!r}: must hold one element of BYTES", field=name)
    return _text(name, raw[4:])  # also a picture, if it is an address


def to_bytes(datatype: str, value: str | int) -> bytes:
    """Return the binary form of an element."""
    if datatype != "BYTES":
        return struct.pack("<" + FORMATS[datatype], value)
    text = str(value).encode()
    return struct.pack("<I", len(text)) + text


def _fits(datatype: str, data: Any) -> bool:
    """Tell whether a value has the datatype and is in its range. 7.0 is an integer, as in JSON."""
    if datatype == "BYTES":
        return isinstance(data, str | bytes)
    if datatype == "BOOL":
        return data in (0, 1)  # True and False are equal to them
    if isinstance(data, bool) or not isinstance(data, int | float):
        return False
    if datatype not in FLOATS and isinstance(data, float):
        if not data.is_integer():
            return False
        data = int(data)
    try:
        struct.pack("<" + FORMATS[datatype], data)
    except (struct.error, OverflowError):
        return False
    return True


def _text(name: str, raw: bytes) -> str:
    if name in FIELDS and not raw.startswith(tuple(scheme.encode() for scheme in SCHEMES)):
        return inline(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"input {name!r}: must be UTF-8", field=name) from error


def _plain(datatype: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    if datatype == "BOOL":
        return bool(value)
    return _shortest(float(value), FORMATS[datatype]) if datatype in FLOATS else int(value)


def _shortest(value: float, form: str) -> float:
    """Return the shortest number with the same bits: 6.1 for an FP32 that reads as 6.099999904632568."""
    for digits in range(1, 17):
        short = float(f"{value:.{digits}g}")
        with suppress(OverflowError):  # rounded up past the datatype's largest number
            if struct.pack(form, short) == struct.pack(form, value):
                return short
    return value
