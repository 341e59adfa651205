"""Turn every error into an HTTP answer, in the error format of its path (see error_formats)."""

from __future__ import annotations

import json
import logging
import math

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from eventing.api.answers.error_formats import PROBLEM, format_of
from eventing.contract.codecs.validation import Words, refusal
from eventing.contract.errors import (
    MalformedRequest,
    ReelzeroError,
    TooLarge,
    UnsupportedMedia,
)
from eventing.contract.http.http_methods import allowed_methods
from eventing.contract.records.models import JobRequest
from eventing.metrics.requests import count_refusal

log = logging.getLogger(__name__)
PREFIX = "reelzero.prefix"  # of a request's scope: the path that a proxy puts before ours


class _Answer(JSONResponse):
    """JSON in ASCII: a message may quote half of a surrogate pair, which UTF-8 cannot encode."""

    def render(self, content: object) -> bytes:
        return json.dumps(content).encode()


class PlainHttp(ReelzeroError):
    """An error of the web framework, such as an unknown path or a wrong method."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")


def answer(error: ReelzeroError, scope: Scope, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the response for an error of a request, in the error format of its path."""
    headers = dict(headers or {})
    count_refusal(error.status)
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if not error.may_repeat:
        headers["x-should-retry"] = "false"  # OpenAI's SDKs repeat 409 and 5xx otherwise
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="reelzero"'
    form = format_of(scope["path"])
    body = form.body(error)
    if form is PROBLEM:
        body["type"] = f"{scope.get(PREFIX, '')}{body['type']}"
    status = form.statuses.get(error.status, error.status)
    return _Answer(body, status, headers, media_type=form.media_type)


def install(app: FastAPI) -> None:
    """Register the exception handlers."""

    @app.exception_handler(ReelzeroError)
    async def _ours(request: Request, error: ReelzeroError) -> JSONResponse:
        if error.status >= 500:
            log.warning("answered %d: %s", error.status, error, exc_info=error)
        return answer(error, request.scope)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(_from_validation(error), request.scope)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed_methods(request.app.routes, request.scope))
        return answer(_from_http(error), request.scope, headers)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected error on %s", request.url.path, exc_info=error)
        hidden = ReelzeroError("an internal error; the operator finds it in the log")
        return answer(hidden, request.scope)


def _from_validation(error: RequestValidationError) -> ReelzeroError:
    """Put FastAPI's error into words. Its paths begin with body, query, path or header."""
    part, *inner = error.errors()[0]["loc"]
    return refusal(error, Words(JobRequest.model_fields, skip=[part] if inner else []))


def _from_http(error: HTTPException) -> ReelzeroError:
    detail = str(error.detail)
    if detail == "There was an error parsing the body":  # FastAPI's words for undecodable bytes
        detail = "the body is not JSON in UTF-8"
    ours: dict[int, type[ReelzeroError]] = {400: MalformedRequest, 413: TooLarge, 415: UnsupportedMedia}
    kind = ours.get(error.status_code)
    return kind(detail) if kind else PlainHttp(detail, error.status_code)
