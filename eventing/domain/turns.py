"""Define the order of a lane: owners take turns.

This is start-time fair queueing. A job gets its turn, a number, when it is submitted, and the lowest turn
goes first. The clock of a lane is the highest turn that was claimed in it. A flow is an owner with a
priority. Its next job gets the turn after its last one, but none before the clock. So a thousand jobs of one
owner have a thousand turns, and the first job of another owner goes before all of them that still wait.

A turn of weight w and priority p is 1 / (w * (p + 1)) long: twice the weight gives twice the jobs. Nothing
starves, because each claim moves the clock towards the turns that wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Flow = tuple[str, int]  # owner, priority


@dataclass(frozen=True)
class Shares:
    """The weight of each owner (1 unless it is listed), and how many jobs of one owner may run at once."""

    weights: Mapping[str, int] = field(default_factory=dict)
    most_running: int | None = None

    def step(self, owner: str, priority: int) -> float:
        """Return the length of a turn."""
        return 1.0 / (self.weights.get(owner, 1) * (priority + 1))


EQUAL = Shares()


@dataclass(frozen=True)
class Place:
    """The place of a waiting job in its lane. Places compare in the order in which jobs are claimed."""

    turn: float
    submitted_at: float
    id: str
    owner: str = field(compare=False)

    def __lt__(self, other: Place) -> bool:
        """Tell whether this job goes first."""
        return (self.turn, self.submitted_at, self.id) < (other.turn, other.submitted_at, other.id)


@dataclass(frozen=True)
class Lane:
    """The clock of a lane, and where the next turn of each flow begins."""

    clock: float = 0.0
    ends: Mapping[Flow, float] = field(default_factory=dict)

    def enter(self, flow: Flow, step: float, count: int = 1) -> tuple[Lane, tuple[float, ...]]:
        """Return the lane after `count` submissions of a flow, and their turns."""
        end = max(self.clock, self.ends.get(flow, 0.0)) + step * count
        return replace(self, ends={**self.ends, flow: end}), turns_before(end, step, count)

    def serve(self, turn: float) -> Lane:
        """Return the lane after the claim of a job. A job that was put back does not turn the clock back."""
        return replace(self, clock=max(self.clock, turn))

    def leave(self, flow: Flow, step: float, last: float = 0.0) -> Lane:
        """Return the lane after a waiting job of a flow was cancelled: turns after its `last` one are void.

        `last` is the highest turn of the jobs of the flow that still wait.
        """
        end = min(self.ends.get(flow, 0.0), max(self.clock, last) + step)
        return replace(self, ends={**self.ends, flow: end})


def turns_before(end: float, step: float, count: int) -> tuple[float, ...]:
    """Return `count` turns of one length that follow each other up to `end`."""
    return tuple(end - step * (count - number) for number in range(count))


def in_order(places: tuple[Place, ...], running: Mapping[str, int], shares: Shares) -> list[Place]:
    """Return the waiting jobs that may be claimed now, first to last, one after the other.

    An owner with as many running jobs as allowed is passed over.
    """
    counts, order = dict(running), list[Place]()
    for place in sorted(places):
        count = counts.get(place.owner, 0)
        if shares.most_running is None or count < shares.most_running:
            order.append(place)
            counts[place.owner] = count + 1
    return order
