"""The simulation of Knative's autoscaler: cases by hand, a naive model, measured figures, the proof."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scaling.bound import least_ratio, least_seconds, within
from bench.scaling.load import Job, Load, bursts, daily_curve, load
from bench.scaling.policy import Memory, Policy, Seen, decide
from bench.scaling.search import Trial, cheapest, frontier, grid, trials
from bench.scaling.simulation import simulate
from tests.bench.naive_scaling import Naive

WHOLE = st.integers(min_value=1, max_value=90)
POLICIES = st.builds(
    Policy,
    window=st.sampled_from([6, 15, 60]),
    retention=st.sampled_from([0, 45]),
    scale_down_delay=st.sampled_from([0, 20]),
    max_replicas=st.integers(1, 5),
    target=st.sampled_from([0.7, 1.0]),
)
LOADS = st.builds(
    Load,
    jobs=st.lists(st.builds(Job, st.integers(0, 400), WHOLE), min_size=1, max_size=12).map(
        lambda jobs: tuple(sorted(jobs))
    ),
    cold_starts=st.lists(WHOLE, min_size=1, max_size=4).map(tuple),
)


def wish(policy: Policy, stable: float, panic: float, ready: int) -> int:
    """The pods wanted by an autoscaler that remembers nothing."""
    return decide(policy, Memory(), Seen(0.0, stable, panic, ready))[1]


@pytest.mark.parametrize(
    ("policy", "seen", "pods"),
    [
        (Policy(max_replicas=9), (3.0, 3.0, 3), 3),  # the target is met
        (Policy(max_replicas=9, target=0.7), (1.0, 1.0, 1), 2),  # Knative's 70 %: two pods for a request
        (Policy(max_replicas=9, max_scale_up=1.1), (3.0, 3.0, 2), 3),  # ceil(1.1 x 2) lets one more in
        (Policy(max_replicas=20, max_scale_up=2.0), (20.0, 20.0, 2), 4),  # at most twice as many
        (Policy(max_replicas=20), (0.0, 0.0, 9), 4),  # at most half of them go at once
        (Policy(max_replicas=20), (1.0, 4.0, 2), 4),  # 200 % over 6 s: panic takes the short mean
        (Policy(max_replicas=20), (1.0, 3.0, 2), 1),  # 150 %: the stable mean decides
        (Policy(max_replicas=3), (8.0, 8.0, 1), 3),
        (Policy(min_replicas=2), (0.0, 0.0, 2), 2),
        (Policy(retention=120), (0.0, 0.0, 1), 1),  # the last pod stays for the retention
        (Policy(), (0.0, 0.0, 1), 0),
    ],
)
def test_a_decision_is_as_worked_out_by_hand(
    policy: Policy, seen: tuple[float, float, int], pods: int
) -> None:
    assert wish(policy, *seen) == pods


def test_in_panic_nothing_is_scaled_down_until_a_window_has_passed() -> None:
    policy = Policy(max_replicas=10)
    memory, pods = decide(policy, Memory(), Seen(0.0, 4.0, 8.0, 2))
    assert pods == 8
    memory, pods = decide(policy, memory, Seen(60.0, 1.0, 1.0, 8))
    assert pods == 8
    memory, pods = decide(policy, memory, Seen(62.0, 1.0, 1.0, 8))
    assert pods == 4


def test_a_scale_down_delay_takes_the_largest_wish_of_its_time() -> None:
    policy = Policy(scale_down_delay=30, max_replicas=10)
    memory, _ = decide(policy, Memory(), Seen(0.0, 4.0, 4.0, 4))
    memory, pods = decide(policy, memory, Seen(28.0, 2.0, 2.0, 4))
    assert pods == 4
    _, pods = decide(policy, memory, Seen(30.0, 2.0, 2.0, 4))
    assert pods == 2


def test_one_video_from_zero_pays_its_cold_start_the_window_and_the_drain() -> None:
    outcome = simulate(Policy(), Load((Job(100.0, 10.0),), (28.0,)))
    assert outcome.waits == (28.0,)
    assert outcome.sizes == ((100.0, 1), (198.0, 0))
    assert (outcome.paid, outcome.starts, outcome.gone) == (28 + 10 + 60 + 30, 1, 228.0)


def test_a_busy_pod_that_is_scaled_down_finishes_its_job() -> None:
    load_ = Load((Job(0.0, 10.0), Job(0.0, 300.0)), (1.0,))
    outcome = simulate(Policy(window=6, max_replicas=2), load_)
    assert outcome.gone >= 300.0 and max(outcome.waits) < 10.0


@settings(max_examples=30)
@given(POLICIES, LOADS)
def test_it_does_what_a_naive_model_does(policy: Policy, jobs: Load) -> None:
    outcome = simulate(policy, jobs)
    waits, paid = Naive(policy, jobs).run()
    assert list(outcome.waits) == waits
    assert outcome.paid == paid


@settings(max_examples=20)
@given(POLICIES, st.integers(2, 5), st.integers(20, 200), st.integers(5, 90))
def test_no_policy_goes_below_the_proof(policy: Policy, jobs: int, seconds: int, cold_start: int) -> None:
    apart = 2 * cold_start + jobs * seconds
    times = [n * apart for n in range(1, 4) for _ in range(jobs)]
    outcome = simulate(policy, Load(tuple(Job(at, seconds) for at in times), (float(cold_start),)))
    if outcome.wait(95) <= within(cold_start):
        assert outcome.ratio >= least_ratio(len(times), seconds, cold_start)


def test_the_figures_that_were_measured_on_the_real_knative() -> None:
    """Single runs of the real autoscaler, activator and queue-proxy: their order, not their tenths."""
    one = simulate(Policy(), Load((Job(0.0, 10.0),), (28.0,)))
    assert one.waits[0] - 28.0 <= 0.65  # 0 to 1 took 0.65 s beyond the cold start
    assert one.gone - 38.0 == pytest.approx(92.0, abs=3.0)  # last answer to last pod gone
    three = simulate(Policy(max_replicas=3), Load((Job(0.0, 30.0),) * 3, (2.0,)))
    assert {pods: at for at, pods in three.sizes}[3] <= 2.0  # three were wanted after 1.0 to 1.7 s
    six = simulate(Policy(max_replicas=3), Load((Job(0.0, 12.0),) * 6, (28.0,)))
    assert (six.peak, len(six.waits)) == (3, 6)
    held = simulate(Policy(max_replicas=3), Load((Job(0.0, 251 / 20),) * 20, (28.65,)))
    # The measured burst of 20 took 141 s and 708 pod-seconds for 251, with a server killed and a busy pod
    # deleted: another cold start and drain, and about 40 s of work repeated or waited for.
    assert max(held.waits) + 251 / 20 == pytest.approx(141.0, rel=0.2)
    assert held.paid + 28.65 + 30.0 == pytest.approx(708.0, rel=0.2)


def test_loads_keep_their_counts_and_means() -> None:
    day = load(bursts(24, 20, 30.0, 1), 90.0, 60.0, 0.3, 1)
    assert len(day.jobs) == 480
    assert day.used / 480 == pytest.approx(90.0, rel=0.1)
    curve = daily_curve(4000, 1.0, 1)
    assert len(curve) == pytest.approx(4000, rel=0.1)
    noon = sum(28_800 < time < 57_600 for time in curve)
    assert noon / len(curve) > 0.5, "the middle third of the day has more than half of it"
    assert list(day.jobs) == sorted(day.jobs) and curve == sorted(curve)


def test_the_frontier_has_no_trial_that_another_one_beats() -> None:
    jobs = load([60.0] * 4 + [4000.0] * 4, 90.0, 30.0, 0.0, 1)
    tried = trials(grid((1, 2, 4), windows=(6, 60)), jobs)
    best = frontier(tried)
    assert len(best) >= 3
    for one in best:
        assert not any(other.wait < one.wait and other.ratio < one.ratio for other in tried)
    quick = cheapest(tried, 45.0)
    assert isinstance(quick, Trial) and quick.policy.max_replicas == 4
    assert cheapest(tried, 1.0) is None


def test_the_proof_in_numbers() -> None:
    assert least_ratio(1000, 90.0, 60.0) == pytest.approx(1.0 + 0.95 * 60 / 90)
    assert least_ratio(1000, 30.0, 60.0) == pytest.approx(1.0 + 0.95 * 60 / 90), "three jobs a pod in time"
    assert least_seconds(1.15, 60.0) == pytest.approx(380.0)
