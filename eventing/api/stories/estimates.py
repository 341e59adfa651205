"""Define the answer to `POST /v1/stories?dry_run=true`: what a story would take."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eventing.api.dependencies import Container
from eventing.contract.records.models import Frozen
from eventing.stories.plan import Plan


class StepEstimateView(Frozen):
    """One step of a story that is not stored."""

    name: str
    uses: str
    needs: tuple[str, ...]
    expected_seconds: float = Field(description="Of one worker, which is awake.")


class StoryEstimateView(Frozen):
    """What a story would take, had it been submitted. Nothing is stored, and no address fetched."""

    object: Literal["story_estimate"] = "story_estimate"
    steps: tuple[StepEstimateView, ...] = Field(
        description="In an order in which each follows what it needs."
    )
    expected_seconds: float = Field(description="Until the film is there, on idle workers that are awake.")
    expected_cost: float | None = Field(description="Of all steps; null without a price.")
    currency: str | None


def story_estimate_view(plan: Plan, container: Container) -> StoryEstimateView:
    """Return the public face of a plan."""
    return StoryEstimateView(
        steps=tuple(
            StepEstimateView(
                name=step.name,
                uses=step.uses,
                needs=tuple(sorted(step.needs)),
                expected_seconds=round(step.seconds, 3),
            )
            for step in plan.story.steps
        ),
        expected_seconds=round(plan.expected_seconds, 3),
        expected_cost=None if plan.expected_cost is None else round(plan.expected_cost, 6),
        currency=None if plan.expected_cost is None else container.costs.currency,
    )
