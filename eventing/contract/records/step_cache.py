"""Define how a tier may save work in the steps of a model: with results of earlier steps, so other frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from eventing.contract.records.frozen import Frozen


class StepCache(Frozen):
    """A step cache of diffusers. It makes a video sooner, and its frames differ from those without it."""

    method: Literal["first_block"] = Field(
        description="first_block: where the first block of the transformer gives almost what it gave in the "
        "step before, the change that the other blocks made there is used again."
    )
    threshold: float = Field(
        0.05, gt=0, le=1, description="Share by which the result of the first block may differ."
    )
