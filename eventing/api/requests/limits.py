"""Bound request bodies in size and in time, and refuse compressed ones, before anything is parsed.

Where a request may bring pictures, a body may be larger. A few such bodies are in memory at once; for others
the answer is 503 with Retry-After, so that no number of callers can take the memory of a replica.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventing.api.answers.problems import answer
from eventing.contract.errors import MalformedRequest, ReelzeroError, TooLarge, Unavailable
from eventing.contract.http import media_types
from eventing.settings import Settings

DISCARD_BYTES = 64 << 20  # of a body over the limit that are read before the connection is closed
WITH_PICTURES = re.compile(
    r"/v1/jobs(/[^/]+)?|/v1/videos(/sync)?|/api/v1/videos|/v2/models/[^/]+(/versions/[^/]+)?/infer"
    r"|/v1/stories(/[^/]+(/revise)?)?|/events(/dead-letter)?"
)
RELEASE = "reelzero.release"  # in the scope: called by a route that holds its body no longer, but still runs
LARGE_AT_ONCE = 3  # bodies over the usual limit in one process, and so in its memory


@dataclass(frozen=True)
class Sizes:
    """The most bytes of a body: the usual limit, and that of a body with pictures."""

    usual: int
    large: int

    @classmethod
    def of(cls, settings: Settings) -> Sizes:
        """Return the limits of the settings. A picture in base64 takes a third more."""
        return cls(settings.max_body_bytes, settings.max_body_bytes + settings.max_picture_bytes * 4 // 3)

    def limit(self, path: str) -> int:
        """Return the limit for a path, without the path prefix of a proxy."""
        return self.large if WITH_PICTURES.fullmatch(path) else self.usual


class BodyLimits:
    """ASGI middleware that reads the whole body and passes it on or refuses it."""

    def __init__(self, app: ASGIApp, sizes: Sizes, seconds: float) -> None:
        self._app = app
        self._sizes = sizes
        self._seconds = seconds
        self._large = 0  # bodies over the usual limit that are in memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        reading = _Reading(self, self._sizes.limit(scope["path"]))
        scope = {**scope, RELEASE: reading.release}
        try:
            await self._serve(reading, scope, receive, send)
        finally:
            reading.release()

    def leave_large(self) -> None:
        """Count one body less."""
        self._large -= 1

    def enter_large(self) -> None:
        """Count a body over the usual limit. Raises Unavailable if too many are in memory."""
        if self._large >= LARGE_AT_ONCE:
            raise Unavailable("other large requests are being read; send this one again", retry_after=2)
        self._large += 1

    async def _serve(self, reading: _Reading, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                body = await reading.read(receive)
            media_types.check_encodings(Headers(scope=scope).getlist("content-encoding"))
        except TimeoutError:
            late = MalformedRequest(f"the body did not arrive within {self._seconds:g} s")
            await answer(late, scope, {"Connection": "close"})(scope, receive, send)
        except ReelzeroError as error:
            await answer(error, scope, {"Connection": "close"})(scope, receive, send)
        else:
            if body is not None:
                await self._app(scope, _replay(body, receive), send)

    def is_over_usual(self, size: int) -> bool:
        """Tell whether a body of this size counts as large."""
        return size > self._sizes.usual


class _Reading:
    """Reads one body."""

    def __init__(self, limits: BodyLimits, most: int) -> None:
        self._limits = limits
        self._max = most
        self.is_large = False

    async def read(self, receive: Receive) -> bytes | None:
        """Return the body; None if the client left. Raises TooLarge, Unavailable."""
        body, size, refusal = bytearray(), 0, None
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            refusal = refusal or self._refusal(size)
            if refusal is None:
                body += chunk
            # Read and drop the rest: a client that still writes would see a reset connection and not the
            # answer. A body without an end is cut.
            if not message.get("more_body") or size > DISCARD_BYTES:
                break
        if refusal:
            raise refusal
        return bytes(body)

    def release(self) -> None:
        """Give the place of a large body to another one."""
        if self.is_large:
            self.is_large = False
            self._limits.leave_large()

    def _refusal(self, size: int) -> ReelzeroError | None:
        """Return why a body that has this many bytes so far is not taken."""
        if size > self._max:
            return TooLarge(f"the body may have {self._max} bytes at most")
        if self._limits.is_over_usual(size) and not self.is_large:
            try:
                self._limits.enter_large()
            except Unavailable as error:
                return error
            self.is_large = True
        return None


def _replay(body: bytes, receive: Receive) -> Receive:
    rest: bytes | None = body

    async def replayed() -> Message:
        nonlocal rest
        if rest is None:
            return await receive()
        whole, rest = rest, None  # a request that waits for its job must not keep the body in memory
        return {"type": "http.request", "body": whole, "more_body": False}

    return replayed
