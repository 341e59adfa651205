"""Errors become answers here and nowhere else: RFC 9457 problem details that name the field.

Ways in with a form of their own (OpenAI, V2) register it for their path prefix; everything else gets
`application/problem+json`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from eventing.contract.errors import (
    InvalidRequest,
    MalformedRequest,
    ReelzeroError,
    TooLarge,
    UnsupportedMedia,
)

log = logging.getLogger(__name__)
Form = Callable[[ReelzeroError], dict[str, object]]
_forms: dict[str, tuple[Form, Mapping[int, int]]] = {}


class _Answer(JSONResponse):
    """JSON in ASCII: what is wrong may be a name that UTF-8 cannot carry."""

    def render(self, content: object) -> bytes:
        return json.dumps(content).encode()


class PlainHttp(ReelzeroError):
    """An HTTP error of the framework: no such path, wrong method."""


def register_form(prefix: str, form: Form, statuses: Mapping[int, int] | None = None) -> None:
    """Errors under this path prefix are answered in this form, as application/json.

    `statuses` replaces HTTP statuses that the protocol's clients would misread.
    """
    _forms[prefix] = (form, statuses or {})


def answer(error: ReelzeroError, path: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response for an error on a path."""
    headers = dict(headers or {})
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="reelzero"'
    for prefix, (form, statuses) in _forms.items():
        if path == prefix or path.startswith(prefix + "/"):
            return _Answer(form(error), statuses.get(error.status, error.status), headers)
    return _Answer(problem(error), error.status, headers, media_type="application/problem+json")


def problem(error: ReelzeroError) -> dict[str, object]:
    """RFC 9457 problem details; `code` is stable, `field` names what is wrong."""
    body: dict[str, object] = {
        "type": f"https://reelzero.dev/problems/{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    return body | ({"field": error.field} if error.field else {})


def install(app: FastAPI) -> None:
    """Register the handlers."""

    @app.exception_handler(ReelzeroError)
    async def _ours(request: Request, error: ReelzeroError) -> JSONResponse:
        if error.status >= 500:
            log.warning("answered %d: %s", error.status, error, exc_info=error)
        return answer(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(_from_validation(error), request.url.path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(_from_http(error), request.url.path, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error on %s", request.url.path, exc_info=error)
        hidden = ReelzeroError("an internal error; the operator finds it in the log")
        return answer(hidden, request.url.path)


def _from_validation(error: RequestValidationError) -> ReelzeroError:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        return MalformedRequest(f"the body is not JSON: {first.get('ctx', {}).get('error', '')}")
    field = ".".join(where[1:]) or where[0]
    return InvalidRequest(f"{field}: {first['msg'].removeprefix('Value error, ')}", field=field)


def _from_http(error: HTTPException) -> ReelzeroError:
    kinds: dict[int, type[ReelzeroError]] = {400: MalformedRequest, 413: TooLarge, 415: UnsupportedMedia}
    detail = str(error.detail)
    if detail == "There was an error parsing the body":  # FastAPI's words for undecodable bytes
        detail = "the body is not JSON in UTF-8"
    plain = kinds.get(error.status_code, PlainHttp)(detail)
    plain.status = error.status_code
    if isinstance(plain, PlainHttp):
        plain.code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return plain
