"""Refuse callers without the token (REELZERO_PREDICTOR_TOKEN), over HTTP and gRPC.

If no token is set, every caller is served. Health needs no token, since the kubelet and Knative send none;
metrics need it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import kserve.protocol.grpc.server as kserve_grpc
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = re.compile(r"/v2/health/(live|ready)|/v2/models/[^/]+(/versions/[^/]+)?/ready")
GRPC_HEALTH = ("ServerLive", "ServerReady", "ModelReady")
MESSAGE = "this predictor needs its token: Authorization: Bearer …, the value of REELZERO_PREDICTOR_TOKEN"


def install(app: FastAPI, token: str | None) -> None:
    """Check the token over both protocols, and in front of every middleware that was added before."""
    if token is None:
        return
    app.add_middleware(TokenCheck, token=token)
    # KServe's gRPC server takes no interceptors. This one replaces its request log, which is off here anyway.
    kserve_grpc.LoggingInterceptor = lambda: TokenInterceptor(token)


def matches(token: str, header: str) -> bool:
    """Compare an Authorization header with the token in constant time."""
    scheme, _, credential = header.partition(" ")
    equal = hmac.compare_digest(credential.strip().encode(), token.encode())
    return equal and scheme.lower() == "bearer"


class TokenCheck:
    """ASGI middleware for HTTP."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "lifespan" or self._admits(scope):
            await self._app(scope, receive, send)
            return
        body = {"error": MESSAGE, "code": "unauthorized", "field": None}
        headers = {"WWW-Authenticate": 'Bearer realm="reelzero predictor"', "Connection": "close"}
        await JSONResponse(body, 401, headers)(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        is_health = scope.get("method") in ("GET", "HEAD") and HEALTH.fullmatch(scope["path"]) is not None
        return is_health or matches(self._token, Headers(scope=scope).get("authorization", ""))


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc] # grpc ships no types
    """gRPC interceptor. The token is in the metadata `authorization`."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the method's handler, or one that refuses."""
        metadata = dict(handler_call_details.invocation_metadata)
        is_health = handler_call_details.method.rpartition("/")[2] in GRPC_HEALTH
        if is_health or matches(self._token, str(metadata.get("authorization", ""))):
            return await continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


async def _refuse(_request: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, MESSAGE)
