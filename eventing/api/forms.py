"""Bodies that may come as JSON or as a form: one mapping of fields, whichever it was."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from eventing.contract import strictjson
from eventing.contract.errors import InvalidRequest, MalformedRequest, UnsupportedMedia

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
NESTED = re.compile(r"^(\w{1,64})\[(.{1,64})\]$")  # metadata[shot]=1, as the SDKs write nested values


async def read_fields(request: Request) -> dict[str, Any]:
    """The body's fields. Raises MalformedRequest, UnsupportedMedia, InvalidRequest."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media in FORMS:
        return await _form(request)
    if media != "application/json":
        raise UnsupportedMedia(
            "the body must be application/json or multipart/form-data", field="content-type"
        )
    fields = strictjson.loads(await request.body())
    if not isinstance(fields, dict):
        raise MalformedRequest("the body must be a JSON object")
    return fields


async def _form(request: Request) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    async with request.form(max_files=4, max_fields=64) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                told = f"{name}: a file is not taken here; videos are made from text only"
                raise InvalidRequest(told, field=name)
            _put(fields, name, value)
    return fields


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    nested = NESTED.match(name)
    holder = fields.setdefault(nested[1], {}) if nested else fields
    key = nested[2] if nested else name
    if not isinstance(holder, dict) or key in holder:
        raise InvalidRequest(f"{name}: given more than once", field=name)
    holder[key] = value
