"""A job that has left its device gives its slot to the next one, and still has its lease, cancel and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.integration.conftest import MakeStack, Stack
from tests.support.pipelined import Pipelined

SOON = 300.0  # seconds; only a hang gets there


class Held(Pipelined):
    """Holds the first job at its upload, and tells which jobs have begun."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket, on_stage=self._on_stage)
        self.uploading, self.go = asyncio.Event(), asyncio.Event()
        self.both = asyncio.Event()
        self.begun: list[str] = []

    async def _on_stage(self, stage: str, job_id: str) -> None:
        if stage == "denoise":
            self.begun.append(job_id)
        if len(self.begun) == 2:
            self.both.set()
        if stage == "upload" and job_id == self.begun[0]:
            self.uploading.set()
            await self.go.wait()


@pytest.fixture
async def held(make_stack: MakeStack, bucket: Bucket) -> AsyncIterator[tuple[Stack, Held, list[str]]]:
    """A service with one slot, and two jobs: the first is held at its upload, the second has begun."""
    async with (
        Held(bucket) as predictor,
        make_stack(endpoints=(Endpoint(model="tiny", url=predictor.url),)) as stack,
        asyncio.timeout(SOON),
    ):
        submitted = [await stack.submit(), await stack.submit()]
        await predictor.uploading.wait()
        await predictor.both.wait()
        yield stack, predictor, sorted(submitted, key=predictor.begun.index)
        predictor.go.set()


async def test_the_next_job_has_the_device_while_the_first_is_uploaded(
    held: tuple[Stack, Held, list[str]],
) -> None:
    stack, predictor, jobs = held
    states = [(await (await stack.get(f"/v1/jobs/{job}")).json())["status"] for job in jobs]
    assert states == ["in_progress", "in_progress"]
    assert stack.service.open_attempts == 2, "a stop waits for the upload too"
    assert predictor.most_at_once == 1, "one device has one job"
    predictor.go.set()
    ended = [await stack.ended(job) for job in jobs]
    assert [(job["status"], job["attempts"]) for job in ended] == [("completed", 1), ("completed", 1)]
    assert predictor.busy == 0, "no job was sent to a taken device"


async def test_a_cancel_ends_a_job_that_has_left_the_device(held: tuple[Stack, Held, list[str]]) -> None:
    stack, predictor, (first, second) = held
    await stack.http.delete(f"{stack.service.url}/v1/jobs/{first}")
    assert (await stack.ended(first))["status"] == "cancelled"
    assert (await stack.ended(second))["status"] == "completed"
    assert predictor.aborted == [first]
