"""CloudEvents 1.0.2 over HTTP as a pure codec: binary, structured and batch in, binary out.

Sources: the specification, its JSON format and its HTTP protocol binding. `data` is decoded where it is JSON
that can be stored, whatever carried it (a body in some charset, `data`, `data_base64`). Other data stays
bytes, and `json_data` says what is wrong with them: the event is one all the same, to be kept or announced.
Event objects are the SDK's; its own HTTP parsing is not used, since 1.x knows no batches, charsets or
percent-encoded headers.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from email.message import Message
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent

from eventing.contract import strictjson
from eventing.contract.errors import MalformedRequest, UnsupportedMedia

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("specversion", "id", "source", "type")
LONGEST_ATTRIBUTE = 256
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def decode(body: bytes, headers: Mapping[str, str]) -> list[CloudEvent]:
    """All events of a request; header names are lower case. Raises MalformedRequest, UnsupportedMedia."""
    media, charset = content_type(headers.get("content-type", ""))
    if media == BATCH:
        items = strictjson.read(body, charset)
        if not isinstance(items, list):
            raise MalformedRequest("a batch is a JSON array of events")
        return [_structured(item) for item in items]
    if media == STRUCTURED:
        return [_structured(strictjson.read(body, charset))]
    if media.startswith("application/cloudevents"):
        raise UnsupportedMedia(f"{media} is not read here; JSON is", field="content-type")
    return [_binary(body, headers)]


def json_data(event: CloudEvent) -> Any:
    """An event's data. Raises UnsupportedMedia if it is no JSON, MalformedRequest if it only says it is."""
    if not isinstance(event.data, bytes):
        return event.data
    media, charset = content_type(event.get("datacontenttype") or "")
    if not is_json(media):
        raise UnsupportedMedia("the data must be JSON", field="datacontenttype")
    return strictjson.loads(event.data, charset)


def bounded(events: list[CloudEvent]) -> list[CloudEvent]:
    """The events, none of which has an endless id, source or type. Raises MalformedRequest."""
    for event in events:
        for name in REQUIRED:
            if len(event[name]) > LONGEST_ATTRIBUTE:
                raise MalformedRequest(f"{name} may have {LONGEST_ATTRIBUTE} characters at most", field=name)
    return events


def encode_binary(event: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of an event given as its JSON format, with JSON data."""
    headers = {f"ce-{name}": quote(str(value), safe=PRINTABLE) for name, value in attributes(event).items()}
    return headers | {"content-type": "application/json"}, json.dumps(event.get("data")).encode()


def attributes(event: Mapping[str, Any]) -> dict[str, Any]:
    """The context attributes that are headers of their own in binary mode."""
    return {k: v for k, v in event.items() if k not in ("data", "data_base64", "datacontenttype")}


def to_json(event: CloudEvent) -> dict[str, Any]:
    """An event in its JSON format."""
    whole: dict[str, Any] = {name: str(event[name]) for name in event}
    if isinstance(event.data, bytes):
        return whole | {"data_base64": base64.b64encode(event.data).decode()}
    return whole if event.data is None else whole | {"data": event.data}


def content_type(header: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type header, of which only the beginning is read."""
    header = header[:LONGEST_ATTRIBUTE]  # Python's reader may need the square of its length
    message = Message()
    message["content-type"] = header
    media = header.partition(";")[0].strip().lower()
    return media, str(message.get_param("charset") or "utf-8")


def is_json(media: str) -> bool:
    """Whether data of this media type is JSON; data without a type is."""
    return media in ("", "application/json", "text/json") or media.endswith("+json")


def _binary(body: bytes, headers: Mapping[str, str]) -> CloudEvent:
    if "ce-specversion" not in headers:
        raise MalformedRequest("this is no CloudEvent: no ce-specversion header", field="specversion")
    found = {name[3:]: _header(value) for name, value in headers.items() if name.startswith("ce-")}
    if kind := headers.get("content-type"):
        found["datacontenttype"] = kind
    _check(found)
    return _event(found, body)


def _structured(item: Any) -> CloudEvent:
    if not isinstance(item, dict):
        raise MalformedRequest("a structured event is a JSON object")
    found = {k: v for k, v in item.items() if k not in ("data", "data_base64") and v is not None}
    _check(found)
    if "data_base64" not in item:
        return _event(found, _carried(item.get("data"), str(found.get("datacontenttype", ""))))
    if "data" in item:
        raise MalformedRequest("an event has data or data_base64, not both", field="data_base64")
    try:
        return _event(found, base64.b64decode(item["data_base64"], validate=True))
    except (binascii.Error, TypeError, ValueError) as error:
        raise MalformedRequest("data_base64 is not base64", field="data_base64") from error


def _carried(data: Any, kind: str) -> Any:
    """The member `data`: JSON that can be stored as it is, anything else in bytes."""
    if data is None or (is_json(content_type(kind)[0]) and strictjson.fits(data)):
        return data
    try:
        return (data if isinstance(data, str) and strictjson.fits(data) else json.dumps(data)).encode()
    except RecursionError as error:
        raise MalformedRequest("the data is nested too deeply to be read", field="data") from error


def _decoded(data: bytes, charset: str) -> Any:
    """JSON, or the bytes that are none."""
    try:
        return strictjson.loads(data, charset) if data else None
    except (MalformedRequest, UnsupportedMedia):
        return data


def _event(found: dict[str, Any], data: Any) -> CloudEvent:
    """An SDK event. JSON in bytes is decoded; other bytes stay what they are."""
    media, charset = content_type(str(found.get("datacontenttype", "")))
    if isinstance(data, bytes) and is_json(media):
        data = _decoded(data, charset)
    try:
        return CloudEvent({name: str(value) for name, value in found.items()}, data)
    except (GenericException, ValueError) as error:
        raise MalformedRequest(f"this is no CloudEvent: {error}") from error


def _check(found: dict[str, Any]) -> None:
    """Required context attributes: non-empty strings of printable text, and the version we speak."""
    for name in REQUIRED:
        value = found.get(name)
        if not isinstance(value, str) or not value.strip():
            raise MalformedRequest(f"the attribute {name} is missing or empty", field=name)
        if not value.isprintable():  # control characters, and halves of surrogate pairs
            raise MalformedRequest(f"{name} contains characters that cannot be printed", field=name)
    if found["specversion"] != "1.0":
        raise MalformedRequest(
            f"specversion must be 1.0, not {found['specversion'][:40]}", field="specversion"
        )
    strictjson.check(found)  # extensions are anybody's


def _header(value: str) -> str:
    """A header's value as the HTTP binding encodes it (3.1.3.2): quoted and percent-encoded, both perhaps."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest("a ce- header is not UTF-8 after percent-decoding") from error
