"""HTTP routes beside KServe's own: the V2 generate extension, readiness that says why, and full metadata.

Errors have the V2 form `{"error": "..."}` with the machine-readable `code` and `field` beside it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from eventing.contract import strictjson
from eventing.contract.errors import InvalidRequest, MalformedRequest, NotFound, ReelzeroError
from eventing.contract.models import VideoResult
from eventing.contract.stream import CompletedRecord, GenerateBody, InlineVideo
from eventing.contract.validation import Words, refusal, validated
from predictor.device.run import Run
from predictor.generation.attempt import Attempt, assigned, make_attempt
from predictor.generation.failures import sentence
from predictor.serving import tensors
from predictor.serving.model import VideoModel

KSERVE_PARTS = ("body", "InferenceRequest", "bytes")  # of its union type; they mean nothing to a caller
log = logging.getLogger(__name__)


def install(app: FastAPI, model: VideoModel) -> None:
    """Add routes and error handlers. First come, first served: ours go before KServe's."""
    router = APIRouter(prefix="/v2/models/{name}")

    def ours(name: str) -> VideoModel:
        if name != model.name:
            raise NotFound(f"this predictor serves {model.name}, not {name}")
        return model

    @router.get("")
    async def metadata(name: str) -> dict[str, Any]:
        return describe(ours(name))

    @router.get("/ready")
    async def ready(name: str) -> JSONResponse:
        worker = ours(name).worker
        if worker.ready:
            return JSONResponse({"name": name, "ready": True})
        return JSONResponse(
            {"error": worker.cause, "code": worker.state.value, "name": name, "ready": False}, status_code=503
        )

    @router.post("/generate_stream")
    async def generate_stream(name: str, request: Request) -> StreamingResponse:
        run = ours(name).begin(await read_attempt(model, request))
        stream = server_sent(run, model.heartbeat_seconds)
        return StreamingResponse(
            stream, media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    @router.post("/generate")
    async def generate(name: str, request: Request) -> JSONResponse:
        attempt = await read_attempt(ours(name), request)
        result = await model.finish(model.begin(attempt))
        return JSONResponse(_completed(result).model_dump(mode="json", exclude_none=True))

    app.include_router(router)
    app.add_exception_handler(ReelzeroError, _reelzero_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def describe(model: VideoModel) -> dict[str, Any]:
    """V2 model metadata, with the parameters and the catalog's limits as an extension."""
    entry = model.worker.entry
    return {
        "name": model.name,
        "versions": [entry.revision],
        "platform": f"diffusers_{entry.family}",
        "inputs": tensors.input_types(),
        "outputs": tensors.output_types(),
        "parameters": {
            "output": "s3 (default) or inline",
            "job_id": "id under which the result is stored; a fresh one if absent",
            "attempt": "attempt number, from 1; a finished attempt is answered, not repeated",
            "model": "must be this model, if given",
            "sizes": [f"{width}x{height}" for width, height in entry.sizes],
            "num_frames": entry.frames.describe(),
        },
    }


async def read_attempt(model: VideoModel, request: Request) -> Attempt:
    """The job in a generate body. Raises MalformedRequest or InvalidRequest naming the field."""
    body = validated(GenerateBody, strictjson.loads(await request.body()))
    entry, traceparent = model.worker.entry, request.headers.get("traceparent")
    if assignment := body.assignment():
        return assigned(entry, assignment, traceparent)
    if "prompt" in body.parameters:
        raise InvalidRequest("the prompt belongs in text_input", field="parameters.prompt")
    return make_attempt(entry, {**body.parameters, "prompt": body.text_input}, traceparent)


async def server_sent(run: Run, heartbeat: float) -> AsyncIterator[bytes]:
    """Records as server-sent events: `data: {json}` and an empty line (WHATWG HTML, 9.2)."""
    async for record in run.records(heartbeat):
        yield b"data: " + record.model_dump_json(exclude_none=True).encode() + b"\n\n"


def _completed(result: VideoResult | InlineVideo) -> CompletedRecord:
    if isinstance(result, InlineVideo):
        return CompletedRecord(inline=result)
    return CompletedRecord(result=result)


async def _reelzero_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ReelzeroError)  # noqa: S101 - registered for this class only
    log.info("refused", extra={"code": error.code, "field": error.field, "status": error.status})
    headers = {"retry-after": f"{error.retry_after:g}"} if error.retry_after else {}
    body = {"error": sentence(error), "code": error.code, "field": error.field}
    return JSONResponse(body, status_code=error.status, headers=headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    wrong = refusal(error, Words(skip=KSERVE_PARTS))
    return await _reelzero_error(request, MalformedRequest(wrong.message, field=wrong.field))


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses: no such route, a wrong method, a body that is too large or no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    code = {404: "not_found", 413: "body_too_large"}.get(error.status_code, "malformed_request")
    body = {"error": str(error.detail), "code": code, "field": None}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)
