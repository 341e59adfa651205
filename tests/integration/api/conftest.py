"""A fresh service for each test, and one that is shared by tests that leave nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment


@pytest.fixture
async def service(tmp_path: Path, bucket: Bucket) -> AsyncIterator[Deployment]:
    """An open deployment."""
    async with deployment(tmp_path, bucket) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    """One deployment for requests that are refused; its tests run in the session's loop."""
    # Pictures are small here, so that a body over the limit is too.
    async with deployment(tmp_path_factory.mktemp("shared"), bucket, max_picture_bytes=1024) as running:
        yield running


@pytest.fixture
async def public(tmp_path: Path, bucket: Bucket) -> AsyncIterator[Deployment]:
    """A deployment that wants keys, with room for webhooks to any port of this machine."""
    chosen = {"auth": "required", "webhook_allow": "127.0.0.0/8"}
    async with deployment(tmp_path, bucket, **chosen) as running:
        yield running
