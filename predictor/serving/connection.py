"""Notice closed connections at once, bound request bodies, and answer no request before its body has ended.

A framework notices a closed connection only when it reads or writes, and a job that runs for minutes does
neither. This ASGI middleware keeps reading after the body is complete, so it notices the disconnect at once,
and the job stops within one step.

An answer that begins while the body still arrives can be cut by a proxy: Go's HTTP/1.1 server, which is in
Knative's queue-proxy, then stops reading the body and closes the connection to the predictor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from eventing.contract.http import media_types

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY_LIMIT = 1 << 20  # bytes; a request is a prompt and a few numbers


class Caller:
    """The client of one HTTP request."""

    def __init__(self) -> None:
        self.gone = False
        self._on_gone: list[Callable[[], None]] = []

    def when_gone(self, action: Callable[[], None]) -> None:
        """Run an action when the connection closes, or now if it is closed."""
        self._on_gone.append(action)
        if self.gone:
            action()

    def leave(self) -> None:
        """Run the actions, because the connection is closed."""
        self.gone = True
        for action in self._on_gone:
            action()


current: ContextVar[Caller | None] = ContextVar("caller", default=None)  # None outside HTTP


async def check_encoding(request: Request) -> None:
    """Raise UnsupportedMedia for a compressed body. A dependency of every route that reads a body."""
    media_types.check_encodings(request.headers.getlist("content-encoding"))


class ConnectionMiddleware:
    """Watches every HTTP connection. Bounds bodies, and reads them to their end before the answer begins."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        pump = _Pump(receive)

        async def send_after_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await pump.drain()
            await send(message)

        token = current.set(pump.caller)
        try:
            await self.app(scope, pump.receive, send_after_body)
        finally:
            current.reset(token)
            pump.stop()


class _Pump:
    """Passes the body on, then waits for the disconnect by itself."""

    def __init__(self, receive: Receive) -> None:
        self.caller = Caller()
        self._receive = receive
        self._size = 0
        self._closed = asyncio.Event()
        self._waiter: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        if self._waiter is not None:
            await self._closed.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.caller.leave()
            return message
        self._size += len(message.get("body", b""))
        if not message.get("more_body"):  # also of a body over the limit: nothing more can be awaited
            self._waiter = asyncio.create_task(self._wait())
        if self._size > BODY_LIMIT:
            # FastAPI lets only this exception through while it reads a body.
            raise HTTPException(413, f"the body is over the limit of {BODY_LIMIT} bytes")
        return message

    async def drain(self) -> None:
        """Read the rest of a body that the application left unread; nothing past the limit."""
        with suppress(HTTPException):
            while self._waiter is None and not self.caller.gone:
                await self.receive()

    def stop(self) -> None:
        if self._waiter is not None:
            self._waiter.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._closed.set()
        self.caller.leave()
