"""The web page: prompt, progress, video. It uses the public API only."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"
# Videos come from S3, which has another origin; nothing else may be loaded from elsewhere.
POLICY = "default-src 'self'; media-src *; img-src * data:; frame-ancestors 'none'; base-uri 'none'"
router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=STATIC)


@router.get("/")
async def page() -> FileResponse:
    """The page."""
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return FileResponse(STATIC / "index.html", headers=headers)
