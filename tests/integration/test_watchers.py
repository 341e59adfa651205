"""Streams and waiting callers: one reader for all, which no outage ends, on both databases."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import pytest

from eventing.contract.errors import Unavailable
from eventing.store.database.engine import Database
from eventing.testing import Script
from tests.integration.conftest import MakeStack, Stack
from tests.support.builders import stores
from tests.support.sent import listening
from tests.support.waiting import eventually

STREAMS, CALLERS = 40, 12
SWEEPS = 20  # of lapsed leases, one every 0.1 s: the clock of a count
INFER = {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle"]}]}


@contextmanager
def statements(stack: Stack) -> Iterator[list[str]]:
    """All statements that the service sends to its database meanwhile."""
    with listening(stack.service.container.database) as sent:
        yield sent


def reads_of_jobs(sent: list[str]) -> int:
    """Count statements that read jobs for a caller: not those of the dispatcher, which lock or sweep."""
    own = [text for text in sent if text.startswith("SELECT jobs.") or "anon_1.ahead" in text]
    return sum(
        not any(name in text for name in ("lease_until <", "start_by <", "expires_at <")) for text in own
    )


def sweeps(sent: list[str]) -> int:
    return sum("jobs.lease_until <" in text for text in sent)


@asynccontextmanager
async def held(stack: Stack, jobs: int = 1) -> AsyncIterator[list[str]]:
    """The ids of jobs: the first runs until the end of the context, the others wait behind it."""
    gate = asyncio.Event()
    stack.predictor.scripts = [Script(gate=gate)]
    ids = [await stack.submit(seed=number) for number in range(jobs)]
    await eventually(lambda: stack.predictor.running)
    try:
        yield ids
    finally:
        gate.set()


async def message(stream: aiohttp.ClientResponse) -> dict[str, str]:
    """The next message of a stream by its fields; a comment's field is empty."""
    lines: list[str] = []
    while (line := (await stream.content.readline()).decode().rstrip("\n")) or not lines:
        assert line or not stream.content.at_eof(), "the stream ended"
        lines += [line] if line else []
    return dict(line.split(": ", 1) for line in lines)


async def test_many_idle_streams_cost_one_statement_a_look(make_stack: MakeStack) -> None:
    async with make_stack() as stack, held(stack, STREAMS) as ids, AsyncExitStack() as streams:
        for job_id in ids:
            stream = await streams.enter_async_context(
                stack.http.get(f"{stack.service.url}/v1/jobs/{job_id}/events")
            )
            assert (await message(stream))["event"] == "progress"
        with statements(stack) as sent:
            await eventually(lambda: sweeps(sent) >= SWEEPS)
            few = 4 * SWEEPS  # a look has two small statements, and its pace is the sweep's
            assert 0 < reads_of_jobs(sent) < few, f"{STREAMS} streams sent {reads_of_jobs(sent)} statements"
        await streams.aclose()
        await eventually(lambda: not stack.service.container.watchers.watched)
        with statements(stack) as sent:
            await eventually(lambda: sweeps(sent) >= SWEEPS)
            sent.clear()  # the last look may have been under way
            await eventually(lambda: sweeps(sent) >= SWEEPS)
            assert reads_of_jobs(sent) == 0


async def test_a_stream_outlives_its_database(make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventing.api.jobs.progress.KEEP_ALIVE_SECONDS", 0.05)
    read, away, refusals = Database.read, asyncio.Event(), []

    def reading(self: Database) -> Any:
        if away.is_set():
            refusals.append(1)
            raise Unavailable("the database cannot be reached")
        return read(self)

    async with make_stack() as stack:
        async with held(stack) as (job_id,):
            stream = await stack.get(f"/v1/jobs/{job_id}/events")
            first = await message(stream)
            monkeypatch.setattr(Database, "read", reading)
            away.set()
            await eventually(lambda: len(refusals) > 5)
            while (comment := await message(stream)) != {"": "still here"}:
                assert comment["event"] == first["event"] == "progress"
            away.clear()
        text = await stream.text()
        assert text.strip().splitlines()[-2] == "event: completed"


async def test_a_stream_whose_lease_is_renewed_is_kept_alive(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "eventing.api.jobs.progress.KEEP_ALIVE_SECONDS", 2.5
    )  # longer than between two renewals
    async with make_stack(lease_seconds=3) as stack, held(stack) as (job_id,):
        async with (
            asyncio.timeout(120),
            stack.http.get(f"{stack.service.url}/v1/jobs/{job_id}/events") as stream,
        ):
            while await message(stream) != {"": "still here"}:
                pass


async def test_a_stream_resumes_after_the_last_event(stack: Stack) -> None:
    async with held(stack, 2) as (running, waiting):
        path = f"/v1/jobs/{waiting}/events"
        seen = await message(await stack.get(path))
        assert json.loads(seen["data"])["queue_position"] == 0
        resumed = await stack.get(path, headers={"Last-Event-ID": seen["id"]})
        other = await stack.get(path, headers={"Last-Event-ID": "of another server"})
        assert (await message(other)) == seen
        assert running != waiting
    following = await message(resumed)
    assert following["id"] != seen["id"]
    lines = (await resumed.text()).splitlines()  # none if the job had ended by the first message
    ids = [following["id"], *(line.removeprefix("id: ") for line in lines if line.startswith("id: "))]
    again = await stack.get(path, headers={"Last-Event-ID": ids[-1]})
    assert (again.status, await again.text()) == (204, "")


async def test_what_another_replica_changed_is_shown(stack: Stack) -> None:
    async with held(stack, 2) as (_, waiting):
        stream = await stack.get(f"/v1/jobs/{waiting}/events")
        await message(stream)
        other = Database(stack.service.settings.database_url)
        await stores(other).jobs.cancel(waiting)
        await other.close()
        assert "event: cancelled" in await stream.text()


async def test_callers_that_hang_up_are_noticed_without_the_database(stack: Stack) -> None:
    async def jobs() -> list[dict[str, Any]]:
        return list((await (await stack.get("/v1/jobs?limit=100")).json())["data"])

    async with held(stack):
        asking = [
            asyncio.create_task(stack.post("/v2/models/tiny/infer", json=INFER)) for _ in range(CALLERS)
        ]
        while len(await jobs()) <= CALLERS:
            await asyncio.sleep(0.01)
        with statements(stack) as sent:
            await eventually(lambda: sweeps(sent) >= SWEEPS)
            assert reads_of_jobs(sent) < CALLERS // 2 * SWEEPS  # alone, each would read every time
        for call in asking:
            call.cancel()
        while [job["status"] for job in await jobs()].count("cancelled") < CALLERS:
            await asyncio.sleep(0.01)


async def test_many_waiting_callers_all_get_their_answers(stack: Stack) -> None:
    async with held(stack):
        asking = [
            asyncio.create_task(stack.post("/v2/models/tiny/infer", json=INFER)) for _ in range(CALLERS)
        ]
        while len((await (await stack.get("/v1/jobs?limit=100")).json())["data"]) <= CALLERS:
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*asking)
    assert [answer.status for answer in answers] == [200] * CALLERS


async def test_a_job_that_is_not_there_has_no_stream(stack: Stack) -> None:
    answers = await asyncio.gather(*(stack.get("/v1/jobs/nothing/events") for _ in range(5)))
    assert [answer.status for answer in answers] == [404] * 5
