"""Deliveries: tries by kind of destination and outcome, and the levels of the outbox."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.integration.api.deployment import PATIENCE, Deployment
from tests.observability.conftest import scrape
from tests.support.scrape import Scrape, rise

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def until(service: Deployment, before: Scrape, **labels: str) -> Scrape:
    """The first scrape in which one more delivery has this outcome."""
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await scrape(service)
            if rise(before, now, "reelzero_deliveries_total", **labels) >= 1:
                return now
            await asyncio.sleep(0.02)


async def make_with_webhook(service: Deployment, path: str, status: int) -> None:
    """Make a video whose webhook is answered with a status, also when it is tried again."""
    service.receiver.answers[path] = [web.Response(status=status) for _ in range(5)]
    body = {"prompt": "a red circle", "callback_url": f"{service.receiver.url}{path}"}
    _, job = await service.call("POST", "/v1/jobs", json=body)
    await service.ended(job["id"])


async def test_tries_are_counted_and_timed_by_destination_and_outcome(service: Deployment) -> None:
    before = await scrape(service)
    await make_with_webhook(service, "/marked-zanzibar", 200)
    now = await until(service, before, destination="webhook", outcome="delivered")
    for kind in ("sink", "s3"):
        now = await until(service, before, destination=kind, outcome="delivered")
    labels = {"destination": "webhook", "outcome": "delivered"}
    assert rise(before, now, "reelzero_delivery_seconds_count", **labels) == 1
    assert rise(before, now, "reelzero_delivery_lag_seconds_count", destination="webhook") == 1
    assert "zanzibar" not in now.text


async def test_a_refused_delivery_waits_and_one_that_is_gone_is_dead(service: Deployment) -> None:
    before = await scrape(service)
    await make_with_webhook(service, "/later", 500)
    now = await until(service, before, destination="webhook", outcome="failed")
    pending = {"destination": "webhook", "status": "pending"}
    async with asyncio.timeout(PATIENCE):
        while now.value("reelzero_outbox_messages", **pending) != 1:
            now = await scrape(service)
    assert (now.value("reelzero_outbox_oldest_age_seconds", destination="webhook") or 0) > 0
    await make_with_webhook(service, "/gone", 410)
    now = await until(service, before, destination="webhook", outcome="dead")
    dead = {"destination": "webhook", "status": "dead"}
    async with asyncio.timeout(PATIENCE):
        while now.value("reelzero_outbox_messages", **dead) != 1:
            now = await scrape(service)
    assert now.value("reelzero_outbox_messages", destination="s3", status="dead") == 0
