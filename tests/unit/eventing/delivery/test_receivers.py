"""Receivers as they are: none learns of another, and odd answers and addresses are taken as they are."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.contract.storage.s3_http import ObjectClient
from eventing.delivery.sender import Sender
from eventing.delivery.sink_binding import SinkBinding
from eventing.domain import destinations
from eventing.settings import Settings
from eventing.store.outbox import OutboxMessage, Try

SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
BODY = '{"specversion": "1.0", "id": "1"}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Raw:
    """A receiver that writes the bytes of `answer` and keeps each request's head and connection."""

    answer: bytes = OK
    port: int = 0
    heads: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                size = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
                await reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            self.heads.append(head)
            self.peers.append(str(writer.get_extra_info("peername")))
            writer.write(self.answer)
            await writer.drain()
        writer.close()

    @property
    def lines(self) -> list[str]:
        return [head.partition("\r\n")[0] for head in self.heads]


@asynccontextmanager
async def raw(answer: bytes = OK, host: str = "127.0.0.1") -> AsyncIterator[Raw]:
    receiver = Raw(answer)
    server = await asyncio.start_server(receiver.serve, host, 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


def row(target: str, destination: str = "webhook", owner: str = "ann") -> OutboxMessage:
    to = destinations.Sink() if destination == "sink" else destinations.Webhook(target)
    return OutboxMessage("msg_1", "e", "t", "j", owner, to, BODY, 0, "pending", None, 0, 0, None)


@asynccontextmanager
async def sending(**settings: object) -> AsyncIterator[Sender]:
    defaults = {"webhook_secrets": SECRET, "webhook_allow": "127.0.0.0/8", "webhook_timeout_seconds": 60.0}
    chosen = read(Settings, **defaults | settings)
    sender = Sender(
        chosen, ObjectClient(Bucket(S3Location("b", "http://127.0.0.1:1"))), SinkBinding(chosen, {})
    )
    try:
        yield sender
    finally:
        await sender.close()


async def send(target: str, **settings: object) -> Try:
    async with sending(**settings) as sender:
        return await sender.send(row(target))


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_cookie_and_no_connection_is_kept_between_deliveries(named: bool, host: str) -> None:
    cookie = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: who=ann; Path=/\r\n\r\n")
    async with raw(cookie) as receiver:
        allow = f"{host}:{receiver.port}" if named else "127.0.0.0/8"
        async with sending(webhook_allow=allow) as sender:
            for owner in ("ann", "bob"):
                assert (await sender.send(row(f"http://{host}:{receiver.port}/{owner}", owner=owner))).ok
    assert "cookie" not in "".join(receiver.heads).lower()
    assert len(set(receiver.peers)) == 2


async def test_a_cookie_of_a_webhook_does_not_reach_the_sink() -> None:
    cookie = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: who=ann; Path=/\r\n\r\n")
    async with raw(cookie) as receiver:
        here = f"localhost:{receiver.port}"
        async with sending(webhook_allow=here, sink_url=f"http://{here}/sink") as sender:
            assert (await sender.send(row(f"http://{here}/ann"))).ok
            assert (await sender.send(row("", "sink"))).ok
            assert (await sender.send(row("", "sink"))).ok
    assert "cookie" not in "".join(receiver.heads).lower()


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw() as proxy, raw() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await send(f"http://127.0.0.1:{receiver.port}/")).ok
    assert (proxy.heads, len(receiver.heads)) == ([], 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\n\r\nhello",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\ncut",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ],
)
@pytest.mark.parametrize("destination", ["webhook", "sink"])
async def test_a_success_is_one_whatever_its_body(answer: bytes, destination: str) -> None:
    async with raw(answer) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        async with sending(sink_url=url) as sender:
            for _ in range(2):
                outcome = await sender.send(row(url, destination))
                assert outcome.ok, outcome.error
    assert len(receiver.heads) == 2


@pytest.mark.parametrize(
    "tail, line",
    [
        ("", "/"), ("?x=1", "/?x=1"), ("/?", "/?"), ("/%7Euser/%2F%2f", "/%7Euser/%2F%2f"),
        ("/a//b/../c/./d/", "/a//b/../c/./d/"), ("/a?q=a+b%20c&e=%e4&s=%2B==", "/a?q=a+b%20c&e=%e4&s=%2B=="),
        ("/a;b=c@d:e!$&'()*,", "/a;b=c@d:e!$&'()*,"), ("/{x}|^`[]?[b]=1", "/{x}|^`[]?[b]=1"),
        ("/%zz", "/%zz"), ("/a?b?c", "/a?b?c"), ("/a#part", "/a"), ("/\u00e4?\u00f6=1", "/%C3%A4?%C3%B6=1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("destination", ["webhook", "sink"])
async def test_the_address_is_sent_as_it_was_given(tail: str, line: str, destination: str) -> None:
    async with raw() as receiver:
        url = f"http://127.0.0.1:{receiver.port}{tail}"
        async with sending(sink_url=url) as sender:
            outcome = await sender.send(row(url, destination))
    assert outcome.ok, outcome.error
    assert receiver.lines == [f"POST {line} HTTP/1.1"]


async def test_an_ipv6_address_with_its_port_can_be_on_the_list() -> None:
    async with raw(host="::1") as receiver:
        here = f"[::1]:{receiver.port}"
        for allow in (here, f"[0:0:0:0:0:0:0:1]:{receiver.port}", "::1/128"):
            outcome = await send(f"http://{here}/", webhook_allow=allow)
            assert outcome.ok, (allow, outcome.error)
        assert not (await send(f"http://{here}/", webhook_allow="[::1]:1")).ok


@pytest.mark.parametrize(
    "entry", ["example.com", "::1", "[::1]", "10.0.0.1/8", "a:b", "a:99999", "http://a:1", ":80"]
)
async def test_an_entry_of_the_list_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(ConfigurationError, match="REELZERO_WEBHOOK_ALLOW") as caught:
        await send("http://127.0.0.1:1/", webhook_allow=entry)
    assert entry in str(caught.value)
