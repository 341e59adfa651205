"""Stream the files of a result from S3 through this service, whole or one byte range (RFC 9110, 14)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from eventing.api.answers.problems import answer
from eventing.api.dependencies import Container
from eventing.contract.errors import NotFound, StorageError, Unavailable, UnsatisfiableRange
from eventing.contract.records.results import StoredFile
from eventing.contract.storage.s3 import disposition

CHUNK = 256 << 10
UNSTORED = {"Cache-Control": "private, no-cache"}
AS_TYPED = {"X-Content-Type-Options": "nosniff"}  # a browser must not guess another type from the bytes
RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")


async def stream_file(
    container: Container, request: Request, file: StoredFile, name: str, *, attachment: bool = False
) -> Response:
    """Answer a GET or HEAD for a file. Raises NotFound, Unavailable."""
    tag = f'"{file.sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", **UNSTORED, **AS_TYPED}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if request.headers.get("if-range", tag) == tag:
        try:
            part = byte_range(request.headers.get("range"), file.bytes)
        except UnsatisfiableRange as error:
            return answer(error, request.scope, {"Content-Range": f"bytes */{file.bytes}"})
    else:
        part = None
    first, last = part or (0, file.bytes - 1)
    headers |= {
        "Content-Length": str(last - first + 1),
        "Content-Disposition": disposition(name, attachment=attachment),
    }
    if part:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.bytes}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=file.content_type)
    body = await _open(container, file, first, last)
    return StreamingResponse(_chunks(body), status, headers, file.content_type)


async def stream_manifest(container: Container, uri: str) -> Response:
    """Return a manifest, which is small and has no recorded size. Raises NotFound, Unavailable."""
    body = await read_object(container, container.bucket.key(uri))
    if body is None:
        raise NotFound("the file is no longer there")
    return Response(body, media_type="application/json", headers={**UNSTORED, **AS_TYPED})


async def read_object(container: Container, key: str) -> bytes | None:
    """Return a small object; None if there is no such object. Raises Unavailable."""
    try:
        return await asyncio.to_thread(container.bucket.get, key)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte; None for the whole file, several ranges, or other units.

    Raises UnsatisfiableRange.
    """
    match = RANGE.match((header or "").replace(" ", ""))
    if not match or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    first = int(start) if start else max(0, size - int(end))
    last = min(int(end), size - 1) if start and end else size - 1
    if start and end and int(end) < first:
        return None  # not a valid range: RFC 9110 says to ignore it
    if first >= size:
        raise UnsatisfiableRange(f"the file has {size} bytes")
    return first, last


async def _open(container: Container, file: StoredFile, first: int, last: int) -> Any:
    try:
        body = await asyncio.to_thread(container.bucket.open, container.bucket.key(file.uri), first, last)
    except StorageError as error:
        raise Unavailable("object storage cannot be reached", retry_after=5) from error
    if body is None:
        raise NotFound("the file is no longer there")
    return body


async def _chunks(body: Any) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(body.read, CHUNK):
            yield chunk
    finally:
        body.close()
