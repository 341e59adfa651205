"""Serve behind a proxy that adds a path prefix: https://example.com/video/ in front of http://replica/.

The prefix is the path of REELZERO_PUBLIC_URL. A proxy may strip it or pass it on; routes never see it.
Addresses that leave are relative to the host, so whether the proxy ends TLS does not matter.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventing.api.answers.problems import PREFIX


class PathPrefix:
    """ASGI middleware. `prefix` is empty, or begins with a slash and does not end with one.

    Without a prefix it still makes the framework's redirects relative: `/docs/` leads to `/docs`.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the prefix off the path, and put it before a Location on this host."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        own = f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}"

        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                path = headers.get("location", "").removeprefix(own)
                if path.startswith("/") and not path.startswith("//"):  # which would name another host
                    headers["location"] = self._prefix + path
            await send(message)

        inner = {**scope, "path": self._inner(scope["path"]), PREFIX: self._prefix}
        await self._app(inner, receive, prefixed)

    def _inner(self, path: str) -> str:
        """Return the path without the prefix."""
        if path == self._prefix:
            return "/"
        return path[len(self._prefix) :] if path.startswith(self._prefix + "/") else path
