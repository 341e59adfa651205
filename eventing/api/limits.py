"""Bound request bodies in size and in time, and refuse compressed ones, before anything is parsed."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventing.api.problems import answer
from eventing.contract import media_types
from eventing.contract.errors import MalformedRequest, ReelzeroError, TooLarge

DISCARD_BYTES = 64 << 20  # of a body over the limit that are read before the connection is closed


class BodyLimits:
    """ASGI middleware that reads the whole body, which is small, and passes it on or refuses it."""

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
            media_types.check_encodings(Headers(scope=scope).getlist("content-encoding"))
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
            # Read and drop the rest: a client that still writes would see a reset connection and not the
            # answer. A body without an end is cut.
            if not message.get("more_body") or size > DISCARD_BYTES:
                break
        if size > self._max:
            raise TooLarge(f"the body may have {self._max} bytes at most")
        return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replayed() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
