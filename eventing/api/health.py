"""Serve liveness, readiness and the list of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import Container, ContainerDep
from eventing.contract.errors import NotFound
from eventing.store.schema import check as check_schema

HIDDEN = {"notes", "bundled", "offload", "vae_tiling", "flow_shift", "engine"}
SHOWN = {"name", "title", "scale", "licence", "licence_notes"}  # of an adapter; not where its file is
router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def live() -> dict[str, str]:
    """Answer while the process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(container: ContainerDep) -> dict[str, str]:
    """Check that jobs can be stored: the database answers, has room and has this release's schema.

    S3 and predictors are not checked, since jobs wait for them.
    """
    await container.database.ping()
    await check_schema(container.database)
    return {"status": "ok"}


@router.get("/v1/models", tags=["models"])
async def models(container: ContainerDep, _: Owner) -> dict[str, Any]:
    """List the models served here: what they make, their lanes, and why a lane cannot start, if so."""
    obstacles = await container.claims.open_circuits() | container.served.obstacles()
    names = container.served.models()
    return {"object": "list", "data": [_model(container, name, obstacles) for name in names]}


@router.get("/v1/models/{model}", tags=["models"])
async def model(
    model: Annotated[str, Path(max_length=64)], container: ContainerDep, _: Owner
) -> dict[str, Any]:
    """Return one of the models served here."""
    if model not in container.served.models():
        raise NotFound(f"model {model} is not served here", field="model")
    obstacles = await container.claims.open_circuits() | container.served.obstacles()
    return _model(container, model, obstacles)


def _model(container: Container, name: str, obstacles: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return a model in OpenAI's form, with its catalog entry and its lanes beside it."""
    entry = container.catalog.get(name)
    return entry.model_dump(mode="json", exclude=HIDDEN) | {
        "id": name,
        "object": "model",
        "owned_by": (entry.repository or "reelzero").partition("/")[0],
        "default": name == container.served.default(),
        "inputs": entry.inputs,
        "quality": {name: tier.model_dump(mode="json") for name, tier in entry.quality.items()},
        "loras": [lora.model_dump(mode="json", include=SHOWN) for lora in entry.loras.values()],
        "lanes": container.served.lanes(name),
        "unavailable": {lane: cause for (model, lane), cause in obstacles.items() if model == name},
    }
