"""Where KEDA starts the pods, a job waits for a ready one of its own and counts as unfinished meanwhile."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.budget import Budget
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.testing import FakePredictor
from tests.integration.api.deployment import PATIENCE, Deployment, deployment
from tests.support.ports import free_port

NAME = "predictor.reelzero.svc"  # a headless Service: an address per ready pod
resolve = socket.getaddrinfo


class Pods:
    """The pods of a model, each at a loopback address of its own. `addresses` is what the name has now."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket, self.port, self.addresses, self.lookups = bucket, free_port(), list[str](), 0
        self.stack = AsyncExitStack()

    async def start(self, number: int, **options: Any) -> FakePredictor:
        """A pod that is ready."""
        pod = FakePredictor(self.bucket, host=f"127.0.0.{number}", port=self.port, **options)
        await self.stack.enter_async_context(pod)
        self.addresses.append(pod.host)
        return pod

    def lookup(self, host: str, *arguments: Any, **options: Any) -> Any:
        if host != NAME:
            return resolve(host, *arguments, **options)
        self.lookups += 1
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, self.port)) for each in self.addresses]


@pytest.fixture
async def pods(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pods]:
    pods = Pods(bucket)
    monkeypatch.setattr(socket, "getaddrinfo", pods.lookup)
    monkeypatch.setattr("eventing.dispatch.pods.LOOK_SECONDS", 0.05)
    async with pods.stack:
        yield pods


@asynccontextmanager
async def serving(tmp_path: Path, pods: Pods, capacity: int = 4) -> AsyncIterator[Deployment]:
    url = f"http://{NAME}:{pods.port}"
    endpoint = Endpoint(model="tiny", url=url, capacity=capacity, scaler="keda")
    settings: dict[str, Any] = {"endpoints": (endpoint,), "max_attempts": 1, "retry_seconds": 0.05}
    async with deployment(tmp_path, pods.bucket, **settings) as service:
        yield service


async def submit(service: Deployment) -> str:
    answer, job = await service.call("POST", "/v1/jobs", json={"prompt": "a red circle"})
    assert answer.status == 202
    return str(job["id"])


async def until(service: Deployment, job_id: str, holds: Callable[[Any], bool]) -> Any:
    """The job as soon as something holds for it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            _, job = await service.call("GET", f"/v1/jobs/{job_id}")
            if holds(job):
                return job
            await asyncio.sleep(0.01)


async def unfinished(service: Deployment) -> int:
    """What KEDA scales on: the sum of the gauge over its states."""
    _, text = await service.call("GET", "/metrics")
    counts = re.findall(r'^reelzero_jobs{.*model="tiny".*} (\S+)$', text.decode(), re.MULTILINE)
    assert len(counts) == 2, "both states are always there: no number is not the same as none"
    return sum(int(float(count)) for count in counts)


async def test_a_job_waits_for_the_first_pod_and_counts_until_it_ends(tmp_path: Path, pods: Pods) -> None:
    async with serving(tmp_path, pods) as service:
        assert await unfinished(service) == 0
        job_id = await submit(service)
        job = await until(service, job_id, lambda job: job["progress"]["stage"] == "starting")
        assert (job["status"], job["attempts"], await unfinished(service)) == ("in_progress", 0, 1)
        await pods.start(2)
        job = await service.ended(job_id)
        assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 1)
        assert await unfinished(service) == 0


async def test_every_job_gets_a_pod_of_its_own(tmp_path: Path, pods: Pods) -> None:
    started = [await pods.start(number) for number in (2, 3, 4)]
    async with serving(tmp_path, pods) as service:
        jobs = [await submit(service) for _ in range(9)]
        ended = [await service.ended(job_id) for job_id in jobs]
    assert {(job["status"], job["attempts"], job["result"]["attempt"]) for job in ended} == {
        ("completed", 1, 1)
    }
    assert [pod.busy for pod in started] == [0, 0, 0]
    assert all(pod.requests for pod in started)


async def test_a_pod_that_is_being_stopped_or_has_gone_is_passed_over(tmp_path: Path, pods: Pods) -> None:
    stopping = await pods.start(2)
    stopping.draining = True
    pods.addresses.append("127.0.0.9")  # what a name server still remembers
    async with serving(tmp_path, pods) as service:
        job_id = await submit(service)
        await until(service, job_id, lambda job: job["progress"]["stage"] == "starting")
        await pods.start(3)
        job = await service.ended(job_id)
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 1)
    assert stopping.requests == []


async def test_a_pod_that_another_replica_uses_is_left_for_the_next(tmp_path: Path, pods: Pods) -> None:
    taken = await pods.start(2)
    taken.running = 1
    await pods.start(3)
    async with serving(tmp_path, pods) as service:
        jobs = [await service.ended(await submit(service)) for _ in range(5)]
    assert [(job["status"], job["attempts"]) for job in jobs] == [("completed", 1)] * 5
    assert taken.busy <= 1, "after a refusal it is tried last"


async def test_a_pod_that_refused_is_not_asked_at_every_look(
    tmp_path: Path, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the job would be claimed and put back every second while the other replica's job runs."""
    monkeypatch.setattr("eventing.dispatch.pods.REST_SECONDS", 600.0)
    taken = await pods.start(2)
    taken.running = 1
    async with serving(tmp_path, pods) as service:
        job_id = await submit(service)
        await until(service, job_id, lambda _: pods.lookups > 5)
        assert taken.busy == 1
        await pods.start(3)
        job = await service.ended(job_id)
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 2)


async def test_no_pod_in_time_counts_as_a_failed_start_and_no_attempt(
    tmp_path: Path, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "pod_wait", 0.1)
    async with serving(tmp_path, pods) as service:
        job_id = await submit(service)
        job = await until(service, job_id, lambda job: job["waiting_for"] == "model_unavailable")
        assert (job["status"], job["attempts"], await unfinished(service)) == ("queued", 0, 1)
        _, models = await service.call("GET", "/v1/models")
        assert f"no pod of http://{NAME}:{pods.port} was ready" in models["data"][0]["unavailable"]["default"]


async def test_pods_that_are_all_at_work_are_no_failed_start(
    tmp_path: Path, pods: Pods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "pod_wait", 0.1)
    go = asyncio.Event()

    async def hold(_stage: str, _job_id: str) -> None:
        await go.wait()

    await pods.start(2, on_stage=hold)
    async with serving(tmp_path, pods, capacity=2) as service:
        first = await submit(service)
        await until(service, first, lambda job: job["attempts"] == 1)
        second = await submit(service)
        for _ in range(4):
            await until(service, second, lambda job: job["status"] == "in_progress")
            await until(service, second, lambda job: job["waiting_for"] == "busy")
        _, models = await service.call("GET", "/v1/models")
        assert models["data"][0]["unavailable"] == {}
        go.set()
        ended = [await service.ended(job_id) for job_id in (first, second)]
    assert [(job["status"], job["attempts"]) for job in ended] == [("completed", 1)] * 2
