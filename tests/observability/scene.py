"""One scene with every situation that an alert is about: real services, scraped by a real Prometheus.

A real predictor with the model of the package is scraped before it has a job. Then two videos are made, one
with a receiver that is gone; jobs of a second model fail; a third lane has no predictor, so it pauses while
the device beside it is idle; a letter is dead; a certificate and a token are about to lapse; the predictor's
disk is nearly full. In the end the predictor is killed, and the database does not answer.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from sqlalchemy import text

from eventing.contract import certificates
from eventing.contract.errors import Unavailable
from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.store.levels import LevelStore
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment
from tests.integration.predictor.process import ROOT, Predictor
from tests.observability.prometheus import PATIENCE, Prometheus, Series, Target, process
from tests.support import disks

MODEL = "shapes-tiny"
WEIGHTS = ROOT / "predictor" / "assets" / MODEL
DISK = 64 << 20
PROMPT = "a red circle moving right"
RULES = ROOT / "charts" / "reelzero" / "files" / "alerts.yaml"
CALM = {"ReelzeroGpusAwakeWithoutJobs"}
AFTER = {"ReelzeroTargetDown", "ReelzeroDatabaseAway"}
FULL = {"ReelzeroScratchFilling", "ReelzeroVolumeFilling"}  # where there can be a small disk
BETWEEN = {
    "ReelzeroOldestJobLate", "ReelzeroJobsFailing", "ReelzeroDeadLetters", "ReelzeroDeliveriesDead",
    "ReelzeroModelPaused", "ReelzeroStartsFailing", "ReelzeroGpusIdleWhileJobsWait",
    "ReelzeroCertificateLapsing", "ReelzeroTokenLapsing",
}  # fmt: skip
Alert = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """What was seen: alerts by their names, and the time in which all parts ran, from `begin` to `end`."""

    prometheus: Prometheus
    alerts: dict[str, list[Alert]]
    begin: float
    end: float

    async def history(self, expression: str) -> list[Series]:
        """What an expression gave while all parts ran. A busy machine may miss single scrapes of it."""
        return await self.prometheus.history(expression, self.begin, self.end)


@asynccontextmanager
async def scene(folder: Path, bucket: Bucket, storage: dict[str, str]) -> AsyncIterator[Scene]:
    """Play it, and yield what was seen. Prometheus still answers."""
    with _room(folder) as room, _predictor(room, folder, storage) as predictor:
        await asyncio.to_thread(predictor.wait, f"/v2/models/{MODEL}/ready")
        async with _eventing(folder, bucket, predictor) as service:
            targets = [_target("eventing", service.service.port), _target("predictor", predictor.port)]
            with process(folder, targets, RULES) as url:
                async with aiohttp.ClientSession() as http:
                    yield await _played(Prometheus(url, http), service, predictor)


async def _played(prometheus: Prometheus, service: Deployment, predictor: Predictor) -> Scene:
    await prometheus.ready()
    begin = time.time()
    alerts = await seen(prometheus, CALM)
    await _scraped(prometheus, begin)
    await _jobs(service)
    alerts |= await seen(prometheus, BETWEEN if disks.missing() else BETWEEN | FULL)
    end = time.time()
    predictor.process.kill()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LevelStore, "read", _away)
        alerts |= await seen(prometheus, AFTER)
    return Scene(prometheus, alerts, begin, end)


async def _scraped(prometheus: Prometheus, begin: float) -> None:
    """Wait until the counters of both services have a first value: an increase needs one before it."""
    limit = time.monotonic() + PATIENCE
    for counter in ("reelzero_jobs_ended_total", "reelzero_predictor_jobs_total"):
        while not await prometheus.history(counter, begin, time.time()):
            assert time.monotonic() < limit, f"Prometheus never had {counter}"
            await asyncio.sleep(0.2)


async def seen(prometheus: Prometheus, names: set[str]) -> dict[str, list[Alert]]:
    """The alerts of these names, once the expressions of all are true; those that are, after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while True:
        alerts: dict[str, list[Alert]] = {}
        for alert in await prometheus.alerts():
            if (name := alert["labels"]["alertname"]) in names:
                alerts.setdefault(name, []).append(alert)
        if alerts.keys() == names or time.monotonic() > end:
            return alerts
        await asyncio.sleep(0.2)


async def _away(_: LevelStore) -> Any:
    raise Unavailable("the database cannot be reached")


async def _jobs(service: Deployment) -> None:
    """Make two videos; fail three jobs of another model; leave three in a lane without a predictor."""
    service.receiver.answers["/gone"] = [web.Response(status=410)]
    service.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large"))] * 3
    bodies = [
        {}, {"callback_url": f"{service.receiver.url}/gone"},
        *[{"model": "tiny"}] * 4,
        *[{"lane": "long"}] * 3,
    ]  # fmt: skip
    ids = [await _submitted(service, body) for body in bodies]
    ends = [(await service.ended(job))["status"] for job in ids[:6]]
    assert sorted(ends) == ["completed"] * 3 + ["failed"] * 3
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop", "ce-type": "a.b"}
    await service.call("POST", "/events/dead-letter", json={"prompt": ""}, headers=headers)
    async with service.service.container.database.write() as connection:  # they wait since two hours
        await connection.execute(
            text("UPDATE jobs SET submitted_at = submitted_at - 7200 WHERE lane = 'long'")
        )


async def _submitted(service: Deployment, body: dict[str, Any]) -> str:
    answer, job = await service.call("POST", "/v1/jobs", json={"prompt": PROMPT} | body)
    assert answer.status == 202, job
    return str(job["id"])


@contextmanager
def _room(folder: Path) -> Iterator[Path]:
    """A folder with weights and scratch, on a disk with a tenth of its room left where there can be one."""
    if disks.missing():
        yield _filled(folder / "room")
        return
    with disks.Disk(folder / "disk", DISK) as disk:
        room = _filled(disk.path / "room")
        with disk.full(leave=DISK // 10):
            yield room


def _filled(room: Path) -> Path:
    shutil.copytree(WEIGHTS, room / "weights")
    (room / "scratch").mkdir()
    return room


@contextmanager
def _predictor(room: Path, folder: Path, storage: dict[str, str]) -> Iterator[Predictor]:
    own = {
        "REELZERO_MODEL": MODEL,
        "REELZERO_MODEL_DIR": f"{room}/weights",
        "REELZERO_SCRATCH_DIR": f"{room}/scratch",
    }
    predictor = Predictor(storage | own, folder / "predictor.log")
    try:
        yield predictor
    finally:
        predictor.process.kill()
        predictor.process.wait()


@asynccontextmanager
async def _eventing(folder: Path, bucket: Bucket, predictor: Predictor) -> AsyncIterator[Deployment]:
    token, authority = folder / "token", folder / "ca.pem"
    token.write_text(jwt.encode({"exp": datetime.now(UTC) + timedelta(minutes=5)}, "k" * 32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "LIFETIME", timedelta(days=10))
        authority.write_bytes(certificates.make_self_made().chain)

    def endpoints(fake: str) -> tuple[Endpoint, ...]:
        return (
            Endpoint(model=MODEL, url=f"http://127.0.0.1:{predictor.port}"),
            Endpoint(model=MODEL, lane="long", url="http://127.0.0.1:9"),
            Endpoint(model="tiny", url=fake),
        )

    chosen = {
        "endpoints": endpoints,
        "retry_seconds": 0.05,
        "sink_token_file": token,
        "sink_ca_file": authority,
    }
    async with deployment(folder, bucket, **chosen) as service:
        yield service


def _target(part: str, port: int | None) -> Target:
    """A target with the labels that a PodMonitor adds."""
    labels = {"namespace": "video", "pod": f"reelzero-{part}-0", "container": part}
    return Target(f"video/reelzero-{part}", f"127.0.0.1:{port}", labels)
