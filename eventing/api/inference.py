"""`/v2`: the Open Inference Protocol over the durable queue, for clients that know no other address.

`POST /v2/models/{model}/infer` waits in the queue and answers as the predictor would, however cold the GPU.
With `Prefer: respond-async` (RFC 7240) it answers 202 with the job's address at once, with `wait=N` after
at most N seconds. A waiting caller who goes away cancels the job, for nobody else knows of it; one who named
it (Idempotency-Key, or the parameter `job_id`) may come back for it, and the job goes on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from eventing import __version__
from eventing.api.auth import Owner
from eventing.api.bodies import json_charset
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.origin import V2Origin
from eventing.api.waiting import Gone, until_ended
from eventing.contract import media_types, v2
from eventing.contract.errors import (
    Conflict,
    GenerationError,
    InvalidRequest,
    ModelUnavailable,
    NotFound,
    ReelzeroError,
    UnsupportedMedia,
)
from eventing.contract.models import JOB_ID_PATTERN
from eventing.domain.job import Job
from eventing.jobs import parse_request

WAIT = re.compile(r"^wait=(\d{1,5})$")
router = APIRouter(prefix="/v2", tags=["v2 inference"])
Model = Annotated[str, Path(max_length=64, description="A model served here.")]
_EXAMPLE = {
    "inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle moving right"]}],
    "outputs": [{"name": "video_uri"}],
}
_INFER = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}, "example": _EXAMPLE}
        },
    }
}


@router.get("")
async def server() -> dict[str, Any]:
    """Server metadata."""
    return {"name": "reelzero", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready")
async def ready(container: ContainerDep) -> dict[str, bool]:
    """Jobs can be taken."""
    await container.database.ping()
    return {"ready": True}


@router.get("/models")
async def models(container: ContainerDep, _: Owner) -> dict[str, list[str]]:
    """The names of the models served here."""
    return {"models": container.served.models()}


@router.get("/models/{model}")
async def metadata(model: Model, container: ContainerDep, _: Owner) -> dict[str, Any]:
    """Model metadata: the real inputs, outputs and parameters."""
    _served(container, model)
    entry = container.catalog.get(model)
    return {
        "name": model,
        "versions": [entry.revision],
        "platform": f"diffusers_{entry.family}",
        "inputs": v2.tensors(v2.INPUTS),
        "outputs": v2.tensors(v2.OUTPUTS),
        "parameters": {
            "job_id": "id of the job; the same id and request lead to the same job",
            "lane": f"one of {', '.join(container.served.lanes(model))}",
            "callback_url": "receives a signed webhook when the job ends",
            "start_within_seconds": "fail the job if it has not started by then",
            "sizes": [f"{width}x{height}" for width, height in entry.sizes],
            "num_frames": entry.frames.describe(),
        },
    }


@router.get("/models/{model}/ready")
async def model_ready(model: Model, container: ContainerDep, _: Owner) -> dict[str, Any]:
    """Ready also at zero predictors: the queue waits for them. Not if they are known not to start."""
    _served(container, model)
    unavailable = await container.claims.open_circuits() | container.served.obstacles()
    lanes = container.served.lanes(model)
    if all((model, lane) in unavailable for lane in lanes):
        raise ModelUnavailable(f"the predictors of {model} do not start: {unavailable[model, lanes[0]]}")
    return {"name": model, "ready": True}


@router.post("/models/{model}/infer", openapi_extra=_INFER, responses={202: {"description": "Queued."}})
async def infer(
    model: Model, request: Request, container: ContainerDep, origin: V2Origin,
    prefer: Annotated[list[str] | None, Header()] = None,
) -> Response:  # fmt: skip
    """Make a video and wait for it, or with `Prefer: respond-async` be told where to look."""
    _served(container, model)
    asked = await _decoded(request)
    fields = dict(asked.fields)
    job_id = _job_id(fields.pop("job_id", None))
    if fields.pop("output", "s3") != "s3":
        raise InvalidRequest("output: only s3; ask the predictor itself for inline", field="output")
    if fields.setdefault("model", model) != model:
        raise InvalidRequest(f"model: this is {model}", field="model")
    job, new = await container.jobs.submit(parse_request(fields), replace(origin, job_id=job_id))
    named = bool(job_id or origin.key) or not new
    try:
        job = await until_ended(container.watchers, request, job, _patience(prefer or []))
    except Gone:
        if not named:
            await container.jobs.cancel(job.id, origin.owner)
        return Response(status_code=499)
    return _answer(asked, job) if job.status.is_terminal else _accepted(asked, job)


async def _decoded(request: Request) -> v2.InferRequest:
    if not media_types.is_utf8(json_charset(request, "application/octet-stream")):
        raise UnsupportedMedia("the charset of a V2 request must be utf-8", field="content-type")
    return v2.decode(await request.body(), request.headers.get("inference-header-content-length"))


def _job_id(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and re.fullmatch(JOB_ID_PATTERN, value)):
        raise InvalidRequest(f"job_id must match {JOB_ID_PATTERN}", field="job_id")
    return value


def _patience(prefer: list[str]) -> float | None:
    """Return the seconds to wait. None means without limit: the caller sent no Prefer header."""
    wishes = [part.strip().lower() for line in prefer for part in re.split("[,;]", line)]
    if "respond-async" not in wishes:
        return None
    return next((float(match[1]) for wish in wishes if (match := WAIT.match(wish))), 0.0)


def _answer(asked: v2.InferRequest, job: Job) -> Response:
    if job.public_result is None:
        raise _failure(job)
    body, header_length = v2.encode(asked, job.model, job.public_result)
    if header_length is None:
        return Response(body, media_type="application/json")
    headers = {"Inference-Header-Content-Length": str(header_length)}
    return Response(body, media_type="application/octet-stream", headers=headers)


def _accepted(asked: v2.InferRequest, job: Job) -> Response:
    where = f"/v1/jobs/{job.public_id}"
    body: dict[str, Any] = {
        "model_name": job.model,
        "parameters": {"job_id": job.public_id, "status": job.status},
    }
    headers = {"Location": where, "Preference-Applied": "respond-async", "Retry-After": "2"}
    return JSONResponse(body | ({"id": asked.id} if asked.id is not None else {}), 202, headers)


def _failure(job: Job) -> ReelzeroError:
    cause = job.error.message if job.error else "no result"
    error: ReelzeroError = GenerationError(f"job {job.public_id} {job.status}: {cause}")
    if job.error and job.error.code == "cancelled":
        error = Conflict(f"job {job.public_id} was cancelled")
    if job.error:
        error.code = job.error.code
    if error.code in ("model_unavailable", "start_deadline_passed"):
        error.status = 503
    return error


def _served(container: Container, model: str) -> None:
    if not container.served.lanes(model):
        raise NotFound(f"model {model} is not served here")
