"""The web pages: `/` makes videos through the public API, `/docs` describes that API.

Neither loads code, styles or fonts from another host, so both work without the internet.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from eventing.api.dependencies import Container, ContainerDep

STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'self'; media-src 'self' blob:{media}; img-src 'self' data: blob:{media}; "
    "object-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {  # of every page; those that show files of the bucket allow its address too
    "Content-Security-Policy": POLICY.format(media=""),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may name a job
}
router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=STATIC)
swagger_ui = StaticFiles(packages=[("fastapi_swagger", "resources")])


@router.get("/")
async def page(container: ContainerDep) -> FileResponse:
    """Return the page that makes videos."""
    return await _file("index.html", container)


@router.get("/docs")
async def docs(container: ContainerDep) -> FileResponse:
    """Return the page that shows the OpenAPI document."""
    return await _file("docs.html", container)


async def _file(name: str, container: Container) -> FileResponse:
    policy = POLICY.format(media=await _bucket(container))
    return FileResponse(STATIC / name, headers=HEADERS | {"Content-Security-Policy": policy})


async def _bucket(container: Container) -> str:
    """Return the public origin of the bucket, whose pictures and videos the page shows."""
    address = urlsplit(await asyncio.to_thread(container.bucket.presign, "page", 1))
    return f" {address.scheme}://{address.netloc}"
