"""Request heads over plain sockets: too long, too many headers, never ending, and what still works."""

from __future__ import annotations

import asyncio
import json

import pytest

from eventing.contract.http import bounded_http
from tests.integration.api.deployment import PATIENCE, Deployment

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


async def talk(service: Deployment, *pieces: bytes) -> bytes:
    """Send the pieces and return all that comes until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.service.port)
    answer = b""
    async with asyncio.timeout(PATIENCE):
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            answer = await reader.read()
        except ConnectionError:  # the server closes what still sends
            pass
    writer.close()
    return answer


ENDLESS = {
    "one header": b"X-A: " + b"a" * (1 << 20),
    "a header name": b"a" * (1 << 20),
    "a path": b"",
    "headers": b"".join(b"X-%d: %s\r\n" % (number, b"a" * 900) for number in range(100)),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_head_without_an_end_is_cut_at_its_limit(service: Deployment, name: str) -> None:
    start = REQUEST if name != "a path" else b"GET /" + b"a" * (1 << 20)
    answer = await talk(service, start + ENDLESS[name], *[b"b" * (1 << 16)] * 64)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert (await service.call("GET", "/healthz"))[0].status == 200


COMPLETE = {
    "a large header": b"X-A: " + b"a" * (65 << 10) + b"\r\n",
    "many headers": b"".join(b"X-%d: a\r\n" % number for number in range(200)),
    "many of the same": b"a:b\r\n" * 20_000,
}


@pytest.mark.parametrize("headers", COMPLETE.values(), ids=COMPLETE)
async def test_a_head_over_the_limits_is_a_431(service: Deployment, headers: bytes) -> None:
    answer = await talk(service, REQUEST + headers + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 "), head
    assert json.loads(body)["code"] == "headers_too_large"


@pytest.mark.parametrize("start", [b"", b"GET", REQUEST, REQUEST + b"X-A: a"])
async def test_a_head_that_never_ends_is_cut_after_its_time(
    service: Deployment, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.2)
    assert (await talk(service, start)).startswith(b"HTTP/1.1 408 ")


async def test_the_second_head_of_a_connection_has_the_same_time(
    service: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.service.port)
    async with asyncio.timeout(PATIENCE):
        writer.write(REQUEST + b"\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(REQUEST)
        assert b" 408 " in await reader.read()
    writer.close()


async def test_what_is_within_the_limits_is_served(service: Deployment) -> None:
    headers = {f"X-{number}": "a" * 500 for number in range(100)}
    assert (await service.call("GET", "/healthz", headers=headers))[0].status == 200
    body = json.dumps({"prompt": "x"}).encode() + b" " * 200_000  # more than a head may have, in one piece
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
    request = head + b"Content-Type: application/json\r\n"
    last = request + b"Connection: close\r\n\r\n" + body
    answer = await talk(service, (request + b"\r\n" + body) * 2 + last)
    assert answer.count(b"HTTP/1.1 202 ") == 3  # requests behind each other on one connection
