"""Compute from arrivals, video length and cold start how many predictors a model needs, and what they cost.

Two formulas, both pure. Erlang C (A. K. Erlang, 1917; L. Kleinrock, Queueing Systems 1, 1975, eq. 3.40) gives
the wait for a free predictor where `maxReplicas` of them exist. How many are awake follows from Knative's
stable window: between the end of a video and the next arrival a predictor idles up to the window, and if
nothing arrives by then, it drains and the next video pays a cold start. With Poisson arrivals of `rate` a
second, that is exp(-rate x window) of all videos. bench/scaling simulates the autoscaler and is held against
this in a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR, DAY = 3600.0, 86_400.0  # seconds
MOST_PREDICTORS = 1000  # the largest capacity of an endpoint


@dataclass(frozen=True)
class Demand:
    """What a model is asked for, and what its predictors are like."""

    per_hour: float  # arrivals in a mean hour
    peak_per_hour: float  # in the busiest hour
    video_seconds: float  # on the device
    cold_start_seconds: float
    window_seconds: float
    drain_seconds: float
    gpus: int  # of one predictor


@dataclass(frozen=True)
class Size:
    """What the demand needs in a day."""

    busy_predictors: float  # that make videos, on average
    awake_predictors: float  # that are paid, on average
    max_replicas: int
    cold_starts: float
    expected_wait_seconds: float  # of a video in a mean hour
    peak_wait_seconds: float  # for a free predictor, in the busiest hour
    gpu_hours: float
    paid_per_used: float


def size(demand: Demand, wait_seconds: float) -> Size:
    """Return what a demand needs if the wait for a free predictor may be so long in the busiest hour.

    Raises ValueError if no number of predictors that an endpoint may have is enough.
    """
    rate = demand.per_hour / HOUR
    most = replicas(demand.peak_per_hour / HOUR, demand.video_seconds, wait_seconds)
    cold = math.exp(-rate * demand.window_seconds)
    awake = min(awake_predictors(demand), float(most))
    busy = rate * demand.video_seconds
    return Size(
        busy, awake, most, cold * rate * DAY,
        cold * demand.cold_start_seconds + wait(rate, demand.video_seconds, most),
        wait(demand.peak_per_hour / HOUR, demand.video_seconds, most),
        awake * demand.gpus * DAY / HOUR, awake / busy,
    )  # fmt: skip


def awake_predictors(demand: Demand) -> float:
    """Return how many predictors are paid on average: work, idling within the window, starts and drains."""
    rate = demand.per_hour / HOUR
    cold = math.exp(-rate * demand.window_seconds)
    ends = cold * rate * (demand.cold_start_seconds + demand.drain_seconds)
    return rate * demand.video_seconds + (1.0 - cold) + ends


def replicas(rate: float, video_seconds: float, wait_seconds: float) -> int:
    """Return the fewest predictors whose mean wait is within the limit. Raises ValueError if too many."""
    for count in range(math.floor(rate * video_seconds) + 1, MOST_PREDICTORS + 1):
        if wait(rate, video_seconds, count) <= wait_seconds:
            return count
    raise ValueError(f"it needs more than {MOST_PREDICTORS} predictors, the most that one endpoint may have")


def wait(rate: float, video_seconds: float, predictors: int) -> float:
    """Return the mean wait of Erlang C in seconds, for arrivals at random and lengths that vary as much."""
    load = rate * video_seconds
    if load >= predictors:
        return math.inf
    return waiting_share(load, predictors) * video_seconds / (predictors - load)


def waiting_share(load: float, predictors: int) -> float:
    """Return Erlang C: the share of videos that find all predictors busy. It is 1 without a steady state."""
    if load >= predictors:
        return 1.0
    blocked = 1.0  # Erlang B, by its recursion over the number of predictors
    for count in range(1, predictors + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1.0 - load / predictors * (1.0 - blocked))
