"""The fake runner that ships with the product behaves as the real one, case by case."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.codecs.stream import stream_record
from eventing.contract.records.models import Failure
from eventing.step_testing import FakeRunner
from tests.unit.steps.running import Runner
from tests.unit.steps.store import Store

Records = list[dict[str, Any]]
Run = Callable[[str, dict[str, Any]], Coroutine[Any, Any, Records]]
KINDS = {"good": "cat {inputs}/text > {outputs}/text", "bad": "echo broken >&2; exit 3"}


@pytest.fixture(params=["fake", "real"])
async def run(request: pytest.FixtureRequest, tmp_path: Path, store: Store) -> AsyncIterator[Run]:
    """Run an order on a runner whose type `good` makes its output, and whose type `bad` fails."""
    async with FakeRunner() as fake, aiohttp.ClientSession() as http:
        fake.failures["bad"] = [Failure(code="step_failed", message="broken")]
        real = Runner(tmp_path, store, **KINDS)
        real_url = f"http://127.0.0.1:{real.server.server_address[1]}"
        url = fake.url if request.param == "fake" else real_url

        async def stream(kind: str, order: dict[str, Any]) -> Records:
            body = {"parameters": {"step": order}}
            async with http.post(f"{url}/v2/models/{kind}/generate_stream", json=body) as answer:
                assert (answer.status, answer.content_type) == (200, "text/event-stream")
                lines = (await answer.text()).splitlines()
            return [json.loads(line.removeprefix("data: ")) for line in lines if line]

        yield stream
        await asyncio.to_thread(real.close)


@pytest.fixture
def store() -> Any:
    """A place for files behind addresses."""
    with Store() as store:
        yield store


def order_of(store: Store) -> dict[str, Any]:
    manifest = store.target("manifest", headers={"If-None-Match": "*"}, content_type="application/json")
    identity = {
        "job_id": "step_1",
        "attempt": 1,
        "step": "good",
        "version": 1,
        "manifest_uri": manifest["uri"],
    }
    return {
        "identity": identity,
        "inputs": {"text": store.add("in", b"a red circle")},
        "outputs": {"text": store.target("out", headers={}, required=True)},
        "parameters": {"size": 3},
        "manifest": manifest | {"read_url": manifest["url"]},
    }


async def test_a_good_step_leaves_its_file_and_its_manifest_once(run: Run, store: Store) -> None:
    order = order_of(store)
    records = await run("good", order)
    assert {record["type"] for record in records[:-1]} <= {"progress", "heartbeat"}
    stages = [record["progress"]["stage"] for record in records if record["type"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["download", "generate", "upload"]
    step = records[-1]["step"]
    assert step.items() >= order["identity"].items()
    file = step["outputs"]["text"]
    assert (file["bytes"], file["uri"]) == (len(store.files["/out"]), "s3://b/out")
    assert json.loads(store.files["/manifest"]) == step
    assert set(step["seconds"]) == {"fetch", "run", "upload"}
    again = await run("good", order)
    assert again[-1]["step"] == step
    for record in records:
        stream_record.validate_python(record)


async def test_a_bad_step_ends_with_its_failure_and_leaves_no_manifest(run: Run, store: Store) -> None:
    records = await run("bad", order_of(store))
    assert (records[-1]["type"], records[-1]["error"]["code"]) == ("failed", "step_failed")
    assert "broken" in records[-1]["error"]["message"]
    assert "/manifest" not in store.files
