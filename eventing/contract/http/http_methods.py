"""Answer HEAD and OPTIONS on every path, and list the methods of a path for `Allow`.

FastAPI leaves HEAD and OPTIONS to each route. Here a HEAD runs the GET and drops its body; a stream is ended
at once. `Allow` lists the methods of all routes at a path; Starlette's own 405 lists only the first route's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def allowed_methods(routes: Sequence[BaseRoute], scope: Scope) -> list[str]:
    """List every method that the path of a request takes; none if there is no such path."""
    methods = {method for method in METHODS if _takes(routes, scope, method)}
    if any(isinstance(route, Mount) and route.matches(scope)[0] is Match.FULL for route in routes):
        methods.add("GET")  # mounted files
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods | {"OPTIONS"}) if methods else []


def _takes(routes: Sequence[BaseRoute], scope: Scope, method: str) -> bool:
    """Tell whether a route takes a method. Only `matches` can, as FastAPI nests included routers."""
    probe = {**scope, "method": method}
    return any(not isinstance(route, Mount) and route.matches(probe)[0] is Match.FULL for route in routes)


class HeadAndOptions:
    """ASGI middleware that answers HEAD and OPTIONS where a route does not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        routes = scope["app"].routes
        allowed = allowed_methods(routes, scope)
        if _takes(routes, scope, scope["method"]) or scope["method"] not in allowed:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={"Allow": ", ".join(allowed)})(scope, receive, send)
        else:
            await _head(self._app, scope, send)


async def _head(app: ASGIApp, scope: Scope, send: Send) -> None:
    """Run the GET of a HEAD: send its status and headers, and end it before its body."""
    head_is_sent = asyncio.Event()

    async def receive() -> Message:
        await head_is_sent.wait()
        return {"type": "http.disconnect"}

    async def send_start(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            head_is_sent.set()
        elif message.get("more_body"):
            raise ConnectionError("a HEAD has no body")  # ends a stream, as a closed connection does

    try:
        await app({**scope, "method": "GET"}, receive, send_start)
    except Exception:
        if not head_is_sent.is_set():
            raise
