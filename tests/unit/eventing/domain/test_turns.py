"""The order of a lane as pure functions: newcomers, weights and priorities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.domain.turns import EQUAL, Flow, Lane, Place, Shares, in_order

OWNERS = ("ann", "bob", "eve")
ORDINARY = st.tuples(st.sampled_from(OWNERS), st.just(0))
FLOWS = st.tuples(st.sampled_from(OWNERS), st.integers(0, 3))


class Queue:
    """A lane with its waiting jobs."""

    def __init__(self, shares: Shares = EQUAL) -> None:
        self.lane, self.shares = Lane(), shares
        self.waiting: list[Place] = []
        self.count = 0

    def submit(self, flow: Flow, count: int = 1) -> None:
        self.lane, turns = self.lane.enter(flow, self.shares.step(*flow), count)
        for turn in turns:
            self.count += 1
            self.waiting.append(Place(turn, float(self.count), f"{self.count:06}", flow[0]))

    def claim(self) -> str:
        first = min(self.waiting)
        self.waiting.remove(first)
        self.lane = self.lane.serve(first.turn)
        return first.owner

    def owners(self) -> list[str]:
        return [self.claim() for _ in range(len(self.waiting))]


def filled(flows: Iterable[tuple[Flow, int]], claims: int, shares: Shares = EQUAL) -> Queue:
    queue = Queue(shares)
    for flow, count in flows:
        queue.submit(flow, count)
    for _ in range(min(claims, len(queue.waiting))):
        queue.claim()
    return queue


def test_a_newcomer_goes_before_the_thousand_jobs_of_another() -> None:
    queue = filled([(("ann", 0), 1000)], claims=10)
    queue.submit(("bob", 0), 3)
    assert queue.owners()[:7] == ["bob", "ann", "bob", "ann", "bob", "ann", "ann"]


@settings(max_examples=30, derandomize=True)
@given(st.lists(st.tuples(ORDINARY, st.integers(1, 20)), max_size=5), st.integers(0, 90))
def test_no_owner_goes_twice_before_a_newcomer(flows: list[tuple[Flow, int]], claims: int) -> None:
    queue = filled(flows, claims)
    queue.submit(("new", 0))
    order = queue.owners()
    before = Counter(order[: order.index("new")])
    assert max(before.values(), default=0) <= 1


@settings(max_examples=20, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 9))
def test_turns_are_in_proportion_to_the_weights(left: int, right: int) -> None:
    queue = filled([(("ann", 0), 60), (("bob", 0), 60)], 0, Shares({"ann": left, "bob": right}))
    rounds = 5
    first = Counter(queue.owners()[: rounds * (left + right)])
    assert abs(first["ann"] - rounds * left) <= left + 1


@settings(max_examples=20, derandomize=True)
@given(st.lists(FLOWS, max_size=30), st.integers(1, 3))
def test_however_many_urgent_jobs_come_one_that_waits_is_claimed(flows: list[Flow], priority: int) -> None:
    queue = filled([(flow, 1) for flow in flows], 0)
    queue.submit(("low", 0))
    most = queue.count + 8 * len(OWNERS)
    order = list[str]()
    while "low" not in order and len(order) < most:
        for owner in OWNERS:
            queue.submit((owner, priority))
        order.append(queue.claim())
    assert "low" in order


def test_an_urgent_job_does_not_wait_for_the_ordinary_ones_of_its_owner() -> None:
    queue = filled([(("ann", 0), 100), (("bob", 0), 100)], claims=10)
    queue.submit(("ann", 3), 4)
    assert Counter(queue.owners()[:6])["ann"] >= 4


def test_cancelled_jobs_use_up_no_turns() -> None:
    queue = filled([(("ann", 0), 100), (("bob", 0), 100)], claims=10)
    queue.waiting = [place for place in queue.waiting if place.owner == "bob"]
    queue.lane = queue.lane.leave(("ann", 0), 1.0)
    queue.submit(("ann", 0))
    assert "ann" in queue.owners()[:2]


def test_an_owner_at_its_cap_is_passed_over() -> None:
    queue = filled([(("ann", 0), 5), (("bob", 0), 2)], 0)
    order = in_order(tuple(queue.waiting), {"ann": 1}, Shares({}, most_running=2))
    assert [place.owner for place in order] == ["ann", "bob", "bob"]
