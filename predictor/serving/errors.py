"""Turn every error into an HTTP answer in the V2 form: `{"error": "…"}` with `code` and `field` beside it."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from eventing.contract.codecs.validation import Words, refusal
from eventing.contract.errors import MalformedRequest, ReelzeroError
from eventing.contract.http.http_methods import allowed_methods

CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Register the exception handlers."""
    app.add_exception_handler(ReelzeroError, _reelzero_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


async def _reelzero_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ReelzeroError)  # noqa: S101 - registered for this class only
    log.info("refused", extra={"code": error.code, "field": error.field, "status": error.status})
    headers = {"retry-after": f"{error.retry_after:g}"} if error.retry_after else {}
    body = {"error": error.sentence(), "code": error.code, "field": error.field}
    return JSONResponse(body, status_code=error.status, headers=headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    """Answer for KServe's own routes, whose types are not in eventing.contract."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    wrong = refusal(error, Words(skip=("body",)))
    return await _reelzero_error(request, MalformedRequest(wrong.message, field=wrong.field))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer errors of the framework: an unknown path, a wrong method, a body over the limit."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = CODES.get(error.status_code, "malformed_request")
    body = {"error": str(error.detail), "code": code, "field": None}
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(allowed_methods(request.app.routes, request.scope))
    return JSONResponse(body, status_code=error.status_code, headers=headers)
