"""Read request bodies by their Content-Type, with the same errors on every route: JSON, and some forms.

A body without a Content-Type is JSON, since clients of V2 send none. limits.py refuses compressed bodies.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from eventing.contract.codecs import strictjson
from eventing.contract.errors import InvalidRequest, MalformedRequest, TooLarge, UnsupportedMedia
from eventing.contract.http import media_types
from eventing.contract.records.models import JobRequest
from eventing.contract.records.pictures import FIELDS, inline
from eventing.jobs import parse_request

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
NESTED = re.compile(r"^(\w{1,64})\[(.{1,64})\]$")  # metadata[shot]=1, as the SDKs write nested values
MOST_FIELDS = 64
URLENCODED_BYTES = 128 << 10  # decoding that many takes 20 ms; a prompt of 2000 characters has 24 KB


async def read_job_request(request: Request) -> JobRequest:
    """Return the job request in a JSON body, or in a form with pictures. Raises as `read_object`."""
    media, charset = media_types.parse(request.headers.get("content-type", ""))
    if media != MULTIPART:
        return parse_request(await read_object(request))
    _check_charset(charset)
    return parse_request(await _form(request, FIELDS))


JobBody = Annotated[JobRequest, Depends(read_job_request)]


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body. Raises MalformedRequest, UnsupportedMedia, InvalidRequest."""
    charset = media_types.json_charset(request.headers.get("content-type", ""))
    value = strictjson.loads(await request.body(), charset)
    if not isinstance(value, dict):
        raise InvalidRequest("the body must be a JSON object", field="body")
    return value


async def read_fields(request: Request, files: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of a JSON object or a form. Raises as `read_object`, and TooLarge.

    `files` are the fields that may be a file; its value is then a data: address.
    """
    media, charset = media_types.parse(request.headers.get("content-type", ""))
    if media not in (MULTIPART, URLENCODED):
        return await read_object(request)
    _check_charset(charset)
    if media == URLENCODED:
        _check_urlencoded(await request.body())
    return await _form(request, files)


def _check_charset(charset: str) -> None:
    if not media_types.is_utf8(charset):
        raise UnsupportedMedia("the charset of a form must be utf-8", field="content-type")


def _check_urlencoded(body: bytes) -> None:
    if len(body) > URLENCODED_BYTES:
        raise TooLarge(f"a form of this Content-Type may have {URLENCODED_BYTES} bytes; use {MULTIPART}")
    if body.count(b"&") + body.count(b";") > MOST_FIELDS:
        raise MalformedRequest(f"a form may have {MOST_FIELDS} fields at most")


async def _form(request: Request, files: Collection[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    longest = len(await request.body())  # bounded in limits.py; a text field may be a data: address
    async with request.form(max_files=4, max_fields=MOST_FIELDS, max_part_size=longest) as form:
        for name, value in form.multi_items():
            _put(fields, name, await _file(name, value, files) if isinstance(value, UploadFile) else value)
    return fields


async def _file(name: str, file: UploadFile, files: Collection[str]) -> str | None:
    """Return the data: address of a file; None for the empty one that browsers send for no choice."""
    if name not in files:
        known = f"; files are taken in {', '.join(files)}" if files else ""
        raise InvalidRequest(f"{name}: a file is not taken here{known}", field=name)
    body = await file.read()
    return inline(body) if body or file.filename else None


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    nested = NESTED.match(name)
    holder = fields.setdefault(nested[1], {}) if nested else fields
    key = nested[2] if nested else name
    if not isinstance(holder, dict) or key in holder:
        raise InvalidRequest(f"{name}: must be sent once", field=name)
    holder[key] = value
