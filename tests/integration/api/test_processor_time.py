"""No body within the limits occupies the event loop for long, whatever it holds, at no door.

Measured is the processor time of the loop's thread; waiting and other threads do not count. A calibration
runs beside it, so that a slow or busy machine gets the same verdict.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import event
from starlette.types import ASGIApp, Message

from eventing.api.app import create_app
from eventing.api.callers.auth import RateLimit
from eventing.container import Container, build_container
from eventing.contract.env import read
from eventing.settings import Endpoint, Settings
from eventing.store.schema import migrate
from tests.support.hostile import DOORS, Door, requests

BUDGET_SECONDS = 0.05
STORED_SECONDS = 0.01  # more for each further event of a batch that is stored; the rate limits their number
CALIBRATION_SECONDS = 0.03  # what `calibration` takes on the machine on which the budget was set
TRIES = 8  # the best of them counts: a busy machine and collected garbage slow down single ones


def calibration() -> float:
    """Seconds of processor time for a fixed piece of work much like the measured one."""
    text = "[" + ",".join(f'{{"key{number}": [{number}.5, "text"]}}' for number in range(8_000)) + "]"
    began = time.thread_time()
    json.dumps(json.loads(text))
    sum(len(str(number)) for number in range(100_000))
    return time.thread_time() - began


class Api:
    """The application without a server, in a loop of its own."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        chosen: dict[str, Any] = {
            "auth": "open", "database_url": f"sqlite+aiosqlite:///{folder}/jobs.db", "queue_quota": 10**9,
            "s3_endpoint": "http://127.0.0.1:9", "s3_bucket": "none",
            "endpoints": (Endpoint(model="tiny", url="http://127.0.0.1:9", capacity=1),),
        }  # fmt: skip
        self.container: Container = build_container(read(Settings, **chosen))
        self.app: ASGIApp = create_app(self.container)
        self.runner = runner
        self.stored = 0
        runner.run(migrate(self.container.database))
        engine = self.container.database.engine.sync_engine
        event.listen(engine, "commit", self._count)

    def _count(self, _connection: Any) -> None:
        self.stored += 1

    def seconds(self, door: Door, body: bytes, headers: dict[str, bytes]) -> tuple[int, float]:
        """The status of an answer, and the processor time beyond what stored events of a batch may take."""
        self.app.state.rate_limit = RateLimit(600)  # type: ignore[attr-defined] # it is FastAPI's
        self.stored = 0
        status, seconds = self.runner.run(self._serve(door, body, headers))
        return status, seconds - max(0, self.stored - 1) * STORED_SECONDS

    async def _serve(self, door: Door, body: bytes, headers: dict[str, bytes]) -> tuple[int, float]:
        statuses: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        sent = {"host": b"localhost", "content-length": str(len(body)).encode()} | headers
        scope = {
            "type": "http", "method": "POST", "path": door.path, "raw_path": door.path.encode(),
            "root_path": "", "query_string": b"", "scheme": "http", "http_version": "1.1",
            "client": ("127.0.0.1", 1), "server": ("localhost", 80),
            "headers": [(name.encode(), value) for name, value in sent.items()],
        }  # fmt: skip
        began = time.thread_time()
        await self.app(scope, receive, send)
        return statuses[0], time.thread_time() - began


@contextmanager
def running(folder: Path) -> Iterator[Api]:
    with asyncio.Runner() as runner:
        api = Api(folder, runner)
        yield api
        runner.run(api.container.database.close())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with running(tmp_path_factory.mktemp("api")) as one:
        yield one


@pytest.mark.parametrize("name", DOORS)
def test_no_body_within_the_limits_holds_the_loop(api: Api, name: str) -> None:
    door = DOORS[name]

    # No shrinking: every example is made of few parts, and each try of a slow one takes long.
    @settings(
        max_examples=25, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(requests(door))
    def fuzz(request: tuple[bytes, dict[str, bytes]]) -> None:
        body, headers = request
        verdicts = []
        for _ in range(TRIES):
            status, seconds = api.seconds(door, body, headers)
            assert status < 500, (status, body[:200], headers)
            if seconds < BUDGET_SECONDS:
                return
            verdicts.append(seconds / calibration())
        assert min(verdicts) < BUDGET_SECONDS / CALIBRATION_SECONDS, (verdicts, status, body[:200], headers)

    fuzz()
