"""A pool of slots: how many jobs of which models and lanes may run at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """Jobs of these (model, lane) pairs share `capacity` slots."""

    name: str
    capacity: int
    routes: tuple[tuple[str, str], ...]
