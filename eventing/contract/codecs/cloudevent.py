"""Decode and encode CloudEvents 1.0.2 over HTTP: binary, structured and batch mode in, binary mode out.

Sources: the specification, its JSON format and its HTTP protocol binding. `decode` reads events without
checking them and `check` raises what is wrong with one. They are separate because one wrong event must not
refuse its batch, and because dead letters are kept even if they are wrong.

Data that is JSON and can be stored is decoded in every mode. Other data stays bytes, for which `json_data`
raises the reason. The official SDK is not used: its version 1 has no batches, charsets, percent-encoded
headers or types of extensions.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from eventing.contract.codecs import strictjson
from eventing.contract.errors import MalformedRequest, ReelzeroError, UnsupportedMedia
from eventing.contract.http import media_types

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("specversion", "id", "source", "type")
TEXTS = (*REQUIRED, "datacontenttype", "dataschema", "subject", "time", "traceparent")
LONGEST_ATTRIBUTE = 256  # characters of id, source and type
# The specification's "String" type: no control characters, noncharacters, or halves of surrogate pairs.
FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)
SURROGATES = re.compile("[\ud800-\udfff]")
PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True)
class Event:
    """An event that is read and not yet checked. `problem` is why a part of it could not be read."""

    attributes: Mapping[str, Any]
    data: Any = None
    problem: ReelzeroError | None = None

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def get(self, name: str) -> Any:
        """Return an attribute, or None."""
        return self.attributes.get(name)


def decode(body: bytes, headers: Mapping[str, str]) -> list[Event]:
    """Return the events of a request, unchecked. Header names must be in lower case.

    Raises MalformedRequest and UnsupportedMedia for a body that holds no events.
    """
    media, charset = media_types.parse(headers.get("content-type", ""))
    if media == BATCH:
        items = strictjson.read(body, charset)
        if not isinstance(items, list):
            raise MalformedRequest("a batch must be a JSON array of events")
        return [_structured(item) for item in items]
    if media == STRUCTURED:
        return [_structured(strictjson.read(body, charset))]
    if media.startswith("application/cloudevents"):
        raise UnsupportedMedia(f"{media} is not read here; use {STRUCTURED}", field="content-type")
    return [_binary(body, headers)]


def check(event: Event) -> None:
    """Raise MalformedRequest naming the first attribute that breaks the specification or a length limit."""
    if event.problem:
        raise event.problem
    for name in REQUIRED:
        _check_required(name, event.get(name))
    for name, value in event.attributes.items():
        _check_attribute(name, value)
    if event["specversion"] != "1.0":
        raise MalformedRequest(
            f"specversion must be 1.0, not {event['specversion'][:40]}", field="specversion"
        )


def is_named(event: Event) -> bool:
    """Tell whether source and id are valid, so that another event can refer to this one."""
    try:
        for name in ("source", "id"):
            _check_required(name, event.get(name))
            _check_attribute(name, event[name])
    except MalformedRequest:
        return False
    return True


def reference(event: Event) -> str | None:
    """Return the address in `dataref` of an event without data (the claim check of the dataref extension).

    Raises MalformedRequest if it is no text.
    """
    address = event.get("dataref")
    if address is None or event.data not in (None, b""):
        return None
    if not isinstance(address, str) or not address:
        raise MalformedRequest("the attribute dataref must be a URI", field="dataref")
    return address


def with_data(event: Event, body: bytes) -> Event:
    """Return the event with the data that its reference led to."""
    return replace(event, data=_decoded(dict(event.attributes), body))


def json_data(event: Event) -> Any:
    """Return the data. Raises UnsupportedMedia if its type is not JSON, MalformedRequest if it is wrong."""
    if not isinstance(event.data, bytes):
        return event.data
    media, charset = media_types.parse(str(event.get("datacontenttype") or ""))
    if not media_types.is_json(media):
        raise UnsupportedMedia("the data must be JSON", field="datacontenttype")
    return strictjson.loads(event.data, charset)


def encode_binary(event: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Return headers and body in binary mode of an event in its JSON format, whose data is JSON."""
    headers = {f"ce-{name}": quote(str(value), safe=PRINTABLE) for name, value in attributes(event).items()}
    return headers | {"content-type": "application/json"}, json.dumps(event.get("data")).encode()


def attributes(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context attributes that have headers of their own in binary mode."""
    return {k: v for k, v in event.items() if k not in ("data", "data_base64", "datacontenttype")}


def to_json(event: Event) -> dict[str, Any]:
    """Return an event in its JSON format. Values that JSON cannot carry become text."""
    whole = {storable(name): _storable_value(value) for name, value in event.attributes.items()}
    if isinstance(event.data, bytes):
        return whole | {"data_base64": base64.b64encode(event.data).decode()}
    return whole if event.data is None else whole | {"data": event.data}


def storable(text: str) -> str:
    """Replace halves of surrogate pairs, which UTF-8 cannot encode."""
    return SURROGATES.sub("\ufffd", text)


def _storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    return value if strictjson.fits(value) else json.dumps(value)


def _binary(body: bytes, headers: Mapping[str, str]) -> Event:
    context = {name[3:]: _text(value) for name, value in headers.items() if name.startswith("ce-")}
    if not context:
        raise MalformedRequest("the request is no CloudEvent: no ce- headers", field="specversion")
    if content_type := headers.get("content-type"):
        context["datacontenttype"] = content_type.replace("\t", " ")
    return Event(context, _decoded(context, body))


def _structured(item: Any) -> Event:
    if not isinstance(item, dict):
        return Event({}, problem=MalformedRequest("a structured event must be a JSON object"))
    context = {k: v for k, v in item.items() if k not in ("data", "data_base64") and v is not None}
    try:
        data, problem = _structured_data(context, item)
    except RecursionError:
        return Event({}, problem=MalformedRequest("the data is nested too deeply to be read", field="data"))
    if isinstance(item, strictjson.Repeated):
        problem = MalformedRequest(f"the event names {item.name()[:64]!r} twice", field=item.name())
    return Event(context, data, problem)


def _structured_data(context: dict[str, Any], item: dict[str, Any]) -> tuple[Any, ReelzeroError | None]:
    """Return the data of a structured event, and what is wrong with the members that carry it."""
    if "data_base64" not in item:
        return _json_or_bytes(context, item.get("data")), None
    both = {name: item[name] for name in ("data", "data_base64") if name in item}
    try:
        data = _decoded(context, base64.b64decode(item["data_base64"], validate=True))
    except (binascii.Error, TypeError, ValueError):
        return _as_bytes(both), MalformedRequest("data_base64 is not base64", field="data_base64")
    if "data" in item:
        problem = MalformedRequest("an event has data or data_base64, not both", field="data_base64")
        return _as_bytes(both), problem
    return data, None


def _json_or_bytes(context: dict[str, Any], data: Any) -> Any:
    """Return the member `data`: JSON that can be stored as it is, anything else as bytes."""
    fits = strictjson.fits(data)
    if data is None or (fits and media_types.is_json(_media(context)[0])):
        return data
    return data.encode() if isinstance(data, str) and fits else _as_bytes(data)


def _decoded(context: dict[str, Any], data: bytes) -> Any:
    """Return JSON where the bytes are JSON that can be stored, else the bytes."""
    media, charset = _media(context)
    if not media_types.is_json(media):
        return data
    try:
        return strictjson.loads(data, charset) if data else None
    except (MalformedRequest, UnsupportedMedia):
        return data


def _as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _media(context: dict[str, Any]) -> tuple[str, str]:
    return media_types.parse(str(context.get("datacontenttype", "")))


def _check_required(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise MalformedRequest(f"the attribute {name} is missing or empty", field=name)
    if len(value) > LONGEST_ATTRIBUTE:
        raise MalformedRequest(f"{name} may have {LONGEST_ATTRIBUTE} characters at most", field=name)


def _check_attribute(name: str, value: Any) -> None:
    if name in ("data", "data_base64"):
        raise MalformedRequest(f"no attribute may be named {name}", field=name)
    if name in TEXTS and not isinstance(value, str):
        raise MalformedRequest(f"the attribute {name[:64]} must be a string", field=name)
    if isinstance(value, str) and (wrong := FORBIDDEN.search(value)):
        is_pair = SURROGATES.match(wrong[0])
        what = "text that is not UTF-8" if is_pair else f"the character U+{ord(wrong[0]):04X}"
        raise MalformedRequest(f"{name[:64]} has {what}, which CloudEvents forbids", field=name)
    strictjson.check({name: value})  # extensions may have any JSON value


def _text(header: str) -> str:
    """Return a header's value by the HTTP binding (3.1.3.2): unquoted, then percent-decoded once.

    The SDKs for Go and Java send UTF-8 as it is, so that is read too; header values are Latin-1 here. Bytes
    that are not UTF-8 become halves of surrogate pairs, which `check` refuses.
    """
    if len(header) > 1 and header[0] == header[-1] == '"':
        header = re.sub(r"\\(.)", r"\1", header[1:-1])
    raw = header.encode("latin-1", "replace")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")
