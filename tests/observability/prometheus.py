"""A real Prometheus on loopback that scrapes real services every second, and its answers to queries."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.support.ports import free_port

PATIENCE = 180.0  # seconds; only a hang gets there


@dataclass(frozen=True)
class Target:
    """What is scraped: the name of its job, its host and port, and labels as a PodMonitor adds them."""

    job: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """One series of an answer, and its value now."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    http: aiohttp.ClientSession

    async def query(self, expression: str) -> list[Sample]:
        """What an expression gives now."""
        answer = await self._get("query", query=expression)
        return [Sample(series["metric"], float(series["value"][1])) for series in answer["result"]]

    async def history(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """The series of an expression over the last seconds, with their pairs of time and value."""
        now = time.time()
        answer = await self._get("query_range", query=expression, start=now - seconds, end=now, step=step)
        series: list[dict[str, Any]] = answer["result"]
        return series

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts whose expression is true now, with their texts; they fire after their `for`."""
        alerts: list[dict[str, Any]] = (await self._get("alerts"))["alerts"]
        return alerts

    async def until(self, expression: str) -> list[Sample]:
        """The result of an expression, once it has one."""
        end = time.monotonic() + PATIENCE
        while not (samples := await self.query(expression)):
            assert time.monotonic() < end, f"never had a result: {expression}"
            await asyncio.sleep(0.2)
        return samples

    async def ready(self) -> None:
        """Wait until it answers."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                async with self.http.get(f"{self.url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            assert time.monotonic() < end, "prometheus was never ready"
            await asyncio.sleep(0.05)

    async def _get(self, path: str, **parameters: Any) -> dict[str, Any]:
        texts = {name: str(value) for name, value in parameters.items()}
        async with self.http.get(f"{self.url}/api/v1/{path}", params=texts) as answer:
            body = await answer.json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        assert not body.get("warnings"), f"{parameters}: {body['warnings']}"
        data: dict[str, Any] = body["data"]
        return data


def tool(name: str) -> str:
    """The path of prometheus or promtool; the test is skipped where it is missing."""
    path = shutil.which(name)
    if path is None:
        pytest.skip("apt-get install prometheus runs this test")
    return path


@contextmanager
def process(folder: Path, targets: list[Target], rules: Path) -> Iterator[str]:
    """Run one until the context ends; yield its URL."""
    port, config = free_port(), folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(targets, rules)))
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
    command = [tool("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.kill()


def _config(targets: list[Target], rules: Path) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": target.job,
                "static_configs": [{"targets": [target.address], "labels": dict(target.labels)}],
            }
            for target in targets
        ],
    }
