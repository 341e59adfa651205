"""Serve `GET /v1/step-types`: what steps a story may have here."""

from __future__ import annotations

from fastapi import APIRouter

from eventing.api.callers.auth import Owner
from eventing.api.dependencies import ContainerDep
from eventing.api.stories.views import StepTypeList, step_type_view

router = APIRouter(prefix="/v1/step-types", tags=["stories"])


@router.get("")
async def step_types(container: ContainerDep, _: Owner) -> StepTypeList:
    """List the step types that have workers here, each with its inputs, outputs and parameters."""
    return StepTypeList(data=[step_type_view(kind) for kind in container.step_types.values()])
