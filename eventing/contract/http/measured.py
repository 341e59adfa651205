"""Count and time HTTP requests by the template of their route, never by their path.

`Measured` is the outermost middleware, so it sees what others refuse. `RouteNote` is the innermost: only
there is the scope the one that the router writes to. The two share a dict in the scope.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventing.contract.http.http_methods import METHODS
from eventing.contract.metrics.calls import HTTP_REQUESTS, HTTP_SECONDS
from eventing.contract.telemetry import exemplar

NOTE = "reelzero.route"
UNMATCHED = "unmatched"  # no route: an unknown path, or a request that was refused before the router


class Measured:
    """ASGI middleware that counts answers and times their heads."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note: dict[str, str] = {}
        begin = time.monotonic()
        answered = False

        def count(status: int) -> None:
            nonlocal answered
            answered = True
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = note.get("template", UNMATCHED)
            HTTP_REQUESTS.labels(method, route, str(status)).inc()
            HTTP_SECONDS.labels(method, route).observe(time.monotonic() - begin, exemplar=exemplar())

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app({**scope, NOTE: note}, receive, counted)
        except Exception:
            if not answered:
                count(500)  # the framework's outermost layer answers it
            raise


class RouteNote:
    """ASGI middleware that notes the template of the route for `Measured`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        note, root = scope.get(NOTE), scope.get("root_path", "")
        if note is None:
            await self._app(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note["template"] = template_of(scope, root)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            note.setdefault("template", template_of(scope, root))


def template_of(scope: Scope, root: str) -> str:
    """Return the template of the route that the router chose. `root` is the root path before it did.

    The template is made from the path and its parameters, because a route that is included with a prefix
    names only its own end.
    """
    if "route" in scope:
        return _filled(scope["path"], scope.get("path_params", {}))
    mount: str = scope.get("root_path", "")
    return mount.removeprefix(root) or UNMATCHED  # a mount has no route; its own path has no parameters


def _filled(path: str, params: Mapping[str, object]) -> str:
    """Return a path with its parameters' values replaced by their names, from right to left."""
    parts, end = path.split("/"), len(path.split("/"))
    for name, value in reversed(list(params.items())):
        places = [at for at in range(end) if parts[at] == str(value)]
        if not places:
            return UNMATCHED  # a parameter over several parts of a path: no route of ours has one
        end = places[-1]
        parts[end] = f"{{{name}}}"
    return "/".join(parts)
