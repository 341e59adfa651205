"""Add HTTP routes in front of KServe's: V2 infer and generate, readiness with its cause, metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from eventing.contract import v2
from eventing.contract.codecs import strictjson
from eventing.contract.codecs.stream import CompletedRecord, GenerateBody, InlineVideo, ProgressRecord
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.http import media_types
from eventing.contract.records.results import VideoResult
from predictor.device.run import Run
from predictor.generation.attempt import Attempt, assigned, make_attempt
from predictor.serving.connection import check_encoding
from predictor.serving.model import VideoModel
from predictor.serving.tracing import traceparent_of

PARAMETERS = {
    "output": "s3 (default) or inline",
    "job_id": "id under which the result is stored; a new one if absent",
    "attempt": "attempt number, from 1; a finished attempt returns its result and does not run again",
}


def install(app: FastAPI, model: VideoModel) -> None:
    """Add the routes below the model's path and its version's, in front of those that KServe adds later."""
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        app.include_router(_router(model), prefix=prefix)


def _router(model: VideoModel) -> APIRouter:
    router = APIRouter(dependencies=[Depends(_only(model))])
    uncompressed = [Depends(check_encoding)]

    @router.get("")
    async def metadata() -> dict[str, Any]:
        return v2.metadata(model.worker.entry, v2.OUTPUTS, PARAMETERS)

    @router.get("/ready")
    async def ready() -> JSONResponse:
        worker = model.worker
        if worker.ready:
            return JSONResponse({"name": model.name, "ready": True})
        cause = {"error": worker.cause, "code": worker.state.value, "name": model.name, "ready": False}
        return JSONResponse(cause, status_code=503)

    @router.post("/infer", dependencies=uncompressed)
    async def infer(request: Request) -> Response:
        call = v2.decode(await request.body(), request.headers)
        v2.require_model(call.fields, model.name)
        attempt = make_attempt(model.worker.entry, call.fields, traceparent_of(request))
        result = await model.finish(model.begin(attempt))
        body, headers = v2.encode(call, model.name, model.worker.entry.revision, result)
        return Response(body, headers=headers)

    @router.post("/generate_stream", dependencies=uncompressed)
    async def generate_stream(request: Request) -> StreamingResponse:
        run = model.begin(await read_attempt(model, request))
        stream = server_sent(run, model.heartbeat_seconds)
        headers = {"cache-control": "no-store"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @router.post("/generate", dependencies=uncompressed)
    async def generate(request: Request) -> JSONResponse:
        result = await model.finish(model.begin(await read_attempt(model, request)))
        return JSONResponse(_completed(result).model_dump(mode="json", exclude_none=True))

    return router


def _only(model: VideoModel) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that raises NotFound for another model or version than this one."""

    async def check(request: Request) -> None:
        name = request.path_params["name"]
        if name != model.name:
            raise NotFound(f"model {name} is not served here")
        v2.require_version(model.worker.entry, request.path_params.get("version"))

    return check


async def read_attempt(model: VideoModel, request: Request) -> Attempt:
    """Return the attempt in a generate body.

    Raises MalformedRequest, InvalidRequest naming the field, and UnsupportedMedia naming the header.
    """
    charset = media_types.json_charset(request.headers.get("content-type", ""))
    body = validated(GenerateBody, strictjson.loads(await request.body(), charset))
    entry, traceparent = model.worker.entry, traceparent_of(request)
    if assignment := body.assignment():
        return assigned(entry, assignment, traceparent)
    if "prompt" in body.parameters:
        raise InvalidRequest("the prompt belongs in text_input", field="parameters.prompt")
    return make_attempt(entry, {**body.parameters, "prompt": body.text_input}, traceparent)


async def server_sent(run: Run, heartbeat: float) -> AsyncIterator[bytes]:
    """Write the records as server-sent events: `data: {json}` and an empty line (WHATWG HTML, 9.2).

    A dispatcher of 0.1.0 refuses a record with `device_free`, and other callers have no use for it.
    """
    async for record in run.records(heartbeat):
        if isinstance(record, ProgressRecord) and record.device_free and not run.attempt.is_assigned:
            continue
        yield b"data: " + record.model_dump_json(exclude_none=True).encode() + b"\n\n"


def _completed(result: VideoResult | InlineVideo) -> CompletedRecord:
    if isinstance(result, InlineVideo):
        return CompletedRecord(inline=result)
    return CompletedRecord(result=result)
