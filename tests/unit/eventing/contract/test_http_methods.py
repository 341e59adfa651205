"""HEAD, OPTIONS and Allow, on routes as FastAPI nests them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from eventing.contract.http.http_methods import HeadAndOptions, allowed_methods


@pytest.fixture
def client() -> TestClient:
    app, router, inner = FastAPI(), APIRouter(prefix="/v1"), APIRouter()

    @inner.get("/{name}")
    async def read(name: str) -> str:
        return name

    @inner.delete("/{name}")
    async def delete(name: str) -> str:
        return name

    @router.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x"

        return StreamingResponse(parts())

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> JSONResponse:
        allowed = ", ".join(allowed_methods(request.app.routes, request.scope))
        return JSONResponse({}, error.status_code, {"Allow": allowed})

    router.include_router(inner, prefix="/jobs")
    app.include_router(router)
    app.add_middleware(HeadAndOptions)
    return TestClient(app)


def test_allow_lists_the_methods_of_all_routes(client: TestClient) -> None:
    for method, status in (("OPTIONS", 204), ("PATCH", 405), ("POST", 405)):
        answer = client.request(method, "/v1/jobs/a")
        assert (answer.status_code, answer.headers["Allow"]) == (status, "DELETE, GET, HEAD, OPTIONS")
    assert client.options("/v1/none/a").status_code == 404


def test_a_head_is_the_get_without_its_body(client: TestClient) -> None:
    got, head = client.get("/v1/jobs/a"), client.head("/v1/jobs/a")
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")
    assert client.head("/v1/none/a").status_code == 404


def test_a_head_of_an_endless_stream_ends(client: TestClient) -> None:
    assert client.head("/v1/endless").status_code == 200
