"""The proof: what no policy of Knative's knobs can go below for bursts that are far apart.

Let bursts of n jobs of J seconds come at once, each at least 2 x C + n x J seconds after the one before;
C is a cold start, longer than a tick. So even one pod is done with a burst before the next one comes. A share
q of all jobs is to begin within C and a tick of its burst. Take a pod and a burst of which it begins jobs
within that time. It begins at most k = 1 + floor((C + tick) / J) of them, one after the other. If it made no
video of an earlier burst, it started for C seconds before. If it did, it idled at least C seconds since the
burst before: starting and n x J seconds of work leave as much of the time in between. Either way the pair
cost C seconds without a video that no other pair counts. N jobs make at least q x N / k such pairs:

    paid / used >= 1 + q x C / (k x J).

The window, the drain and every other knob come on top. A property test holds the simulation against it.
"""

from __future__ import annotations

import math

from bench.scaling.policy import TICK


def within(cold_start: float) -> float:
    """Return the wait that counts as one cold start: only the first request at zero pods needs no tick."""
    return cold_start + TICK


def least_ratio(jobs: int, seconds: float, cold_start: float, percent: float = 95.0) -> float:
    """Return the least paid / used if the percentile of the waits is to be within one cold start."""
    share = (math.floor(percent / 100.0 * (jobs - 1)) + 1) / jobs
    return 1.0 + share * cold_start / (jobs_within(seconds, cold_start) * seconds)


def jobs_within(seconds: float, cold_start: float) -> int:
    """Return how many jobs a pod can begin within one cold start of their burst."""
    return 1 + math.floor(within(cold_start) / seconds)


def least_seconds(limit: float, cold_start: float, share: float = 0.95) -> float:
    """Return how long jobs must be for a ratio within the limit, where they are longer than a cold start."""
    return share * cold_start / (limit - 1.0)
