"""The web pages: `/` makes videos through the public API, `/docs` describes that API.

Neither loads anything from another host, so both work without the internet.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
# Videos come from S3, which has another origin; nothing else may be loaded from elsewhere.
POLICY = "default-src 'self'; media-src *; img-src * data: blob:; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=STATIC)
swagger_ui = StaticFiles(packages=[("fastapi_swagger", "resources")])


@router.get("/")
async def page() -> FileResponse:
    """Return the page that makes videos."""
    return FileResponse(STATIC / "index.html", headers=HEADERS)


@router.get("/docs")
async def docs() -> FileResponse:
    """Return the page that shows the OpenAPI document."""
    return FileResponse(STATIC / "docs.html", headers=HEADERS)
