"""One service for all tests of metrics, with whatever makes a metric appear configured."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
import pytest_asyncio

from eventing.contract.certificates import make_self_made
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.integration.api.deployment import Deployment, deployment
from tests.support.scrape import Scrape

LAPSE = datetime.datetime(2031, 5, 1, tzinfo=datetime.UTC)
QUOTA = 3


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    """A deployment with one slot and two attempts per job; its sink needs a token."""
    folder = tmp_path_factory.mktemp("metrics")
    token, authority = folder / "token", folder / "ca.pem"
    token.write_text(jwt.encode({"exp": LAPSE}, "k" * 32))
    authority.write_bytes(make_self_made().chain)
    async with deployment(
        folder, bucket, endpoints=_one_slot, max_attempts=2, retry_seconds=0.05, queue_quota=QUOTA,
        sink_token_file=token, sink_ca_file=authority, rate_per_minute=100,
    ) as running:  # fmt: skip
        yield running


def _one_slot(url: str) -> tuple[Endpoint, ...]:
    return (Endpoint(model="tiny", url=url),)


async def scrape(service: Deployment, path: Path | None = None) -> Scrape:
    """What the service shows now."""
    _, text = await service.call("GET", "/metrics")
    return Scrape.of(text.decode())
