"""GET /metrics and GET /metrics/targets. Neither needs a key: Prometheus sends none unless it is made to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder

from eventing.api.dependencies import ContainerDep
from eventing.api.metrics.exposition import Exposition
from eventing.api.metrics.levels import LevelReader
from eventing.contract.records.models import Frozen

router = APIRouter(tags=["operation"])


class Target(Frozen):
    """Where to scrape, in the form of Prometheus' HTTP service discovery."""

    targets: list[str]
    labels: dict[str, str]


@router.get("/metrics", response_class=Response)
async def metrics(
    request: Request, container: ContainerDep, accept: Annotated[str, Header()] = ""
) -> Response:
    """Return Prometheus metrics; OpenMetrics, with exemplars, to those who accept it.

    Gauges of jobs, slots and messages are read from the database, so every replica shows the same.
    """
    reader: LevelReader = request.app.state.levels
    levels, current = await reader.read()
    encode, media_type = choose_encoder(accept)
    return Response(encode(Exposition(container, levels, current=current)), media_type=media_type)


@router.get("/metrics/targets")
async def targets(container: ContainerDep) -> list[Target]:
    """List the predictors of this machine for Prometheus' http_sd_configs; none on a cluster.

    Their metrics need the token of REELZERO_PREDICTOR_TOKEN, where it is set.
    """
    return [
        Target(targets=[each.address], labels={"model": each.model})
        for each in container.predictors()
        if each.address
    ]
