"""Estimate what a request will take, from jobs of the same model that have ended. Pure.

The work of a video is its pixels times its frames times its steps. Videos with half to twice the work are
alike: their median time for a unit of work, times the work, is what the request will take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from eventing.contract.catalog.entry import CatalogEntry
from eventing.contract.records.models import GenerationSpec

Basis = Literal["history", "catalog", "unknown"]
ALIKE = 2.0


@dataclass(frozen=True)
class Sample:
    """A video that was made: its work, the seconds from start to end, and those on the device.

    `cold_start` are the seconds from claim to start, if the predictor loaded its weights for it.
    """

    work: float
    seconds: float
    used: float
    cold_start: float | None = None


@dataclass(frozen=True)
class Expected:
    """The seconds that a video will take, those on the device, and from where that is known."""

    seconds: float | None
    used: float | None
    basis: Basis


def work_of(spec: GenerationSpec) -> float:
    """Return the work of a video."""
    return float(spec.width * spec.height * spec.num_frames * spec.num_inference_steps)


def expect(spec: GenerationSpec, entry: CatalogEntry, samples: Sequence[Sample]) -> Expected:
    """Return what a video will take: by videos that are alike, else by the catalog, else by any others."""
    work = work_of(spec)
    alike = [each for each in samples if 1 / ALIKE <= each.work / work <= ALIKE]
    if not alike and (seconds := by_catalog(spec, entry)):
        return Expected(seconds, seconds, "catalog")
    if not (known := alike or samples):
        return Expected(None, None, "unknown")
    seconds = median(each.seconds / each.work for each in known) * work
    return Expected(seconds, median(each.used / each.work for each in known) * work, "history")


def by_catalog(spec: GenerationSpec, entry: CatalogEntry) -> float | None:
    """Return the expected seconds of the tier, which are those of the default video, by the work."""
    tier = entry.quality.named(spec.quality)
    if tier is None or tier.expected_seconds is None:
        return None
    width, height = entry.sizes[0]
    return tier.expected_seconds * work_of(spec) / (width * height * entry.frames.default * tier.steps)


def queue_wait(ahead: int, free: int, slots: int, seconds: float | None) -> float | None:
    """Return how long a job waits for a slot, if each of them is free again every so many seconds."""
    if ahead < free:
        return 0.0
    return None if seconds is None or not slots else (ahead + 1 - free) * seconds / slots


def cold_start(samples: Sequence[Sample], entry: CatalogEntry) -> float:
    """Return how long a cold start takes: the median of earlier ones, else the catalog's limit."""
    known = [each.cold_start for each in samples if each.cold_start is not None]
    return median(known) if known else float(entry.budget.cold_start_seconds)
