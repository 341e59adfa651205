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

PATIENCE = 300.0  # seconds; only a hang gets there


@dataclass(frozen=True)
class Target:
    """What is scraped: the name of its job, its host and port, and labels as a PodMonitor adds them."""

    job: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and its values with their times."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    http: aiohttp.ClientSession

    async def history(self, expression: str, begin: float, end: float) -> list[Series]:
        """What an expression gave each second from one time to another, in seconds since the epoch."""
        answer = await self._get("query_range", query=expression, start=begin, end=end, step=1)
        return [
            Series(each["metric"], [(float(at), float(value)) for at, value in each["values"]])
            for each in answer["result"]
        ]

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts whose expression is true now, with their texts; they fire after their `for`."""
        alerts: list[dict[str, Any]] = (await self._get("alerts"))["alerts"]
        return alerts

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
