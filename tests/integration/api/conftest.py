"""One S3 server for all tests of the API, and a fresh service for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from eventing.s3 import Bucket, S3Location
from tests.integration.api.deployment import Deployment, deployment
from tests.s3server import s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Endpoint of an S3 server with the bucket the deployments use."""
    with s3_server() as url:
        Bucket(S3Location("api-tests", url)).ensure()
        yield url


@pytest.fixture
async def service(tmp_path: Path, s3: str) -> AsyncIterator[Deployment]:
    """An open deployment."""
    async with deployment(tmp_path, s3) as running:
        yield running
