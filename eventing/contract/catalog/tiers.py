"""Define the quality tiers of a model: steps, guidance, and an adapter that was trained for so few steps."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from eventing.contract.records.loras import LoraChoices
from eventing.contract.records.models import Frozen, Guidance, Quality, Shift, Steps
from eventing.contract.records.step_cache import StepCache


class Tier(Frozen):
    """What one quality tier sets."""

    steps: Steps
    guidance: Guidance
    guidance_2: Guidance | None = Field(
        None, description="For the second transformer of a model that has two, which runs the last steps."
    )
    loras: LoraChoices = Field((), description="Adapters of the catalog that this tier turns on.")
    flow_shift: Shift | None = Field(
        None, description="Shift of the noise schedule in this tier; none: the model's."
    )
    step_cache: StepCache | None = Field(
        None, description="Use results of earlier steps again in this tier; none: compute every step."
    )
    expected_seconds: float | None = Field(
        None, gt=0, description="Published or measured time of the default video on the GPU of `notes`."
    )


class Tiers(Frozen):
    """The three tiers that every model offers, and the fast one of models that have an adapter for it."""

    turbo: Tier | None = None
    low: Tier
    medium: Tier
    high: Tier

    def named(self, quality: Quality) -> Tier | None:
        """Return the tier of a name; None if the model does not have it."""
        tier: Tier | None = getattr(self, quality)
        return tier

    def items(self) -> Iterator[tuple[Quality, Tier]]:
        """Yield the tiers that the model has, by name."""
        for quality in Quality:
            if tier := self.named(quality):
                yield quality, tier
