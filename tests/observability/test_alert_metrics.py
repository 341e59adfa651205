"""The numbers that alerts compare: the goal of a lane, letters that are kept, failures from the first on."""

from __future__ import annotations

import pytest

from tests.integration.api.deployment import Deployment
from tests.observability.conftest import scrape

pytestmark = pytest.mark.asyncio(loop_scope="session")
LANE = {"model": "tiny", "lane": "default"}


async def test_the_goal_of_a_lane_is_a_cold_start_and_two_of_the_longest_videos(service: Deployment) -> None:
    assert (await scrape(service)).value("reelzero_queue_goal_seconds", **LANE) == 180 + 2 * 60


async def test_dead_letters_that_are_kept_are_counted(service: Deployment) -> None:
    before = (await scrape(service)).value("reelzero_dead_letters")
    headers = {"ce-specversion": "1.0", "ce-id": "counted", "ce-source": "/test", "ce-type": "a.b"}
    for _ in range(2):  # the same letter twice is one
        await service.call("POST", "/events/dead-letter", json={}, headers=headers)
    assert before is not None
    assert (await scrape(service)).value("reelzero_dead_letters") == before + 1


@pytest.mark.parametrize("code", ["out_of_memory", "predictor_lost", "start_deadline_passed"])
async def test_a_failure_has_a_series_before_the_first_one(service: Deployment, code: str) -> None:
    shown = await scrape(service)
    assert shown.value("reelzero_jobs_ended_total", **LANE, status="failed", code=code) is not None
