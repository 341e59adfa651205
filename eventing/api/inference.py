"""Serve `/v2`: the Open Inference Protocol over the durable queue, for clients that use only V2.

`POST /v2/models/{model}/infer` queues a job, waits for its end and answers in the predictor's form, also
while no predictor runs. With `Prefer: respond-async` (RFC 7240) it answers 202 with the job's address at
once, and with `wait=N` after at most N seconds. A caller that disconnects cancels its job. If it has an
Idempotency-Key or the parameter `job_id`, the job goes on instead, since the caller can send it again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import JSONResponse

from eventing import __version__
from eventing.api.answers.waiting import Gone, JobFailed, hold, preference
from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.api.requests.limits import RELEASE
from eventing.api.requests.origin import V2Origin
from eventing.contract import v2
from eventing.contract.errors import InvalidRequest, ModelUnavailable, NotFound
from eventing.contract.records.models import JOB_ID_PATTERN
from eventing.domain.job import Job
from eventing.jobs import parse_request

router = APIRouter(prefix="/v2", tags=["v2 inference"])
of_model = APIRouter()  # below a model's path, and below that of its version
Model = Annotated[str, Path(max_length=64, description="A model served here.")]
_EXAMPLE = {
    "inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle moving right"]}],
    "outputs": [{"name": "video_uri"}],
}
_INFER = {
    # Described here as text: it may come more than once, and generators of clients know no lists in headers.
    "parameters": [
        {
            "name": "prefer",
            "in": "header",
            "required": False,
            "description": "respond-async, and wait=N in seconds (RFC 7240).",
            "schema": {"type": "string"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}, "example": _EXAMPLE}
        },
    },
}


@router.get("")
async def server() -> dict[str, Any]:
    """Return the server's metadata."""
    return {"name": "reelzero", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Answer while the process is alive."""
    return {"live": True}


@router.get("/health/ready")
async def ready(container: ContainerDep) -> dict[str, bool]:
    """Check that jobs can be stored."""
    await container.database.ping()
    return {"ready": True}


@router.get("/models")
async def models(container: ContainerDep, _: Owner) -> dict[str, list[str]]:
    """List the names of the models served here."""
    return {"models": container.served.models()}


async def served(model: Model, request: Request, container: ContainerDep) -> str:
    """Check that the path names a model served here, and a version that its metadata lists."""
    if not container.served.lanes(model):
        raise NotFound(f"model {model} is not served here")
    v2.require_version(container.catalog.get(model), request.path_params.get("version"))
    return model


Served = Annotated[str, Depends(served)]


@of_model.get("")
async def metadata(model: Served, container: ContainerDep, _: Owner) -> dict[str, Any]:
    """Return the model's metadata: its inputs, outputs and parameters."""
    parameters = {
        "job_id": "id of the job; the same id and request lead to the same job",
        "lane": f"one of {', '.join(container.served.lanes(model))}",
        "callback_url": "receives a signed webhook when the job ends",
        "start_within_seconds": "fail the job if it has not started by then",
        "reuse": "take the finished result of an equal request, if there is one; needs a seed",
        "priority": "take turns in the queue as priority + 1 owners would, as far as the API key allows it",
    }
    return v2.metadata(container.catalog.get(model), v2.STORED_OUTPUTS, parameters)


@of_model.get("/ready")
async def model_ready(model: Served, container: ContainerDep, _: Owner) -> dict[str, Any]:
    """Answer ready, also without a running predictor, unless every lane's predictors cannot start."""
    unavailable = await container.claims.open_circuits() | container.served.obstacles()
    lanes = container.served.lanes(model)
    if all((model, lane) in unavailable for lane in lanes):
        raise ModelUnavailable(f"the predictors of {model} do not start: {unavailable[model, lanes[0]]}")
    return {"name": model, "ready": True}


@of_model.post("/infer", openapi_extra=_INFER, responses={202: {"description": "Queued."}})
async def infer(model: Served, request: Request, container: ContainerDep, origin: V2Origin) -> Response:
    """Make a video and wait for it. With `Prefer: respond-async`, answer at once with the job's address."""
    call = v2.decode(b"".join([part async for part in request.stream()]), request.headers)
    v2.require_model(call.fields, model)
    job_id = _job_id(call.fields.get("job_id"))
    if call.fields.get("output") not in (None, "s3"):
        raise InvalidRequest("output: only s3; the predictor itself takes inline", field="output")
    fields = {name: value for name, value in call.fields.items() if name not in ("job_id", "output")}
    body, origin = parse_request({**fields, "model": model}), replace(origin, job_id=job_id)
    if body.n > 1:
        raise InvalidRequest("n: an answer of V2 has one video; use POST /v1/jobs for several", field="n")
    job, new = await container.jobs.submit(body, origin)
    call = replace(call, fields={})
    del body, fields  # they may hold pictures, and the job may take minutes
    request.scope[RELEASE]()
    is_repeatable = bool(job_id or origin.key) or not new
    is_async, wait = preference(request)
    patience = (wait or 0.0) if is_async else None
    try:
        job = await hold(container, request, job, patience, is_repeatable=is_repeatable)
    except Gone:
        return Response(status_code=499)
    return _answer(call, job) if job.status.is_terminal else _accepted(call, job, container)


router.include_router(of_model, prefix="/models/{model}")
router.include_router(of_model, prefix="/models/{model}/versions/{version}", include_in_schema=False)


def _job_id(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and re.fullmatch(JOB_ID_PATTERN, value)):
        raise InvalidRequest(f"job_id must match {JOB_ID_PATTERN}", field="job_id")
    return value


def _answer(call: v2.InferRequest, job: Job) -> Response:
    result = job.public_result
    if result is None:
        raise JobFailed(job)
    body, headers = v2.encode(call, job.model, result.revision, result)
    return Response(body, headers=headers)


def _accepted(call: v2.InferRequest, job: Job, container: Container) -> Response:
    where = f"/v1/jobs/{job.public_id}"
    body: dict[str, Any] = {
        "model_name": job.model,
        "parameters": {"job_id": job.public_id, "status": job.status},
        "warnings": container.prompts.warnings(job.video),  # beside them: a parameter of V2 is no list
    }
    headers = {"Location": where, "Preference-Applied": "respond-async", "Retry-After": "2"}
    return JSONResponse(body | ({"id": call.id} if call.id is not None else {}), 202, headers)
