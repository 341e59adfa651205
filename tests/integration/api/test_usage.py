"""What jobs cost, by public doors: the report as JSON, CSV and a picture, each job's own; who sees what."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from eventing.api.usage.formats import as_csv
from eventing.api.usage.views import By, usage_view
from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from eventing.domain.usage import Usage
from eventing.settings import Endpoint
from eventing.store.usage import Entry as UsageEntry
from eventing.store.usage import Period
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL = "ltx-video"  # has one GPU in the catalog
PARTS = ("used", "starting", "wasted", "idle")
REFUSED = Failure(code="content_refused", message="no")
SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Bill:
    """A service with prices and keys, and jobs of two owners that have ended."""

    service: Deployment
    keys: dict[str, str]
    jobs: dict[str, Any]  # by name: made, failed, free

    async def get(self, owner: str, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[owner]}"}
        answer, body = await self.service.call("GET", path, headers=headers)
        assert answer.status == 200, body
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bill(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Bill]:
    settings = {
        "auth": "required", "rate_per_minute": 20, "currency": "EUR",
        "gpu_hour_price": 7200.0, "gpu_hour_prices": f"{MODEL}=3600",
        "endpoints": lambda url: tuple(
            Endpoint(model=name, url=url, capacity=1, idle_seconds=60.0) for name in (MODEL, "tiny")
        ),
    }  # fmt: skip
    async with deployment(tmp_path_factory.mktemp("usage"), bucket, **settings) as service:
        store = service.service.container.keys
        keys = {"ann": await store.create("ann"), "bob": await store.create("bob")}
        keys["root"] = await store.create("root", may_operate=True)
        jobs = {
            "made": await _job(service, keys["ann"], MODEL),
            "failed": await _job(service, keys["bob"], MODEL, Script(failure=REFUSED)),
            "free": await _job(service, keys["ann"], "tiny"),
        }
        yield Bill(service, keys, jobs)


async def _job(service: Deployment, key: str, model: str, script: Script | None = None) -> Any:
    service.predictor.scripts = [script] if script else []
    headers = {"Authorization": f"Bearer {key}"}
    body = {"prompt": "a red circle", "model": model}
    answer, job = await service.call("POST", "/v1/jobs", json=body, headers=headers)
    assert answer.status == 202, job
    await service.ended(job["id"], headers=headers)
    _, job = await service.call("GET", f"/v1/jobs/{job['id']}", headers=headers)
    return job


def adds_up(row: Any) -> bool:
    seconds = row["gpu_seconds"]
    return bool(seconds["paid"] == pytest.approx(sum(seconds[part] for part in PARTS), abs=1e-3))


async def test_an_operator_sees_all_owners_and_an_owner_its_own(bill: Bill) -> None:
    view = await bill.get("root", "/v1/usage?by=owner&by=model")
    rows = {(row["owner"], row["model"]): row for row in view["data"]}
    assert set(rows) == {("ann", MODEL), ("ann", "tiny"), ("bob", MODEL)}
    assert all(adds_up(row) for row in [*view["data"], view["total"]])
    made, failed, free = rows["ann", MODEL], rows["bob", MODEL], rows["ann", "tiny"]
    assert (made["completed"], made["gpus"], made["gpu_seconds"]["wasted"]) == (1, 1, 0.0)
    assert (failed["failed"], failed["completed"], failed["video_seconds"]) == (1, 0, 0.0)
    assert failed["gpu_seconds"]["wasted"] > 0
    assert made["video_seconds"] == pytest.approx(bill.jobs["made"]["result"]["duration_seconds"], abs=1e-3)
    assert (free["gpus"], free["cost"]) == (0, 0.0)  # a CPU costs nothing, and its seconds still count
    assert free["gpu_seconds"]["paid"] > 0
    assert made["wait_median_seconds"] is not None
    assert (view["total"]["completed"], view["total"]["owner"]) == (2, None)
    own = await bill.get("ann", "/v1/usage?by=owner&by=model")
    assert {row["owner"] for row in own["data"]} == {"ann"}
    assert own["total"]["failed"] == 0


async def test_money_is_gpu_seconds_times_the_price_of_the_model(bill: Bill) -> None:
    view = await bill.get("root", "/v1/usage?by=model")
    rows = {row["model"]: row for row in view["data"]}
    assert view["currency"] == "EUR"
    assert rows[MODEL]["cost"] == pytest.approx(rows[MODEL]["gpu_seconds"]["paid"], abs=1e-3)  # 3600 an hour
    assert view["total"]["cost"] == rows[MODEL]["cost"] > 0


async def test_each_job_shows_what_it_has_used(bill: Bill) -> None:
    for name, owner in (("made", "ann"), ("failed", "bob"), ("free", "ann")):
        usage = bill.jobs[name]["usage"]
        assert adds_up(usage), usage
        (row,) = [
            row for row in (await bill.get(owner, "/v1/usage?by=model"))["data"]
            if row["model"] == bill.jobs[name]["model"]
        ]  # fmt: skip
        assert usage["gpu_seconds"] == row["gpu_seconds"]
        assert (usage["cost"], usage["currency"]) == (row["cost"], "EUR")


async def test_the_report_outlives_a_deleted_job(bill: Bill) -> None:
    headers = {"Authorization": f"Bearer {bill.keys['bob']}"}
    job = await _job(bill.service, bill.keys["bob"], "tiny")
    before = await bill.get("root", "/v1/usage?by=day&by=owner&by=model")
    answer, _ = await bill.service.call("DELETE", f"/v1/videos/{job['id']}", headers=headers)
    assert answer.status == 200
    answer, _ = await bill.service.call("GET", f"/v1/jobs/{job['id']}", headers=headers)
    assert answer.status == 404
    assert await bill.get("root", "/v1/usage?by=day&by=owner&by=model") == before
    assert all(before["since"] <= row["day"] <= before["until"] for row in before["data"])


async def test_the_csv_has_the_rows_of_the_json(bill: Bill) -> None:
    query = "/v1/usage?by=day&by=owner&by=model"
    view, text = await bill.get("root", query), await bill.get("root", f"{query}&format=csv")
    lines = list(csv.DictReader(io.StringIO(text.decode())))
    assert len(lines) == len(view["data"]) >= 3
    for line, row in zip(lines, view["data"], strict=True):
        assert (line["day"], line["owner"], line["model"]) == (row["day"], row["owner"], row["model"])
        assert float(line["gpu_seconds_paid"]) == row["gpu_seconds"]["paid"]
        assert (float(line["cost"]), line["currency"]) == (row["cost"], "EUR")
        assert int(line["completed"]) == row["completed"]


@pytest.mark.parametrize("owner", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_a_spreadsheet_takes_no_owner_for_a_formula(bill: Bill, owner: str) -> None:
    usage = UsageEntry(20_000, owner, MODEL, Usage(completed=1))
    view = usage_view(Period(20_000, 20_000, (usage,)), (By.owner,), bill.service.service.container.costs)
    (line,) = csv.DictReader(io.StringIO(as_csv(view), newline=""))
    assert line["owner"] == f"'{owner}"
    assert float(line["gpu_seconds_paid"]) == 0.0


async def test_the_picture_draws_each_part_as_long_as_it_is(bill: Bill) -> None:
    view = await bill.get("root", "/v1/usage?by=model")
    picture = ElementTree.fromstring((await bill.get("root", "/v1/usage?by=model&format=svg")).decode())
    most = max(row["gpu_seconds"]["paid"] for row in view["data"])
    for part in PARTS:
        drawn = [float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect") if bar.get("class") == part]
        expected = [460 * row["gpu_seconds"][part] / most for row in view["data"]]
        assert sorted(drawn) == pytest.approx(sorted(each for each in expected if each > 0), abs=0.02)
    texts = [text.text or "" for text in picture.iter(f"{SVG}text")]
    assert MODEL in texts and any("EUR" in text for text in texts)


async def test_a_wrong_period_or_part_is_refused_with_its_field(bill: Bill) -> None:
    headers = {"Authorization": f"Bearer {bill.keys['ann']}"}
    for query, field in (
        ("since=yesterday", "since"), ("since=99999d", "since"), ("since=1960-01-01", "since"),
        ("since=2026-13-01", "since"), ("by=prompt", "by"), ("format=xml", "format"),
    ):  # fmt: skip
        answer, problem = await bill.service.call("GET", f"/v1/usage?{query}", headers=headers)
        assert (answer.status, problem["field"].split(".")[0]) == (422, field), problem
    answer, _ = await bill.service.call("GET", "/v1/usage")
    assert answer.status == 401


async def test_a_period_in_the_future_is_empty(bill: Bill) -> None:
    view = await bill.get("root", "/v1/usage?since=2999-01-01")
    assert view["data"] == [] and view["total"]["cost"] is None
    assert (await bill.get("root", "/v1/usage?since=2999-01-01&format=svg")).startswith(b"<svg")


async def estimate(bill: Bill, owner: str = "ann", **fields: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {bill.keys[owner]}"}
    body = {"prompt": "a red circle", "model": MODEL, **fields}
    answer, view = await bill.service.call("POST", "/v1/jobs?dry_run=true", json=body, headers=headers)
    return answer.status, view


async def test_an_estimate_stores_nothing_and_takes_its_time_from_earlier_videos(bill: Bill) -> None:
    before = await bill.get("ann", "/v1/jobs")
    status, view = await estimate(bill, n=3, seed=7)
    assert (status, view["object"], view["videos"], view["lane"]) == (200, "estimate", 3, "default")
    assert (view["request"]["seed"], view["request"]["width"]) == (7, bill.jobs["made"]["request"]["width"])
    assert view["seconds_from"] == "history"  # of one video that was made
    made = await bill.service.service.container.job_store.get(bill.jobs["made"]["id"])
    assert view["seconds"] == pytest.approx((made.completed_at or 0) - (made.started_at or 0), abs=0.01)
    assert (view["queue_position"], view["wait_seconds"], view["cold_start"]) == (0, 0.0, False)
    assert view["end_seconds"] == pytest.approx(3 * view["seconds"], abs=0.05)
    assert view["currency"] == "EUR" and view["cost"] is not None
    assert await bill.get("ann", "/v1/jobs") == before


async def test_a_way_in_without_estimates_refuses_to_be_asked_for_one(bill: Bill) -> None:
    before = await bill.get("ann", "/v1/jobs")
    headers = {"Authorization": f"Bearer {bill.keys['ann']}"}
    for method, path in (
        ("PUT", "/v1/jobs/my-id"), ("POST", "/v1/videos"), ("POST", "/api/v1/videos"),
        ("POST", f"/v1/jobs/{bill.jobs['free']['id']}/retry"),
    ):  # fmt: skip
        body = {"prompt": "a red circle", "model": MODEL}
        answer, problem = await bill.service.call(method, f"{path}?dry_run=true", json=body, headers=headers)
        assert answer.status in (400, 422) and "dry_run" in str(problem), (path, problem)
    assert await bill.get("ann", "/v1/jobs") == before


async def test_an_estimate_is_refused_as_the_submission_would_be(bill: Bill) -> None:
    headers = {"Authorization": f"Bearer {bill.keys['ann']}"}
    for fields in (
        {"num_frames": 3}, {"model": "none"}, {"n": 1000}, {"priority": 9}, {"lane": "nowhere"},
    ):  # fmt: skip
        body = {"prompt": "a red circle", "model": MODEL, **fields}
        answer, problem = await bill.service.call("POST", "/v1/jobs", json=body, headers=headers)
        assert answer.status in (404, 422), problem
        assert await estimate(bill, **fields) == (answer.status, problem), fields


async def test_an_estimate_uses_up_no_rate(bill: Bill) -> None:
    limit = bill.service.service.container.settings.rate_per_minute
    assert [(await estimate(bill, "bob"))[0] for _ in range(limit + 1)] == [200] * (limit + 1)


async def test_an_estimate_counts_the_queue(bill: Bill) -> None:
    gate, started = asyncio.Event(), asyncio.Event()
    bill.service.predictor.scripts = [Script(gate=gate)]
    bill.service.predictor.on_start = lambda _: started.set()
    headers = {"Authorization": f"Bearer {bill.keys['ann']}"}
    body = {"prompt": "a red circle", "model": MODEL}
    made = [(await bill.service.call("POST", "/v1/jobs", json=body, headers=headers))[1] for _ in range(2)]
    await started.wait()
    _, view = await estimate(bill)
    assert (view["queue_position"], view["cold_start"]) == (1, False)
    assert view["wait_seconds"] == pytest.approx(2 * view["seconds"], abs=0.05)  # one runs and one waits
    gate.set()
    for job in made:
        await bill.service.ended(job["id"], headers=headers)
