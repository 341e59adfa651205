"""The job's life as pure functions: what is legal, what is refused, who wins."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from eventing.contract.records.models import Failure, Progress, Stage
from eventing.contract.records.results import VideoResult
from eventing.domain import job as state
from eventing.domain.job import Job, LeaseLost, Status
from eventing.domain.retries import EARLY_CUTS, backoff, may_be_cut, requeue, retry
from eventing.testing import fake_result
from tests.support.builders import make_job

CAUSE = Failure(code="predictor_lost", message="gone", retryable=True)


def claimed(**changes: Any) -> Job:
    return state.claim(make_job(**changes), "holder", now=200.0, lease=30.0)


def result(job: Job) -> VideoResult:
    return fake_result(job.video, job.id, job.attempt, None)


def test_a_claim_gives_a_lease_and_a_new_fencing_token() -> None:
    job = claimed()
    assert (job.status, job.attempt, job.lease_until, job.attempts_used) == (Status.in_progress, 1, 230.0, 0)


def test_an_attempt_counts_only_once_it_started() -> None:
    job = state.start(claimed(), 1, 201.0)
    assert (job.attempts_used, job.sequence) == (1, 1)
    assert state.start(job, 1, 202.0) == job


def test_a_renewal_prolongs_and_keeps_the_latest_progress() -> None:
    step = Progress(stage=Stage.denoise, step=3, total_steps=4)
    job = state.renew(claimed(), 1, step, 210.0, 30.0)
    assert (job.lease_until, job.progress) == (240.0, step)
    assert state.renew(job, 1, None, 211.0, 30.0).progress == step


@pytest.mark.parametrize("attempt, now", [(2, 201.0), (0, 201.0), (1, 230.1)])
def test_a_holder_without_the_lease_is_refused_everything(attempt: int, now: float) -> None:
    job = claimed()
    calls: list[Callable[[], Job]] = [
        lambda: state.renew(job, attempt, None, now, 30),
        lambda: state.start(job, attempt, now),
        lambda: state.complete(job, attempt, result(job), now, 60),
        lambda: state.fail(job, attempt, CAUSE, now, 60),
        lambda: state.put_back(job, attempt, CAUSE, 1, now, 60),
    ]
    for call in calls:
        with pytest.raises(LeaseLost):
            call()


def test_the_end_frees_the_lease_and_sets_the_expiry() -> None:
    job = state.complete(claimed(), 1, result(make_job()), 205.0, keep=60.0)
    assert (job.status, job.holder, job.lease_until, job.expires_at) == (Status.completed, None, None, 265.0)


def test_a_cancel_requested_before_the_finish_wins() -> None:
    job = state.request_cancel(claimed(), 203.0, 60)
    assert job.status is Status.in_progress and job.cancel_requested
    ended = state.complete(job, 1, result(job), 204.0, 60)
    assert (ended.status, ended.result) == (Status.cancelled, None)
    assert state.put_back(job, 1, CAUSE, 0, 204.0, 60).status is Status.cancelled


def test_a_waiting_job_is_cancelled_at_once_and_an_ended_one_stays() -> None:
    cancelled = state.request_cancel(make_job(), 101.0, 60)
    assert cancelled.status is Status.cancelled
    assert state.request_cancel(cancelled, 102.0, 60) is cancelled


def test_put_back_waits_and_shows_why() -> None:
    job = state.put_back(claimed(), 1, CAUSE, 5.0, 201.0, 60)
    assert (job.status, job.not_before, job.error, job.attempt) == (Status.queued, 206.0, CAUSE, 1)


def test_a_cut_at_the_start_gives_the_attempt_back_and_is_counted_itself() -> None:
    started = state.start(claimed(), 1, 201.0)
    for job in (started, claimed()):  # the start could not be stored
        back = state.put_back(job, 1, CAUSE, 0, 202.0, 60, cut=True)
        assert (back.status, back.attempts_used, back.early_cuts) == (Status.queued, 0, 1)
        assert may_be_cut(back)
    assert not may_be_cut(replace(started, early_cuts=EARLY_CUTS))
    failed = state.fail(replace(started, early_cuts=EARLY_CUTS), 1, CAUSE, 203.0, 60)
    assert requeue(failed, 205.0).early_cuts == 0


def test_only_a_lapsed_lease_can_lapse() -> None:
    with pytest.raises(LeaseLost):
        state.lapse(claimed(), 229.0, 60)
    assert state.lapse(claimed(), 231.0, 60).status is Status.queued


def test_the_start_deadline_fails_only_waiting_jobs() -> None:
    overdue = make_job(start_by=150.0)
    error = state.miss_deadline(overdue, 151.0, 60).error
    assert error is not None and error.code == "start_deadline_passed"
    for job, now in [(overdue, 149.0), (claimed(start_by=150.0), 300.0), (make_job(), 300.0)]:
        with pytest.raises(LeaseLost):
            state.miss_deadline(job, now, 60)


def test_no_transition_leaves_a_terminal_state() -> None:
    ends = [
        state.complete(claimed(), 1, result(make_job()), 201.0, 60),
        state.fail(claimed(), 1, CAUSE, 201.0, 60),
        state.request_cancel(make_job(), 101.0, 60),
    ]
    calls = [
        lambda job: state.claim(job, "x", 300.0, 30),
        lambda job: state.complete(job, 1, result(job), 202.0, 60),
        lambda job: state.fail(job, 1, CAUSE, 202.0, 60),
        lambda job: state.cancel(job, 202.0, 60),
        lambda job: state.lapse(job, 999.0, 60),
    ]
    for job, call in itertools.product(ends, calls):
        with pytest.raises(LeaseLost):
            call(job)


def test_an_operator_can_queue_a_failed_job_again_but_not_a_completed_one() -> None:
    failed = state.fail(claimed(), 1, CAUSE, 201.0, 60)
    again = requeue(failed, 205.0)
    assert (again.status, again.attempts_used, again.attempt, again.error) == (Status.queued, 0, 1, None)
    with pytest.raises(ValueError, match="only a failed or cancelled"):
        requeue(state.complete(claimed(), 1, result(make_job()), 201.0, 60), 205.0)
    with pytest.raises(ValueError, match="has expired"):  # the retention sweep may be deleting its files
        requeue(failed, 500.0)


def test_a_retry_leaves_a_job_that_waits_or_runs_and_says_what_would_be_right_for_others() -> None:
    for job in (make_job(), claimed()):
        assert retry(job, 205.0) is job
    with pytest.raises(ValueError, match="is being cancelled; retry it once it has ended"):
        retry(state.request_cancel(claimed(), 201.0, 60), 205.0)
    with pytest.raises(ValueError, match="submit its request again, with another seed"):
        retry(state.complete(claimed(), 1, result(make_job()), 201.0, 60), 205.0)
    assert retry(state.cancel(make_job(), 201.0, 60), 205.0).status is Status.queued


def test_backoff_doubles_within_bounds() -> None:
    for tries in range(40):
        delay = backoff(tries, base=0.5)
        assert min(60.0, 2.0**tries) * 0.25 <= delay <= min(60.0, 2.0**tries) * 0.5


def test_progress_is_bounded_on_entry() -> None:
    job = state.claim(make_job(), "h", 200.0, 30)
    wild = Progress(stage=Stage.denoise, step=9, total_steps=4)
    kept = state.renew(job, 1, wild, 201.0, 30).progress
    assert (kept.step, kept.total_steps, kept.percent()) == (4, 4, 85)
    assert wild.percent() == 85
