"""What a simulation is asked to serve: the jobs of a day, drawn from a seed, and the cold starts of pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DAY = 86_400.0  # seconds


@dataclass(frozen=True, order=True)
class Job:
    """One video."""

    at: float  # when it is submitted
    seconds: float  # for which it needs a pod


@dataclass(frozen=True)
class Load:
    """Jobs in the order of their times, and cold starts that pods take in turns."""

    jobs: tuple[Job, ...]
    cold_starts: tuple[float, ...]  # seconds from the creation of a pod until it takes a job
    span: float = DAY
    drain: float = 30.0  # the least that every end of a pod takes

    def cold_start(self, pod: int) -> float:
        """Return the seconds that a pod takes to start."""
        return self.cold_starts[pod % len(self.cold_starts)]

    @property
    def used(self) -> float:
        """Return the pod-seconds of all videos."""
        return sum(job.seconds for job in self.jobs)


def load(times: Iterable[float], seconds: float, cold_start: float, spread: float, seed: int) -> Load:
    """Return jobs at the times. Both lengths are lognormal, with the means and the spread (sigma)."""
    rng = np.random.default_rng(seed)
    arrivals = sorted(times)
    lengths = _lengths(rng, seconds, spread, len(arrivals))
    jobs = tuple(Job(at, length) for at, length in zip(arrivals, lengths, strict=True))
    return Load(jobs, tuple(_lengths(rng, cold_start, spread, 97)))


def bursts(count: int, jobs: int, minutes: float, seed: int) -> list[float]:
    """Return the times of a day of bursts, whose jobs come at once or evenly over some minutes."""
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.uniform(0.0, DAY - 7200.0, count))
    return [float(start + 60.0 * minutes * n / jobs) for start in starts for n in range(jobs)]


def daily_curve(jobs: float, swing: float, seed: int) -> list[float]:
    """Return the times of a Poisson process of a day with its peak at noon; `swing` 1 rests at midnight."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.0, DAY, rng.poisson(jobs * (1.0 + swing))))
    height = (1.0 - swing * np.cos(2.0 * np.pi * times / DAY)) / (1.0 + swing)
    return [float(time) for time in times[rng.uniform(size=len(times)) < height]]


def _lengths(rng: np.random.Generator, mean: float, spread: float, count: int) -> list[float]:
    if not spread:
        return [mean] * count
    return [float(one) for one in mean * rng.lognormal(-spread * spread / 2.0, spread, count)]
