"""Define what jobs use of predictors: figures that add up, and the waits of jobs in classes. Pure.

All seconds are those of one predictor. Times the GPUs of the predictor they are GPU-seconds.

    paid = used + starting + wasted + idle

`used` is the work on the device for a video that was delivered. `starting` is the rest of the attempt that
made it, up to the moment when the device was free: mostly the cold start. `wasted` are the attempts that made
no video. `idle` is the time in which a predictor stayed awake between two jobs.

Waits are counted in classes, each 10 % longer than the one before. So the waits of deleted jobs can be added
up, and a median or a 95th percentile is within 5 % of the true one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from eventing.contract.records.results import Timings, VideoResult
from eventing.contract.records.steps import StepResult

SHORTEST = 0.01  # seconds: shorter waits are in class 0
GROWTH = 1.1
NO_WAIT = -1  # the class of jobs that no predictor took
DAY = 86_400


class Attempt(Protocol):
    """What a job tells of its running attempt, and what those before it have wasted."""

    @property
    def attempt(self) -> int:
        """Return its number."""

    @property
    def submitted_at(self) -> float:
        """Return when the job was submitted."""

    @property
    def claimed_at(self) -> float | None:
        """Return when it began."""

    @property
    def wasted_seconds(self) -> float:
        """Return what those before it have wasted."""


@dataclass(frozen=True)
class Usage:
    """What some jobs have used. Two of these add up."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    reused: int = 0  # of the completed ones: their result was a copy
    cold_starts: int = 0
    video_seconds: float = 0.0
    used: float = 0.0
    starting: float = 0.0
    wasted: float = 0.0
    idle: float = 0.0
    waits: Mapping[int, int] = field(default_factory=dict)  # class of wait → jobs

    @property
    def paid(self) -> float:
        """Return the seconds in which a predictor was awake for these jobs."""
        return self.used + self.starting + self.wasted + self.idle

    def __add__(self, other: Usage) -> Usage:
        """Return the usage of both."""
        waits = Counter(self.waits) + Counter(other.waits)
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in _SUMS}
        return Usage(**sums, waits=waits)

    def wait(self, share: float) -> float | None:
        """Return the wait that this share of the jobs did not exceed, in seconds; None without any."""
        return quantile(self.waits, share)


_SUMS = [each for each in fields(Usage) if each.name != "waits"]
NOTHING = Usage()


def total(usages: Iterable[Usage]) -> Usage:
    """Return the usage of all."""
    whole = NOTHING
    for usage in usages:
        whole += usage
    return whole


def wait_class(seconds: float) -> int:
    """Return the class of a wait."""
    return 0 if seconds <= SHORTEST else math.ceil(math.log(seconds / SHORTEST, GROWTH))


def quantile(waits: Mapping[int, int], share: float) -> float | None:
    """Return the middle of the class that holds the job at this share (0 to 1); None without jobs."""
    started = {each: count for each, count in waits.items() if each != NO_WAIT and count > 0}
    place = math.ceil(share * sum(started.values()))
    for each in sorted(started):
        place -= started[each]
        if place <= 0:
            return 0.0 if each == 0 else SHORTEST * GROWTH ** (each - 0.5)
    return None


def on_device(timings: Timings) -> float:
    """Return the seconds that a video took on its device."""
    return timings.encode_prompt + timings.denoise + timings.decode + (timings.engine or 0.0)


def lost(attempt: Attempt, end: float) -> dict[str, float]:
    """Return what attempts of a job have wasted if the running one ended without a video."""
    return {"wasted_seconds": attempt.wasted_seconds + _lasted(attempt, end)}


def made(attempt: Attempt, result: VideoResult | StepResult, now: float) -> dict[str, float]:
    """Return what a result has used. That of an earlier attempt, which is adopted, was not wasted.

    Such an attempt may have gone on after its lease, so only the submission bounds it.
    """
    is_adopted = result.attempt != attempt.attempt
    lasted = max(0.0, now - attempt.submitted_at) if is_adopted else _lasted(attempt, now)
    if isinstance(result, StepResult):
        return {"used_seconds": min(sum(result.seconds.values()), lasted)}
    used, starting = _split(lasted, result.timings)
    return {
        "used_seconds": used,
        "starting_seconds": 0.0 if is_adopted else starting,
        "wasted_seconds": max(0.0, attempt.wasted_seconds - (used if is_adopted else 0.0)),
        "video_seconds": result.duration_seconds,
        "cold_starts": int(result.timings.load > 0),
    }


def _lasted(attempt: Attempt, end: float) -> float:
    return 0.0 if attempt.claimed_at is None else max(0.0, end - attempt.claimed_at)


def _split(lasted: float, timings: Timings) -> tuple[float, float]:
    """Return the used and the starting seconds of an attempt that lasted so long.

    Encoding and upload follow when the device is free already. No attempt has used more than it lasted.
    """
    used = min(max(0.0, on_device(timings)), lasted)
    after = max(0.0, timings.encode_video) + max(0.0, timings.upload)
    return used, max(0.0, lasted - after - used)
