"""The way of a job through the service, and every way it may go wrong, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from typing import Any

import pytest
from sqlalchemy import select, text
from standardwebhooks import Webhook

from eventing.contract.errors import Unavailable
from eventing.contract.records.models import Failure
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.dispatch.predictor_client import NotStarted
from eventing.domain.job import Job
from eventing.settings import Endpoint
from eventing.store.claims import ClaimStore
from eventing.store.tables import jobs
from eventing.testing import Script
from tests.integration.conftest import SECRET, MakeStack, Stack

KNOWN_TO_0_1_0 = frozenset({
    "fps", "guidance_scale", "height", "negative_prompt", "num_frames", "num_inference_steps", "quality",
    "seed", "width", "job_id", "attempt", "output",
})  # fmt: skip
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "e1",
    "ce-source": "/test",
    "ce-type": "dev.reelzero.video.requested.v1",
}
RESULT_OF_0_1_0 = {
    "job_id", "attempt", "model", "revision", "seed", "width", "height", "num_frames", "fps",
    "duration_seconds", "video", "poster", "spritesheet", "manifest_uri", "timings", "warnings",
}  # fmt: skip
TIMINGS_OF_0_1_0 = {"load", "encode_prompt", "denoise", "decode", "encode_video", "upload", "total"}


async def test_a_cloudevent_becomes_a_video_an_event_and_a_verified_webhook(stack: Stack) -> None:
    body = {"prompt": "a red circle", "callback_url": stack.receiver.url("hook"), "metadata": {"story": "7"}}
    answer = await stack.post("/events", json=body, headers=EVENT)
    assert (answer.status, await answer.read()) == (202, b"")
    job_id = answer.headers["Location"].rpartition("/")[2]

    sink = (await stack.receiver.wait_for_type("completed")).event
    hook = await stack.receiver.wait_for(lambda d: d.path == "/hook")
    Webhook(SECRET).verify(hook.body, hook.headers)
    assert hook.event == sink
    assert (sink["subject"], sink["data"]["metadata"]) == (job_id, {"story": "7"})

    bucket = stack.service.container.bucket
    video = bucket.get(bucket.key(sink["data"]["result"]["video"]["uri"]))
    assert video is not None
    assert hashlib.sha256(video).hexdigest() == sink["data"]["result"]["video"]["sha256"]
    result = await stack.get(sink["data"]["result_url"].removeprefix("http://127.0.0.1:8080"))
    assert await result.read() == video
    await stack.ended(job_id)
    while (stored := bucket.get(f"jobs/{job_id}/event.json")) is None:
        await asyncio.sleep(0.01)
    assert json.loads(stored) == sink


async def test_the_same_event_again_is_the_same_job(stack: Stack) -> None:
    answers = await asyncio.gather(
        *(stack.post("/events", json={"prompt": "a red circle"}, headers=EVENT) for _ in range(20))
    )
    assert len({answer.headers["Location"] for answer in answers}) == 1
    await stack.ended(answers[0].headers["Location"].rpartition("/")[2])
    assert len(stack.predictor.requests) == 1


async def test_a_predictor_of_the_release_before_is_used(stack: Stack) -> None:
    """In an upgrade eventing may be newer than the predictors."""
    stack.predictor.known = KNOWN_TO_0_1_0
    job = await stack.ended(await stack.submit(seed=7, width=128, height=128))
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 1)
    (request,) = stack.predictor.requests
    assert set(request["parameters"]) <= KNOWN_TO_0_1_0
    assert (job["result"]["seed"], job["result"]["width"]) == (7, 128)


async def test_the_release_before_can_read_what_this_one_writes(stack: Stack) -> None:
    """In a rollback eventing or the predictors may be older: they refuse fields that they do not know."""
    job_id = await stack.submit()
    job = await stack.ended(job_id)
    bucket = stack.service.container.bucket
    manifest = json.loads(bucket.get(f"jobs/{job_id}/attempts/0001/manifest.json") or b"")
    async with stack.service.container.database.read() as connection:
        (row,) = await connection.execute(select(jobs.c.spec, jobs.c.result).where(jobs.c.id == job_id))
    (sent,) = stack.predictor.requests
    for spec in (row.spec, manifest["request"], sent["parameters"]["spec"]):
        assert spec.keys() - {"prompt", "model"} <= KNOWN_TO_0_1_0
    for result in (row.result, manifest["result"]):
        assert result.keys() <= RESULT_OF_0_1_0
        assert result["timings"].keys() <= TIMINGS_OF_0_1_0
    assert job["status"] == "completed"


async def test_a_broken_stream_is_tried_again_with_the_same_seed(stack: Stack) -> None:
    stack.predictor.scripts = [Script(break_after=2), Script(break_after=3)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 3, 3)
    assert len({request["parameters"]["spec"]["seed"] for request in stack.predictor.requests}) == 1


async def test_after_the_last_attempt_the_job_fails_with_the_cause(make_stack: MakeStack) -> None:
    async with make_stack(max_attempts=2) as stack:
        stack.predictor.scripts = [Script(break_after=2)] * 5
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", "predictor_lost", 2)
        assert len(stack.predictor.requests) == 2
        event = (await stack.receiver.wait_for_type("failed")).event
        assert event["data"]["error"]["code"] == "predictor_lost"


@pytest.mark.parametrize("records", [0, 1])
async def test_a_stream_cut_at_its_start_uses_up_no_attempt(make_stack: MakeStack, records: int) -> None:
    async with make_stack(max_attempts=1) as stack:
        stack.predictor.scripts = [Script(break_after=records)] * 2
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 3)


async def test_a_predictor_that_dies_at_every_start_ends_the_job(make_stack: MakeStack) -> None:
    """Answers that no predictor took the job come between the cuts, as while a pod starts again."""
    async with make_stack(max_attempts=2) as stack:
        stack.predictor.scripts = [Script(break_after=1), Script(status=503)] * 6
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["error"]["code"], job["attempts"]) == ("failed", "predictor_lost", 2)
        assert len(stack.predictor.requests) == 7, "two cuts free of charge, two attempts, three refusals"


async def test_what_no_repetition_can_mend_fails_at_once(stack: Stack) -> None:
    stack.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large for 24 GiB"))]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["error"]["message"]) == ("failed", "too large for 24 GiB")
    assert len(stack.predictor.requests) == 1


async def test_a_finished_file_whose_report_was_lost_is_adopted_not_generated_again(stack: Stack) -> None:
    stack.predictor.scripts = [Script(lose_report=True)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["result"]["attempt"]) == ("completed", 1)
    assert len(stack.predictor.requests) == 1


@pytest.mark.parametrize("script", [Script(status=503, code="busy"), Script(status=503), Script(status=504)])
async def test_what_never_started_uses_up_no_attempt(make_stack: MakeStack, script: Script) -> None:
    async with make_stack(max_attempts=1) as stack:
        stack.predictor.scripts = [script, script]
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 3)


async def test_a_database_away_at_the_first_word_stops_no_work_and_blames_no_model(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, away = ClaimStore.start, [3]

    async def flaky(self: ClaimStore, job: Job) -> Job:
        if away[0]:
            away[0] -= 1
            raise Unavailable("the database does not serve now")
        return await start(self, job)

    monkeypatch.setattr(ClaimStore, "start", flaky)
    async with make_stack(max_attempts=1) as stack:
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["attempts"], len(stack.predictor.requests)) == ("completed", 1, 1)


async def test_an_error_on_our_side_uses_up_one_attempt_and_a_busy_predictor_none(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = RemoteEndpoints.open
    wrong = [NotStarted("busy", "busy"), NotStarted("busy", "busy"), RuntimeError("a bug")]

    def broken(self: Any, model: str, lane: str) -> Any:
        if wrong:
            raise wrong.pop(0)
        return opened(self, model, lane)

    monkeypatch.setattr(RemoteEndpoints, "open", broken)
    async with make_stack(max_attempts=2) as stack:
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["attempts"]) == ("completed", 2)


async def test_a_statement_that_fails_is_logged_without_what_was_asked(
    make_stack: MakeStack, caplog: pytest.LogCaptureFixture
) -> None:
    async with make_stack() as stack:
        async with stack.service.container.database.write() as connection:
            await connection.execute(text("ALTER TABLE jobs RENAME COLUMN spec TO gone"))
        answer = await stack.post("/v1/jobs", json={"prompt": "a secret circle"})
        assert answer.status >= 500
    assert "spec" in caplog.text
    assert "secret" not in caplog.text


async def test_a_cancel_stops_the_predictor_and_is_announced(stack: Stack) -> None:
    gate = asyncio.Event()
    stack.predictor.scripts = [Script(gate=gate)]
    started = asyncio.Event()
    stack.predictor.on_start = lambda _: started.set()
    job_id = await stack.submit()
    await asyncio.wait_for(started.wait(), 10)
    async with stack.http.delete(f"{stack.service.url}/v1/jobs/{job_id}") as answer:
        assert answer.status == 202
    job = await stack.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "cancelled")
    assert stack.predictor.aborted == [job_id]
    await stack.receiver.wait_for_type("cancelled")


async def test_a_queued_job_is_cancelled_at_once(make_stack: MakeStack) -> None:
    async with make_stack(endpoints=(Endpoint(model="tiny", url="http://127.0.0.1:9", capacity=1),)) as stack:
        job_id = await stack.submit()
        while (await (await stack.get(f"/v1/jobs/{job_id}")).json())["status"] != "queued":
            await asyncio.sleep(0.01)
        async with stack.http.delete(f"{stack.service.url}/v1/jobs/{job_id}") as answer:
            assert answer.status in (200, 202)
        assert (await stack.ended(job_id))["status"] == "cancelled"


async def test_a_predictor_never_gets_more_than_the_capacity(stack: Stack) -> None:
    for job_id in [await stack.submit() for _ in range(8)]:
        assert (await stack.ended(job_id))["status"] == "completed"
    assert (stack.predictor.most_at_once, stack.predictor.busy) == (1, 0)


async def test_a_model_that_never_starts_is_paused_and_says_so(make_stack: MakeStack) -> None:
    async with make_stack(endpoints=(Endpoint(model="tiny", url="http://127.0.0.1:9", capacity=4),)) as stack:
        jobs = [await stack.submit() for _ in range(3)]
        while not (await (await stack.get("/v1/models")).json())["data"][0]["unavailable"]:
            await asyncio.sleep(0.02)
        while True:
            views = [await (await stack.get(f"/v1/jobs/{job}")).json() for job in jobs]
            if any(view["waiting_for"] == "model_unavailable" for view in views):
                break
            await asyncio.sleep(0.02)
        assert {view["status"] for view in views} <= {"queued", "in_progress"}
        assert (
            'reelzero_model_paused{lane="default",model="tiny"} 1.0'
            in await (await stack.get("/metrics")).text()
        )


async def test_a_drain_lets_the_open_stream_finish_and_claims_nothing_more(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        gate, started = asyncio.Event(), asyncio.Event()
        stack.predictor.scripts = [Script(gate=gate)]
        stack.predictor.on_start = lambda _: started.set()
        first, second = await stack.submit(), await stack.submit()
        await asyncio.wait_for(started.wait(), 10)
        draining = asyncio.create_task(stack.service._dispatcher.drain(30))
        await asyncio.sleep(0)
        gate.set()
        await draining
        assert (await (await stack.get(f"/v1/jobs/{first}")).json())["status"] == "completed"
        assert (await (await stack.get(f"/v1/jobs/{second}")).json())["status"] == "queued"


async def test_a_drain_in_a_hurry_puts_the_job_back_at_once(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        started = asyncio.Event()
        stack.predictor.scripts = [Script(gate=asyncio.Event())]
        stack.predictor.on_start = lambda _: started.set()
        job_id = await stack.submit()
        await started.wait()
        draining = asyncio.create_task(stack.service._dispatcher.drain(10**6))
        stack.service.hurry()
        await draining
        job = await (await stack.get(f"/v1/jobs/{job_id}")).json()
        assert (job["status"], job["waiting_for"]) == ("queued", "stopped")


async def test_a_drain_that_is_over_puts_the_job_back(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        started = asyncio.Event()
        stack.predictor.scripts = [Script(gate=asyncio.Event())]
        stack.predictor.on_start = lambda _: started.set()
        job_id = await stack.submit()
        await asyncio.wait_for(started.wait(), 10)
        await stack.service._dispatcher.drain(0)
        job = await (await stack.get(f"/v1/jobs/{job_id}")).json()
        assert (job["status"], job["waiting_for"]) == ("queued", "stopped")
        assert stack.predictor.aborted == [job_id]


async def test_a_service_that_is_stopped_has_not_failed(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        pass
    assert not stack.service.failed.is_set()


async def test_progress_is_followed_to_the_end(stack: Stack) -> None:
    job_id = await stack.submit()
    text = await (await stack.get(f"/v1/jobs/{job_id}/events")).text()
    kinds = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert kinds[-1] == "completed" and set(kinds[:-1]) <= {"progress"}
    last = json.loads(text.strip().splitlines()[-1].removeprefix("data: "))
    assert (last["id"], last["percent"]) == (job_id, 100)


async def test_answers_do_not_wait_for_acknowledgements(stack: Stack) -> None:
    """asyncio sets TCP_NODELAY only on sockets that name their protocol; without it an answer takes 40 ms."""
    listener = stack.service._socket
    assert listener.proto == socket.IPPROTO_TCP


async def test_the_trace_goes_through_to_the_completion_event(stack: Stack) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    await stack.post("/events", json={"prompt": "x"}, headers=EVENT | {"ce-traceparent": trace})
    event = (await stack.receiver.wait_for_type("completed")).event
    assert event["traceparent"].split("-")[1] == "a" * 32
