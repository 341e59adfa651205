"""What a predictor sends is checked: a wrong report is a broken attempt and never a result."""

from __future__ import annotations

import pytest

from eventing.contract.records.models import Progress, Stage
from eventing.contract.records.results import Timings
from eventing.testing import Script
from tests.integration.conftest import MakeStack, Stack
from tests.support.lies import LIES, of_result


@pytest.mark.parametrize("lie", LIES)
async def test_a_result_that_is_none_is_a_broken_attempt(stack: Stack, lie: str) -> None:
    stack.predictor.scripts = [Script(lie=LIES[lie])]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 2, 2)


@pytest.mark.parametrize("lie", ["job", "size", "checksum", "type"])
async def test_after_the_last_attempt_a_lie_is_the_cause(make_stack: MakeStack, lie: str) -> None:
    async with make_stack(max_attempts=1) as stack:
        stack.predictor.scripts = [Script(lie=LIES[lie])]
        job = await stack.ended(await stack.submit())
        assert (job["status"], job["result"], job["error"]["code"]) == ("failed", None, "predictor_lost")
        assert "reported a result" in job["error"]["message"]


@pytest.mark.parametrize("lie", ["job", "bucket", "checksum"])
async def test_a_lie_whose_report_is_lost_is_not_adopted(stack: Stack, lie: str) -> None:
    stack.predictor.scripts = [Script(lie=LIES[lie], lose_report=True)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["result"]["attempt"]) == ("completed", 2)


async def test_a_report_without_a_manifest_is_a_broken_attempt(stack: Stack) -> None:
    stack.predictor.scripts = [Script(no_manifest=True)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 2, 2)


async def test_the_manifest_counts_and_not_the_record(stack: Stack) -> None:
    stack.predictor.scripts = [Script(misreport=of_result(seed=8))]
    job = await stack.ended(await stack.submit(seed=7))
    assert (job["status"], job["result"]["attempt"], job["result"]["seed"]) == ("completed", 1, 7)


async def test_a_step_past_the_last_is_the_last(stack: Stack) -> None:
    strange = Progress(stage=Stage.denoise, step=9, total_steps=2)
    stack.predictor.scripts = [Script(progress=strange, break_after=2)]
    job_id = await stack.submit()
    text = await (await stack.get(f"/v1/jobs/{job_id}/events")).text()
    assert '"step": 9' not in text and "event: completed" in text
    assert (await stack.get("/v1/jobs")).status == 200


async def test_a_redirect_is_not_followed(stack: Stack) -> None:
    address = "/v2/models/tiny/generate_stream?redirected"
    stack.predictor.scripts = [Script(status=307, location=address)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["attempts"], job["result"]["attempt"]) == ("completed", 1, 2)


async def test_a_first_record_that_is_the_last_closes_the_circuit_breaker(stack: Stack) -> None:
    stack.predictor.scripts = [Script(status=503)] * 3 + [Script(at_once=True)]
    job = await stack.ended(await stack.submit())
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert (await (await stack.get("/v1/models")).json())["data"][0]["unavailable"] == {}


async def test_a_file_is_served_as_its_type_under_a_safe_name(stack: Stack) -> None:
    job = await stack.ended(await stack.submit())
    answer = await stack.get(f"/v1/videos/{job['id']}/content")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == f'inline; filename="{job["id"]}-video.mp4"'
    assert answer.content_type == "video/mp4"


async def test_warm_jobs_are_no_cold_starts(stack: Stack) -> None:
    timings = Timings(load=3, encode_prompt=0, denoise=0, decode=0, encode_video=0, upload=0, total=0)
    for lie, cold, warm in ((None, 0, 1), (of_result(timings=timings), 1, 0)):
        before = await starts(stack)
        stack.predictor.scripts = [Script(lie=lie)]
        assert (await stack.ended(await stack.submit()))["attempts"] == 1
        after = await starts(stack)
        assert [now - then for now, then in zip(after, before, strict=True)] == [cold, warm]


async def starts(stack: Stack) -> list[float]:
    """Count cold and warm starts so far, from the metrics page."""
    text = await (await stack.get("/metrics")).text()
    names = [
        f'reelzero_{kind}_start_seconds_count{{lane="default",model="tiny"}} ' for kind in ("cold", "warm")
    ]
    lines = text.splitlines()
    return [sum(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in names]
