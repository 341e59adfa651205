"""Try every combination of knobs on a load, and keep those that no other one beats in both wait and cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.scaling.load import Load
from bench.scaling.policy import Policy
from bench.scaling.simulation import Outcome, simulate

WINDOWS = (6, 15, 30, 60, 120, 300)
RETENTIONS = (0, 600)
DELAYS = (0, 60)


@dataclass(frozen=True)
class Trial:
    """A policy and what it did."""

    policy: Policy
    outcome: Outcome

    @property
    def wait(self) -> float:
        """Return the 95th percentile of the waits, in seconds."""
        return self.outcome.wait(95)

    @property
    def ratio(self) -> float:
        """Return paid / used."""
        return self.outcome.ratio


def grid(most: Iterable[int], least: Iterable[int] = (0,), windows: Iterable[int] = WINDOWS) -> list[Policy]:
    """Return policies with every combination of windows, retentions, delays and the replicas given here."""
    knobs = itertools.product(windows, RETENTIONS, DELAYS, least, most)
    return [
        Policy(window, retention, delay, low, high)
        for window, retention, delay, low, high in knobs
        if low <= high
    ]


def trials(policies: Iterable[Policy], load: Load) -> list[Trial]:
    """Return what each policy does with the load."""
    return [Trial(policy, simulate(policy, load)) for policy in policies]


def frontier(tried: Sequence[Trial]) -> list[Trial]:
    """Return the trials that no other one beats in both figures, the shortest wait first."""
    best: list[Trial] = []
    for one in sorted(tried, key=lambda trial: (trial.wait, trial.ratio)):
        if not best or one.ratio < best[-1].ratio:
            best.append(one)
    return best


def cheapest(tried: Sequence[Trial], wait: float) -> Trial | None:
    """Return the cheapest trial whose 95th percentile is within the wait; None if there is none."""
    return min((one for one in tried if one.wait <= wait), key=lambda trial: trial.ratio, default=None)
