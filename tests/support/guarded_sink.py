"""A sink as Knative guards it: HTTPS by a private authority, and a token for its audience."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web

from tests.support.authority import Authority

AUDIENCE = "eventing.knative.dev/broker/reelzero/reelzero"


@dataclass
class GuardedSink:
    """Takes events with a token that `token` has issued last, and answers 401 to all others."""

    authority: Authority
    url: str = ""
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    refused: int = 0
    _issued: int = 0

    def token(self, audience: str = AUDIENCE) -> str:
        """A new token. Earlier ones are worth nothing from now on, as after their expiry."""
        self._issued += 1
        claims = {"aud": audience, "exp": time.time() + 600, "sub": "sinkbinding", "jti": str(self._issued)}
        return jwt.encode(claims, "s" * 32, algorithm="HS256")

    async def handle(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, "s" * 32, algorithms=["HS256"], audience=AUDIENCE)
            valid = claims["jti"] == str(self._issued)
        except jwt.PyJWTError:
            valid = False
        if not valid:
            self.refused += 1
            return web.Response(status=401)
        if request.method == "POST":
            self.events.put_nowait(json.loads(await request.text()))
        return web.Response()


@asynccontextmanager
async def guarded_sink(folder: Path) -> AsyncIterator[GuardedSink]:
    """Serve one on loopback."""
    sink, app = GuardedSink(Authority(folder)), web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=sink.authority.server()).start()
    sink.url = f"https://localhost:{runner.addresses[0][1]}/broker"
    try:
        yield sink
    finally:
        await runner.cleanup()


def mount(token_file: Path, token: str) -> None:
    """Put a token where the kubelet would: the file is replaced as a whole."""
    new = token_file.with_name("..new")
    new.write_text(token)
    new.replace(token_file)
