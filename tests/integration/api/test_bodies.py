"""Bodies that arrive in unusual ways get the same answer at every door, naming the header that is wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.api.deployment import PATIENCE, Deployment
from tests.integration.api.test_cloudevents import BATCH, STRUCTURED, TYPE, event

INFER = {
    "inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle"]}],
}


@dataclass(frozen=True)
class Door:
    """One way in with a body that works there."""

    path: str
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    media: str = "application/json"

    def field_of(self, answer: dict[str, Any]) -> Any:
        """The field that an error names, in the door's own format."""
        if self.path.startswith("/api/v1"):
            return answer["error"]["metadata"]["field"]
        return answer["error"]["param"] if self.path.startswith("/v1/videos") else answer.get("field")


PROMPT = {"prompt": "a red circle"}
BINARY = {"ce-specversion": "1.0", "ce-type": TYPE, "ce-source": "/s", "ce-id": "binary"}
DOORS = {
    "REST": Door("/v1/jobs", PROMPT),
    "OpenAI": Door("/v1/videos", PROMPT),
    "OpenAI, waiting": Door("/v1/videos/sync", PROMPT, {"Prefer": "respond-async"}),
    "OpenRouter": Door("/api/v1/videos", PROMPT),
    "V2": Door("/v2/models/tiny/infer", INFER, {"Prefer": "respond-async"}),
    "structured": Door("/events", event(), media=STRUCTURED["Content-Type"]),
    "batch": Door("/events", [event(id="batch")], media=BATCH["Content-Type"]),
    "binary": Door("/events", PROMPT, BINARY),
    "dead letter": Door("/events/dead-letter", event(), media=STRUCTURED["Content-Type"]),
    "dead letter in binary": Door("/events/dead-letter", PROMPT, BINARY),
}
JSON_DOORS = {name: door for name, door in DOORS.items() if door.media == "application/json"}
EVERY = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
shared_loop = pytest.mark.asyncio(loop_scope="session")


async def post(service: Deployment, door: Door, body: Any, **headers: str) -> tuple[int, Any]:
    """The status, and the field that the answer names."""
    sent = {"Content-Type": door.media} | door.headers | headers
    answer, got = await service.call("POST", door.path, data=body, headers=sent)
    return answer.status, door.field_of(got) if answer.status >= 400 else None


@EVERY
async def test_a_compressed_body_is_a_415_that_names_the_header(service: Deployment, door: Door) -> None:
    raw = json.dumps(door.body).encode()
    for encoding in ("gzip", "GZIP", "br", "identity, gzip", "x"):
        body = gzip.compress(raw) if "gzip" in encoding.lower() else raw
        status = await post(service, door, body, **{"Content-Encoding": encoding})
        assert status == (415, "content-encoding"), encoding
    assert (await post(service, door, raw, **{"Content-Encoding": "identity"}))[0] in (200, 202)


@EVERY
async def test_a_byte_order_mark_is_skipped(service: Deployment, door: Door) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(door.body).encode()
    assert (await post(service, door, raw))[0] in (200, 202)


@pytest.mark.parametrize("name", JSON_DOORS)
async def test_a_body_without_a_content_type_is_json(service: Deployment, name: str) -> None:
    door = JSON_DOORS[name]
    assert (await raw_post(service, door, b"")).startswith(b"HTTP/1.1 20")


@shared_loop
@pytest.mark.parametrize("name", ["REST", "OpenAI", "V2"])
@pytest.mark.parametrize("media", ["text/plain", "text/xml", "application/jsonx", "x", "application/json, x"])
async def test_a_wrong_content_type_is_a_415_that_names_the_header(
    shared: Deployment, name: str, media: str
) -> None:
    door = DOORS[name]
    status = await post(shared, door, json.dumps(door.body), **{"Content-Type": media})
    assert status == (415, "content-type")


@shared_loop
@pytest.mark.parametrize("name", sorted(set(DOORS) - {"dead letter in binary"}))  # which keeps any data
async def test_an_unknown_charset_is_a_415_that_names_the_header(shared: Deployment, name: str) -> None:
    door = DOORS[name]
    status = await post(
        shared, door, json.dumps(door.body), **{"Content-Type": door.media.partition(";")[0] + "; charset=x"}
    )
    assert status == (415, "content-type")


REFUSED_JSON = {
    "a name twice": b'{"prompt": "a", "prompt": "b"}',
    "not finite": b'{"prompt": NaN}',
    "too deep": b'{"prompt": ' + b"[" * 70 + b"]" * 70 + b"}",
    "too many values": b'{"prompt": [' + b"1," * 10_000 + b"1]}",
    "a long integer": b'{"seed": ' + b"9" * 4000 + b"}",
    "half a pair": b'{"prompt": "\\ud800"}',
    "80,000 unknown fields": b"{" + b",".join(b'"a%d":1' % number for number in range(80_000)) + b"}",
    "many unknown fields": b"{" + b",".join(b'"a%d":1' % number for number in range(5_000)) + b"}",
}


@shared_loop
@pytest.mark.parametrize("name", ["REST", "OpenAI", "V2", "binary"])
@pytest.mark.parametrize("body", REFUSED_JSON.values(), ids=REFUSED_JSON)
async def test_json_over_the_limits_is_refused(shared: Deployment, name: str, body: bytes) -> None:
    status, _ = await post(shared, DOORS[name], body)
    assert status in (400, 422)


@shared_loop
@pytest.mark.parametrize("name", ["REST", "OpenAI", "V2"])
async def test_an_empty_body_is_a_400(shared: Deployment, name: str) -> None:
    assert (await post(shared, DOORS[name], b""))[0] == 400


@EVERY
async def test_a_chunked_body_is_read(service: Deployment, door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(door.body).encode():
            yield bytes([byte])

    assert (await post(service, door, pieces()))[0] in (200, 202)


@EVERY
async def test_an_http_1_0_body_is_read(service: Deployment, door: Door) -> None:
    media = f"Content-Type: {door.media}\r\n".encode()
    assert (await raw_post(service, door, media, b"HTTP/1.0")).startswith(b"HTTP/1.1 20")


async def raw_post(service: Deployment, door: Door, headers: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Post over a plain socket, and return all that comes."""
    body = json.dumps(door.body).encode()
    own = "".join(f"{name}: {value}\r\n" for name, value in door.headers.items()).encode()
    head = b"POST %s %s\r\nHost: localhost\r\nConnection: close\r\n" % (door.path.encode(), version)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.service.port)
    writer.write(head + b"Content-Length: %d\r\n" % len(body) + own + headers + b"\r\n" + body)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return answer


FORM = "application/x-www-form-urlencoded"


@shared_loop
@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"&" * 1000, FORM, 400),
        (b"prompt=" + b"%41" * 50_000, FORM, 413),
        (b"prompt=x", f"{FORM}; charset=utf-16", 415),
        (b"--b\r\n", "multipart/form-data; boundary=b; charset=punycode", 415),
    ],
)
async def test_forms_have_limits(shared: Deployment, body: bytes, media: str, status: int) -> None:
    assert (await post(shared, DOORS["OpenAI"], body, **{"Content-Type": media}))[0] == status
