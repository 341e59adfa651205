"""The whole scrape: what the page says, clean for promtool, cheap, and there while the database is away."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from pytest import MonkeyPatch

from eventing.contract.errors import Unavailable
from eventing.contract.metrics.declare import Service
from eventing.store.levels import LevelStore
from tests.integration.api.deployment import Deployment
from tests.observability.conftest import LAPSE, scrape
from tests.support import metrics_page
from tests.support.scrape import lint, rise

pytestmark = pytest.mark.asyncio(loop_scope="session")
SOMETIMES = {  # shown only after what they count has happened, which other tests make happen
    "reelzero_jobs_put_back_total", "reelzero_start_failures_total", "reelzero_s3_errors_total",
    "reelzero_story_steps_reused_total",
}  # fmt: skip


async def test_every_metric_of_the_service_is_in_the_page_and_the_reverse(service: Deployment) -> None:
    _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red circle"})
    await service.ended(job["id"])  # or it holds the slot of a later test
    await service.call("GET", "/v1/models")
    shown = await scrape(service)
    ours = {one.name for one in metrics_page.declarations() if one.service is not Service.predictor}
    page = metrics_page.PAGE.read_text()
    assert ours - shown.names() <= SOMETIMES
    predictors = {one.name for one in metrics_page.declarations() if one.service is Service.predictor}
    names = {name for name in shown.names() if name.startswith("reelzero_")} - predictors
    assert names <= ours
    assert {name for name in names if f"| `{name}` |" not in page} == set()


async def test_the_page_is_made_from_the_code() -> None:
    text = metrics_page.PAGE.read_text()
    assert text == metrics_page.filled(text), "run: python -m tests.support.metrics_page"


async def test_promtool_finds_nothing(service: Deployment) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    assert lint((await scrape(service)).text) == ""


async def test_a_scraper_that_accepts_openmetrics_gets_it(service: Deployment) -> None:
    wish = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer, text = await service.call("GET", "/metrics", headers=wish)
    assert answer.content_type == "application/openmetrics-text"
    assert text.endswith(b"# EOF\n")


async def test_no_predictor_of_a_cluster_is_a_target(service: Deployment) -> None:
    answer, targets = await service.call("GET", "/metrics/targets")
    assert (answer.status, targets) == (200, [])


async def test_what_lapses_and_what_fills_up_is_shown(service: Deployment) -> None:
    shown = await scrape(service)
    assert shown.value("reelzero_token_expiry_timestamp_seconds", purpose="sink") == LAPSE.timestamp()
    lapse = shown.value("reelzero_certificate_expiry_timestamp_seconds", purpose="sink_ca")
    assert lapse and lapse > LAPSE.timestamp()
    for volume in ("data", "temporary"):
        size = shown.value("reelzero_volume_size_bytes", volume=volume) or 0
        assert size > (shown.value("reelzero_volume_free_bytes", volume=volume) or 0) > 0


async def test_the_last_levels_are_shown_while_the_database_is_away(
    service: Deployment, monkeypatch: MonkeyPatch
) -> None:
    async def fail(_: LevelStore) -> Any:
        raise Unavailable("the database cannot be reached")

    before = await scrape(service)
    assert before.value("reelzero_database_up") == 1
    monkeypatch.setattr(LevelStore, "read", fail)
    now = await scrape(service)
    assert now.value("reelzero_database_up") == 0
    labels = {"pool": "tiny/default", "state": "free"}
    assert now.value("reelzero_slots", **labels) == before.value("reelzero_slots", **labels) == 1
    assert (
        rise(before, now, "reelzero_http_requests_total", method="GET", route="/metrics", status="200") == 1
    )
