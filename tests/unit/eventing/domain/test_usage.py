"""What attempts use: parts that add up, whatever becomes of a job, and quantiles of waits that add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.contract.records.models import Failure
from eventing.contract.records.results import Timings, VideoResult
from eventing.domain import job as state
from eventing.domain.job import Job
from eventing.domain.pool import Pool
from eventing.domain.retries import requeue
from eventing.domain.usage import GROWTH, NO_WAIT, Usage, quantile, total, wait_class
from eventing.testing import fake_result
from tests.support.builders import make_job

KEEP, LEASE = 60.0, 1000.0
LOST = Failure(code="predictor_lost", message="gone", retryable=True)
BUSY = Failure(code="busy", message="busy", retryable=True)


def claimed(at: float = 200.0, idle: float = 0.0, **changes: Any) -> Job:
    return state.claim(make_job(**changes), "holder", at, LEASE, idle)


def result(job: Job, attempt: int | None = None, **seconds: float) -> VideoResult:
    made = fake_result(job.video, job.id, attempt or job.attempt, None)
    fields = ("encode_prompt", "denoise", "decode", "encode_video", "upload", "total")
    return made.model_copy(update={"timings": Timings(**{**dict.fromkeys(fields, 0.0), **seconds})})


def used(job: Job) -> tuple[float, float, float, float]:
    return job.used_seconds, job.starting_seconds, job.wasted_seconds, job.idle_seconds


def test_the_parts_of_a_finished_attempt_are_work_and_start_without_the_upload() -> None:
    job = state.start(claimed(idle=7.0), 1, 230.0)
    video = result(job, load=28.0, encode_prompt=1.0, denoise=8.0, decode=1.0, encode_video=2.0, upload=3.0)
    job = state.complete(job, 1, video, 250.0, KEEP)
    assert used(job) == (10.0, 35.0, 0.0, 7.0)  # 50 s from claim to end, of which the last 5 need no device
    assert (job.cold_starts, job.video_seconds) == (1, video.duration_seconds)
    assert job.wait_class == wait_class(230.0 - job.submitted_at)


def test_no_attempt_uses_more_than_it_lasted() -> None:
    job = claimed()
    job = state.complete(job, 1, result(job, denoise=1e9), 210.0, KEEP)
    assert used(job) == (10.0, 0.0, 0.0, 0.0)


def test_attempts_without_a_video_are_wasted_and_a_busy_predictor_wastes_nothing() -> None:
    job = state.put_back(claimed(), 1, LOST, 0.0, 240.0, KEEP)
    assert used(job) == (0.0, 0.0, 40.0, 0.0)
    job = state.put_back(state.claim(job, "h", 250.0, LEASE), 2, BUSY, 0.0, 260.0, KEEP)
    assert used(job) == (0.0, 0.0, 40.0, 0.0)
    job = state.lapse(state.claim(job, "h", 300.0, 5.0, 3.0), 310.0, KEEP)
    assert used(job) == (0.0, 0.0, 45.0, 3.0)  # up to the end of its lease
    job = state.fail(state.claim(job, "h", 400.0, LEASE), 4, LOST, 420.0, KEEP)
    assert used(job) == (0.0, 0.0, 65.0, 3.0)
    job = state.request_cancel(state.claim(requeue(job, 430.0), "h", 440.0, LEASE), 441.0, KEEP)
    job = state.complete(job, 5, result(job), 445.0, KEEP)
    assert (job.status, used(job)) == ("cancelled", (0.0, 0.0, 70.0, 3.0))


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_attempt_that_lapses_while_eventing_is_stopped_wastes_no_more_than_its_lease(
    cancelled: bool,
) -> None:
    job = state.claim(make_job(), "h", 200.0, 30.0)
    job = state.request_cancel(job, 201.0, KEEP) if cancelled else job
    job = state.lapse(job, 200.0 + 86_400.0, KEEP)
    assert used(job) == (0.0, 0.0, 30.0, 0.0)


def test_a_cancelled_job_whose_predictor_was_busy_wastes_nothing() -> None:
    job = state.put_back(state.request_cancel(claimed(), 210.0, KEEP), 1, BUSY, 0.0, 260.0, KEEP)
    assert (job.status, used(job)) == ("cancelled", (0.0, 0.0, 0.0, 0.0))


def test_a_job_that_is_cancelled_in_the_queue_has_used_nothing() -> None:
    job = state.request_cancel(make_job(), 300.0, KEEP)
    assert used(job) == (0.0, 0.0, 0.0, 0.0) and job.wait_class is None


def test_an_adopted_video_takes_its_work_out_of_what_its_attempt_seemed_to_waste() -> None:
    job = state.lapse(claimed(at=200.0).evolve(200.0, lease_until=205.0), 230.0, KEEP)
    job = state.claim(job, "h", 240.0, LEASE)
    job = state.complete(job, 2, result(job, attempt=1, denoise=20.0), 241.0, KEEP)
    assert used(job) == (20.0, 0.0, 0.0, 0.0)  # it went on after its lease
    job = state.put_back(claimed(at=200.0), 1, LOST, 0.0, 230.0, KEEP)
    job = state.claim(job, "h", 240.0, LEASE)
    job = state.complete(job, 2, result(job, attempt=1, denoise=20.0), 241.0, KEEP)
    assert used(job) == (20.0, 0.0, 10.0, 0.0)


def test_an_adopted_video_has_used_no_more_than_the_time_since_the_submission() -> None:
    job = state.put_back(claimed(at=200.0), 1, LOST, 0.0, 230.0, KEEP)
    job = state.claim(job, "h", 240.0, LEASE)
    job = state.complete(job, 2, result(job, attempt=1, denoise=1e9), 241.0, KEEP)
    assert used(job) == (241.0 - job.submitted_at, 0.0, 0.0, 0.0)


def test_a_reused_result_uses_no_predictor() -> None:
    job = make_job()
    ended = state.reuse(job, result(job, denoise=20.0), 300.0, KEEP)
    assert used(ended) == (0.0, 0.0, 0.0, 0.0) and ended.video_seconds > 0


def test_a_predictor_is_idle_up_to_its_scale_down_and_for_ever_if_it_never_stops() -> None:
    pool = Pool("p", 2, (), idle_seconds=90.0, always_on=1)
    assert [pool.idle(1, 4000.0), pool.idle(2, 4000.0), pool.idle(2, 20.0)] == [4000.0, 90.0, 20.0]
    assert pool.idle(1, -0.5) == 0.0  # two connections may read the clock in another order


counts = st.integers(0, 50)
amounts = st.integers(0, 10**6).map(float)  # whole numbers, whose sums are exact
usages = st.builds(
    Usage, completed=counts, failed=counts, cancelled=counts, reused=counts, cold_starts=counts,
    video_seconds=amounts, used=amounts, starting=amounts, wasted=amounts, idle=amounts,
    waits=st.dictionaries(st.integers(NO_WAIT, 40), st.integers(1, 9)),
)  # fmt: skip


@given(st.lists(usages, max_size=6), st.randoms(use_true_random=False))
def test_usages_add_up_in_any_order(parts: list[Usage], random: Any) -> None:
    mixed = list(parts)
    random.shuffle(mixed)
    whole = total(parts)
    assert total(mixed) == whole
    assert whole.paid == sum(part.paid for part in parts)
    assert sum(whole.waits.values()) == sum(sum(part.waits.values()) for part in parts)


@given(st.lists(st.floats(0.02, 1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_within_five_percent_of_a_true_one(waits: list[float], share: float) -> None:
    classes = dict.fromkeys(map(wait_class, waits), 0)
    for wait in waits:
        classes[wait_class(wait)] += 1
    middle = quantile(classes, share)
    true = sorted(waits)[max(0, -(-len(waits) * int(share * 100) // 100) - 1)]
    assert middle == pytest.approx(true, rel=GROWTH**0.5 - 1 + 1e-6)


def test_jobs_that_no_predictor_took_have_no_wait() -> None:
    assert quantile({NO_WAIT: 5}, 0.5) is None
    assert quantile({}, 0.5) is None
    assert replace(Usage(), waits={0: 3, NO_WAIT: 5}).wait(0.95) == 0.0
