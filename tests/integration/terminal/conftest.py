"""One real service for all commands: its loop runs in another thread, the commands run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from eventing.cli import app
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.conftest import background_loop
from tests.integration.api.deployment import Deployment, deployment

Reelzero = Callable[..., Result]


@asynccontextmanager
async def opened(folder: Path, bucket: Bucket) -> AsyncIterator[Deployment]:
    async with deployment(
        folder, bucket, endpoints=lambda url: (Endpoint(model="tiny", url=url, capacity=1),)
    ) as running:
        yield running


@pytest.fixture(scope="session")
def loop_of_service() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own."""
    with background_loop() as loop:
        yield loop


@pytest.fixture(scope="session")
def running(
    tmp_path_factory: pytest.TempPathFactory, bucket: Bucket, loop_of_service: asyncio.AbstractEventLoop
) -> Iterator[Deployment]:
    """A service with a fake predictor of one device."""
    context = opened(tmp_path_factory.mktemp("terminal"), bucket)
    yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop_of_service).result()
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop_of_service).result()


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell without settings, in an empty folder."""
    for name in ("SERVER", "API_KEY", "PROFILE", "DATA_DIR"):
        monkeypatch.delenv(f"REELZERO_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def reelzero(running: Deployment, clean: None, monkeypatch: pytest.MonkeyPatch) -> Reelzero:
    """The command in this process: an interpreter for each call would take most of the time."""
    monkeypatch.setenv("REELZERO_SERVER", running.url)

    def call(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), input=text)

    return call
