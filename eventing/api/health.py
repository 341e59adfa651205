"""Liveness, readiness, metrics and the list of models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from eventing.api.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.metrics import DEPTH, PAUSED
from eventing.store.schema import check as check_schema

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def live() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(container: ContainerDep) -> dict[str, str]:
    """Jobs can be stored: the database answers, has room and the schema. Jobs wait for S3 and predictors."""
    await container.database.ping()
    await check_schema(container.database)
    return {"status": "ok"}


@router.get("/metrics", response_class=Response)
async def metrics(container: ContainerDep) -> Response:
    """Prometheus metrics. The gauges are read from the database, so every replica shows the same."""
    DEPTH.clear()
    for (model, lane, status), count in (await container.job_store.depths()).items():
        DEPTH.labels(model, lane, status).set(count)
    open_circuits = await container.claims.open_circuits()
    for endpoint in container.settings.endpoints:
        PAUSED.labels(endpoint.model, endpoint.lane).set((endpoint.model, endpoint.lane) in open_circuits)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models", tags=["models"])
async def models(container: ContainerDep, _: Owner) -> dict[str, Any]:
    """The models served here: what they can make, their lanes, and why a lane cannot start, if so."""
    unavailable = await container.claims.open_circuits() | container.served.obstacles()
    hidden = {"notes", "bundled", "offload", "vae_tiling"}
    data = [
        container.catalog.get(name).model_dump(mode="json", exclude=hidden)
        | {
            "id": name,
            "object": "model",
            "default": name == container.served.default(),
            "lanes": container.served.lanes(name),
            "unavailable": {lane: why for (model, lane), why in unavailable.items() if model == name},
        }
        for name in container.served.models()
    ]
    return {"object": "list", "data": data}
