"""Bodies have a largest size and a latest arrival, checked while they come in, before anything is parsed."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventing.api.problems import answer
from eventing.contract.errors import MalformedRequest, ReelzeroError, TooLarge

DISCARD_BYTES = 64 << 20


class BodyLimits:
    """ASGI middleware that reads the body whole (it is small) and hands it on, or refuses it."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(receive)
        except TimeoutError:
            late = MalformedRequest(f"the body did not arrive within {self._seconds:g} s")
            await answer(late, scope["path"], {"Connection": "close"})(scope, receive, send)
        except ReelzeroError as error:
            await answer(error, scope["path"], {"Connection": "close"})(scope, receive, send)
        else:
            if body is not None:
                await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        body, size = bytearray(), 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._max:
                body += chunk
            # The rest is read and dropped: a client that still writes would otherwise see a reset
            # connection in place of our answer. What never ends is cut.
            if not message.get("more_body") or size > DISCARD_BYTES:
                break
        if size > self._max:
            raise TooLarge(f"the body may have {self._max} bytes at most")
        return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
