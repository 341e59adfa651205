"""A closed connection is noticed at once, also while no code reads; bodies are bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from predictor.serving import connection
from predictor.serving.connection import ConnectionMiddleware, Message

SOON = 10.0


def scope(path: str = "/v2/models/tiny/infer", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": path, "headers": raw}


class Wire:
    """The server's side: messages to receive, in order."""

    def __init__(self, *messages: Message) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.messages.put_nowait(message)

    async def receive(self) -> Message:
        return await self.messages.get()

    async def send(self, _message: Message) -> None:
        """Drop the message: these tests read only what the application receives."""


def body(part: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": part, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


async def serve(app: Any, wire: Wire, the_scope: dict[str, Any] | None = None) -> None:
    async with asyncio.timeout(SOON):
        await ConnectionMiddleware(app)(the_scope or scope(), wire.receive, wire.send)


async def test_a_disconnect_runs_the_action_though_nobody_reads() -> None:
    wire, gone = Wire(body(b"{}")), asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        assert (await receive())["body"] == b"{}"
        caller = connection.current.get()
        assert caller is not None
        caller.when_gone(gone.set)
        wire.messages.put_nowait(GONE)
        await gone.wait()

    await serve(app, wire)
    assert connection.current.get() is None


async def test_an_action_given_after_the_disconnect_runs_at_once() -> None:
    called = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        caller = connection.current.get()
        assert caller is not None
        caller.when_gone(lambda: called.append(1))

    await serve(app, Wire(body(b"{}"), GONE))
    assert called == [1]


async def test_a_body_in_parts_arrives_whole() -> None:
    parts = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        more = True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message["more_body"]

    await serve(app, Wire(body(b"a", True), body(b"b", True), body(b"c")))
    assert parts == [b"a", b"b", b"c"]


async def test_a_body_over_the_limit_is_refused_while_it_arrives() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while True:
            await receive()

    half = b"x" * (connection.BODY_LIMIT // 2 + 1)
    with pytest.raises(HTTPException) as error:
        await serve(app, Wire(body(half, True), body(half, True), body(half, True)))
    assert error.value.status_code == 413


async def test_other_scopes_pass_untouched() -> None:
    seen = []

    async def app(inner: Any, receive: Any, _send: Any) -> None:
        seen.append((inner["type"], receive))

    wire = Wire()
    receive = wire.receive
    await ConnectionMiddleware(app)({"type": "lifespan"}, receive, wire.send)
    assert seen == [("lifespan", receive)]
