"""A pool of slots: how many jobs of which models and lanes may run at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Pool:
    """Jobs of these (model, lane) pairs share `capacity` slots."""

    name: str
    capacity: int
    routes: tuple[tuple[str, str], ...]
    idle_seconds: float = 0.0  # how long a predictor stays awake after a job
    always_on: int = 0  # predictors that never stop: those of the first slots

    def idle(self, slot: int, gap: float) -> float:
        """Return for how long the predictor of a slot was awake in a gap between two jobs, in seconds."""
        return max(0.0, gap if slot <= self.always_on else min(gap, self.idle_seconds))


@dataclass(frozen=True)
class PredictorState:
    """A predictor that this process started or lends: its process or address, and whether it works.

    `address` is the host and port of one that this process started and that serves.
    """

    model: str
    name: str
    state: Literal["starting", "working", "idle", "stopping"]
    address: str = ""
