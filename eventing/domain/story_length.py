"""Tell how long the steps of a story take at least. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from eventing.domain.story import StoryStep

Pool = tuple[str, str]


def least_seconds(steps: Sequence[StoryStep], slots: Callable[[Pool], int]) -> float:
    """Return the seconds of the longest chain of steps, or of the busiest pool, if these are more.

    The steps are in their order of need. Cold starts and the jobs of others come on top.
    """
    ends: dict[str, float] = {}
    work: dict[Pool, float] = defaultdict(float)
    for step in steps:
        ends[step.name] = max((ends[name] for name in step.needs), default=0.0) + step.seconds
        work[pool_of(step)] += step.seconds
    shares = (seconds / max(1, slots(pool)) for pool, seconds in work.items())
    return max((*ends.values(), *shares), default=0.0)


def pool_of(step: StoryStep) -> Pool:
    """Return the model, or the step type, and the lane whose workers make a step."""
    return (str(step.parameters["model"]) if step.is_video else step.uses, step.lane)
