"""Jobs and attempts: every counter rises in its situation, and every level is what the database has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventing.contract.records.models import Failure
from eventing.domain.announcer import Announcer
from eventing.domain.pool import Pool
from eventing.store.claims import ClaimStore
from eventing.testing import Script
from tests.integration.api.deployment import PATIENCE, Deployment
from tests.observability.conftest import scrape
from tests.support.scrape import Scrape, rise

pytestmark = pytest.mark.asyncio(loop_scope="session")
LANE = {"model": "tiny", "lane": "default"}
PROMPT = {"prompt": "a red circle moving right"}


async def submit(service: Deployment, **fields: Any) -> str:
    answer, job = await service.call("POST", "/v1/jobs", json=PROMPT | fields)
    assert answer.status == 202, job
    return str(job["id"])


async def until(service: Deployment, name: str, value: float, **labels: str) -> Scrape:
    """The first scrape in which a sample has a value."""
    async with asyncio.timeout(PATIENCE):
        while (now := await scrape(service)).value(name, **labels) != value:
            await asyncio.sleep(0.02)
    return now


async def test_a_job_counts_at_its_submission_its_attempt_and_its_end(service: Deployment) -> None:
    before = await scrape(service)
    await service.ended(await submit(service))
    after = await scrape(service)
    assert rise(before, after, "reelzero_jobs_submitted_total", **LANE, way="rest") == 1
    assert rise(before, after, "reelzero_attempts_total", **LANE) == 1
    assert rise(before, after, "reelzero_jobs_ended_total", **LANE, status="completed", code="") == 1
    for name, labels in (
        ("reelzero_queue_seconds", {}),
        ("reelzero_job_seconds", {"status": "completed"}),
        ("reelzero_attempt_seconds", {"outcome": "completed"}),
        ("reelzero_warm_start_seconds", {}),
    ):
        assert rise(before, after, f"{name}_count", **LANE, **labels) == 1, name


async def test_a_cold_start_is_timed_apart_from_warm_ones(service: Deployment) -> None:
    def loaded(result: Any) -> Any:
        return result.model_copy(update={"timings": result.timings.model_copy(update={"load": 3.0})})

    before = await scrape(service)
    service.predictor.scripts = [Script(lie=loaded)]
    await service.ended(await submit(service))
    after = await scrape(service)
    assert rise(before, after, "reelzero_cold_start_seconds_count", **LANE) == 1
    assert rise(before, after, "reelzero_warm_start_seconds_count", **LANE) == 0


async def test_a_failure_counts_by_its_code_and_a_code_that_is_not_ours_as_other(service: Deployment) -> None:
    before = await scrape(service)
    for code in ("content_refused", "marked-zanzibar-code"):
        service.predictor.scripts = [Script(failure=Failure(code=code, message="no"))]
        assert (await service.ended(await submit(service)))["status"] == "failed"
    after = await scrape(service)
    for code in ("content_refused", "other"):
        assert rise(before, after, "reelzero_jobs_ended_total", **LANE, status="failed", code=code) == 1
    assert rise(before, after, "reelzero_attempt_seconds_count", **LANE, outcome="failed") == 2
    assert "zanzibar" not in after.text


async def test_a_retry_and_an_adopted_result_are_counted(service: Deployment) -> None:
    before = await scrape(service)
    lost = Failure(code="device_lost", message="gone", retryable=True)
    service.predictor.scripts = [Script(failure=lost), Script(lose_report=True)]
    assert (await service.ended(await submit(service)))["status"] == "completed"
    after = await scrape(service)
    assert rise(before, after, "reelzero_jobs_put_back_total", **LANE, code="device_lost") == 1
    assert rise(before, after, "reelzero_attempts_total", **LANE) == 2
    assert rise(before, after, "reelzero_attempt_seconds_count", **LANE, outcome="put_back") == 1
    assert rise(before, after, "reelzero_results_adopted_total", model="tiny") == 1


async def test_waiting_jobs_have_a_depth_and_an_age_which_stay_at_0(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    before = await scrape(service)
    running = await submit(service)
    await until(service, "reelzero_slots", 1, pool="tiny/default", state="taken")
    waiting, late = await submit(service), await submit(service, start_within_seconds=0.01)
    now = await until(service, "reelzero_jobs", 1, **LANE, status="queued")
    assert (now.value("reelzero_queue_oldest_age_seconds", **LANE) or 0) > 0
    assert now.value("reelzero_jobs", **LANE, status="in_progress") == 1
    assert now.value("reelzero_slots", pool="tiny/default", state="free") == 0
    passed = {"status": "failed", "code": "start_deadline_passed"}
    assert rise(before, now, "reelzero_jobs_ended_total", **LANE, **passed) == 1, late
    await service.call("DELETE", f"/v1/jobs/{waiting}")
    now = await scrape(service)
    assert rise(before, now, "reelzero_jobs_ended_total", **LANE, status="cancelled", code="cancelled") == 1
    assert now.value("reelzero_queue_oldest_age_seconds", **LANE) == 0
    await service.call("DELETE", f"/v1/jobs/{running}")
    now = await until(service, "reelzero_slots", 1, pool="tiny/default", state="free")
    assert rise(before, now, "reelzero_jobs_ended_total", **LANE, status="cancelled", code="cancelled") == 2
    assert rise(before, now, "reelzero_attempt_seconds_count", **LANE, outcome="cancelled") == 1
    for status in ("queued", "in_progress"):
        assert now.value("reelzero_jobs", **LANE, status=status) == 0


async def test_a_reused_result_counts_as_an_end(service: Deployment) -> None:
    await service.ended(await submit(service, seed=7))
    before = await scrape(service)
    await submit(service, seed=7, reuse=True)
    after = await scrape(service)
    assert rise(before, after, "reelzero_results_reused_total", model="tiny") == 1
    assert rise(before, after, "reelzero_jobs_ended_total", **LANE, status="completed", code="") == 1
    assert rise(before, after, "reelzero_attempts_total", **LANE) == 0


async def test_a_lapsed_lease_is_counted(service: Deployment) -> None:
    container = service.service.container
    before = await scrape(service)
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    running = await submit(service)
    await until(service, "reelzero_jobs", 1, **LANE, status="in_progress")
    waiting = await submit(service)
    ghost = ClaimStore(
        container.database, Announcer("/t", "", sink=False), "ghost", lease=0.05, keep_seconds=60
    )
    pool = Pool("ghost", 1, (("tiny", "default"),))
    await ghost.prepare((pool,))
    assert [job.id for job in await ghost.claim(pool)] == [waiting]
    after = await until(
        service, "reelzero_leases_lapsed_total",
        (before.value("reelzero_leases_lapsed_total", **LANE) or 0) + 1, **LANE,
    )  # fmt: skip
    assert rise(before, after, "reelzero_jobs_submitted_total", **LANE, way="rest") == 2
    gate.set()
    assert {(await service.ended(job))["status"] for job in (running, waiting)} == {"completed"}


async def test_a_predictor_that_does_not_start_is_counted_and_pauses_its_model(service: Deployment) -> None:
    before = await scrape(service)
    service.predictor.scripts = [Script(status=503, code="unavailable")] * 3
    job_id = await submit(service)
    now = await until(service, "reelzero_model_paused", 1, **LANE)
    assert now.value("reelzero_consecutive_start_failures", **LANE) == 3
    assert rise(before, now, "reelzero_start_failures_total", **LANE, code="unavailable") == 3
    assert (await service.ended(job_id))["status"] == "completed"  # by the probe
    now = await scrape(service)
    assert now.value("reelzero_model_paused", **LANE) == 0
    assert now.value("reelzero_consecutive_start_failures", **LANE) == 0
