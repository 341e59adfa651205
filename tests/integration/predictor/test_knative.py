"""The real predictor as Knative treats it: waking, waiting, draining, and pods that never become ready.

Every test runs through the small proxy of tests/knative, and through the real queue-proxy where
QUEUE_PROXY_BIN is set.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.budget import Budget
from eventing.contract.codecs.stream import CompletedRecord, stream_record
from eventing.settings import Endpoint
from tests.integration.conftest import MakeStack
from tests.integration.predictor.conftest import READY, Queue, Start
from tests.integration.predictor.held import Held
from tests.integration.predictor.process import START_LIMIT, Predictor, reached, wait_for
from tests.knative import pod
from tests.knative.real import RealQueueProxy

GENERATE = "/v2/models/tiny/generate_stream"
BODY = {"text_input": "a red circle", "parameters": {"output": "inline", "seed": 3}}
GRACE = 60.0  # what a pod has in all; only a hang gets there


@asynccontextmanager
async def stream(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with aiohttp.ClientSession() as http, http.post(url + GENERATE, json=BODY) as answer:
        yield answer


async def records(answer: aiohttp.ClientResponse) -> list[Any]:
    lines = [line async for line in answer.content if line.startswith(b"data:")]
    return [stream_record.validate_json(line[5:]) for line in lines]


async def last(url: str) -> Any:
    async with stream(url) as answer:
        assert answer.status == 200, await answer.text()
        return (await records(answer))[-1]


async def at(hold: Path) -> None:
    await asyncio.to_thread(wait_for, reached(hold).exists, "the held stage")


async def up(predictor: Predictor, path: str = READY) -> None:
    await asyncio.to_thread(predictor.wait, path)


async def test_a_request_waits_for_the_weights_and_is_then_served(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    predictor = start(hold=("load", go))
    _needs_the_activator(queue, predictor)
    async with queue(predictor, timeout=START_LIMIT) as proxy:
        call = asyncio.create_task(last(proxy.url))
        await up(predictor, "/v2/health/live")
        await at(go)
        assert not await proxy.ready(), "alive, and not ready"
        assert not call.done()
        go.touch()
        assert isinstance(await call, CompletedRecord)


async def test_a_second_request_waits_its_turn_and_is_never_busy(queue: Queue, held: Held) -> None:
    before = await held_count(held, "completed")
    async with queue(held.predictor) as proxy:
        calls = [asyncio.create_task(last(proxy.url)) for _ in range(3)]
        await asyncio.to_thread(held.wait)
        held.release()
        ends = await asyncio.gather(*calls)
    assert all(isinstance(end, CompletedRecord) for end in ends)
    assert await held_count(held, "completed") == before + 3


async def test_a_job_that_runs_when_its_pod_is_ended_is_finished(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    """preStop returns early, SIGTERM comes in mid-job, and the job still reaches its caller."""
    go = tmp_path / "go"
    predictor = start(hold=("decode", go))
    await up(predictor)
    async with queue(predictor) as proxy:
        call = asyncio.create_task(last(proxy.url))
        await at(go)
        grace = GRACE + Budget(cold_start_seconds=60, generation_seconds=60).drain_grace
        ending = asyncio.create_task(pod.end(predictor.process, proxy.wait_for_drain, grace))
        await asyncio.to_thread(wait_for, lambda: refuses(predictor), "SIGTERM")
        assert not call.done()
        go.touch()
        assert isinstance(await call, CompletedRecord)
        assert await ending == 0


async def test_a_stream_cut_by_the_time_out_frees_the_device(queue: Queue, held: Held) -> None:
    before = await held_count(held, "cancelled")
    async with queue(held.predictor, timeout=4) as proxy, stream(proxy.url) as answer:
        assert answer.status == 200
        text = await answer.text()
    assert text.endswith("request timeout"), "the proxy ends the body as if it were whole"
    assert '"type":"completed"' not in text
    held.release()
    await _until_cancelled(held, before + 1)
    async with queue(held.predictor) as proxy:
        assert isinstance(await last(proxy.url), CompletedRecord)


async def test_a_caller_who_goes_stops_the_job(queue: Queue, held: Held) -> None:
    before = await held_count(held, "cancelled")
    async with queue(held.predictor) as proxy:
        async with stream(proxy.url) as answer:
            await answer.content.readline()
            await asyncio.to_thread(held.wait)
        held.release()
        await _until_cancelled(held, before + 1)


async def test_a_revision_that_never_becomes_ready_is_a_504_and_names_its_cause(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    predictor = start(REELZERO_MODEL_DIR=str(tmp_path / "nothing"))
    _needs_the_activator(queue, predictor)
    await asyncio.to_thread(predictor.wait, READY, 503)
    async with queue(predictor, timeout=1) as proxy, stream(proxy.url) as answer:
        assert answer.status == 504
    status, said = await asyncio.to_thread(predictor.get, READY)
    assert status == 503
    assert "nothing" in said["error"]


async def test_eventing_is_rolled_in_mid_job_and_nothing_is_generated_twice(
    queue: Queue, held: Held, make_stack: MakeStack
) -> None:
    """The old replica stops claiming, finishes its stream and ends; the new one only takes what is new."""
    before = await held_count(held, "completed")
    async with queue(held.predictor) as proxy:
        endpoints = (Endpoint(model="tiny", url=proxy.url),)
        async with make_stack(endpoints=endpoints) as old, make_stack(endpoints=endpoints) as new:
            job = await old.submit(num_frames=9)
            await asyncio.to_thread(held.wait)
            holder, other = (old, new) if await _holds(old, job) else (new, old)
            stopping = asyncio.create_task(holder.service.stop())
            await asyncio.sleep(0.5)  # several polls of the other replica, which must not take the job
            assert not stopping.done()
            held.release()
            ended = await other.ended(job)
            await stopping
            vars(holder.service)["stop"] = already_stopped
    assert ended["status"] == "completed"
    assert await held_count(held, "completed") == before + 1


async def held_count(held: Held, outcome: str) -> float:
    """How many jobs ended this way, by the predictor's own count."""
    return await asyncio.to_thread(held.ended, outcome)


async def _until_cancelled(held: Held, count: float) -> None:
    await asyncio.to_thread(wait_for, lambda: held.ended("cancelled") == count, "the abort")


async def already_stopped(drain_seconds: float | None = None) -> None:
    """In place of a second stop."""


async def _holds(stack: Any, job_id: str) -> bool:
    """Whether it is this replica whose dispatcher holds the job."""
    job = await stack.service.container.job_store.get(job_id)
    return bool(job.holder == stack.service.container.claims._holder)


def refuses(predictor: Predictor) -> bool:
    """Whether SIGTERM has arrived: the port is closed for new connections."""
    try:
        return bool(predictor.get(READY)[0] == 503)
    except OSError:
        return True


def _needs_the_activator(queue: Queue, predictor: Predictor) -> None:
    if isinstance(queue(predictor), RealQueueProxy):
        pytest.skip("holding requests while no pod is ready is the activator's part")
