"""Estimates: by videos that are alike, by the catalog, by others; the wait for a slot; cold starts."""

from __future__ import annotations

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.records.models import JobRequest
from eventing.domain.estimate import Expected, Sample, cold_start, expect, queue_wait, work_of

ENTRY = load_catalog().get("wan2.2-t2v-a14b")  # says 630 s for its default video
SPEC = ENTRY.resolve(JobRequest(prompt="a red circle", seed=1))
WORK = work_of(SPEC)


def test_videos_that_are_alike_count_and_others_do_not() -> None:
    alike = [Sample(WORK, 100.0, 80.0), Sample(WORK / 2, 60.0, 50.0), Sample(WORK * 2, 160.0, 120.0)]
    far = [Sample(WORK / 50, 1000.0, 900.0)] * 5
    assert expect(SPEC, ENTRY, [*alike, *far]) == Expected(100.0, 80.0, "history")


def test_without_a_like_video_the_catalog_counts_by_the_work() -> None:
    far = [Sample(WORK / 50, 1.0, 0.9)]
    assert expect(SPEC, ENTRY, far) == Expected(630.0, 630.0, "catalog")
    half = SPEC.model_copy(update={"num_inference_steps": SPEC.num_inference_steps // 2})
    assert expect(half, ENTRY, []).seconds == pytest.approx(315.0)


def test_without_figures_of_the_catalog_any_video_counts_and_without_any_nothing_is_known() -> None:
    entry = load_catalog().get("tiny")
    spec = entry.resolve(JobRequest(prompt="a red circle", seed=1))
    assert expect(spec, entry, []) == Expected(None, None, "unknown")
    expected = expect(spec, entry, [Sample(work_of(spec) / 10, 2.0, 1.0)])
    assert expected.seconds == pytest.approx(20.0) and expected.basis == "history"


def test_a_job_waits_for_those_before_it_on_all_slots() -> None:
    assert queue_wait(0, 1, 1, None) == 0.0
    assert queue_wait(1, 2, 2, 30.0) == 0.0
    assert queue_wait(0, 0, 2, 30.0) == 15.0
    assert queue_wait(5, 0, 2, 30.0) == 90.0
    assert queue_wait(1, 0, 1, None) is None
    assert queue_wait(0, 0, 0, 30.0) is None


def test_a_cold_start_takes_the_median_of_earlier_ones_or_the_limit() -> None:
    samples = [Sample(1, 1, 1, cold) for cold in (10.0, None, 30.0, 20.0)]
    assert cold_start(samples, ENTRY) == 20.0
    assert cold_start([], ENTRY) == ENTRY.budget.cold_start_seconds
