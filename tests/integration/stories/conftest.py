"""Stories over both databases and a real bucket; the test does the work of the workers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eventing.contract.storage.s3 import Bucket
from tests.support.story_world import World, make_world


@pytest.fixture
async def world(database_url: str, bucket: Bucket) -> AsyncIterator[World]:
    """A replica without a service."""
    world = await make_world(database_url, bucket)
    yield world
    await world.container.database.close()
