"""Switch off KServe's routes that this predictor does not serve: V1, and loading and unloading of models.

V1 has no form for this model's inputs, and the one model of a predictor stays loaded.
"""

from __future__ import annotations

from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

V1 = "V1 is not served here: use V2, POST /v2/models/{model}/infer, /generate or /generate_stream"
REPOSITORY = "the model of this predictor stays loaded: it is neither loaded nor unloaded by a call"
ABSENT = {"/v1/": V1, "/v2/repository/": REPOSITORY}


class AbsentRoutes:
    """ASGI middleware that answers 404 with the reason, whatever the method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        path = str(scope.get("path", "")) + "/"
        reasons = [reason for prefix, reason in ABSENT.items() if path.startswith(prefix)]
        if scope["type"] != "http" or not reasons:
            await self._app(scope, receive, send)
            return
        body = {"error": reasons[0], "code": "not_found", "field": None}
        await JSONResponse(body, 404)(scope, receive, send)


class NoRepository(ModelRepositoryExtension):  # type: ignore[misc] # kserve ships no types
    """The same for gRPC."""

    async def load(self, model_name: str) -> None:
        """Refuse."""
        raise GrpcException(details=REPOSITORY, status_code=StatusCode.UNIMPLEMENTED)

    async def unload(self, model_name: str) -> None:
        """Refuse."""
        await self.load(model_name)
