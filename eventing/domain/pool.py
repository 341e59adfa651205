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


@dataclass(frozen=True)
class PredictorState:
    """A predictor that this process started or lends: its process or address, and whether it works.

    `address` is the host and port of one that this process started and that serves.
    """

    model: str
    name: str
    state: Literal["starting", "working", "idle", "stopping"]
    address: str = ""
