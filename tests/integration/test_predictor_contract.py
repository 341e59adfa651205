"""One contract, two predictors: the real process and FakePredictor pass the same cases."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.codecs.stream import stream_record
from eventing.contract.records.results import Manifest, VideoResult, manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.testing import FakePredictor
from tests.integration.predictor.conftest import storage, tiny  # noqa: F401 -- fixtures
from tests.integration.predictor.process import Predictor, reached
from tests.support.waiting import eventually

PROMPT = "a red circle"
STAGES = ["encode_prompt", "denoise", "decode", "encode_video", "upload"]
SPEC: dict[str, Any] = {
    "negative_prompt": "", "width": 64, "height": 64, "num_frames": 9, "fps": 8, "seed": 3, "quality": "low",
    "num_inference_steps": 2, "guidance_scale": 1.0,
}  # fmt: skip


class Contract:
    """A predictor under test: its URL, and a file that lets a job pass the stage `denoise`."""

    def __init__(self, url: str, file: Path, http: aiohttp.ClientSession, bucket: Bucket) -> None:
        self.url, self.file, self.http, self.bucket = url, file, http, bucket
        reached(file).unlink(missing_ok=True)
        file.touch()

    def hold(self) -> None:
        self.file.unlink()

    def release(self) -> None:
        self.file.touch()

    async def held(self) -> None:
        await eventually(reached(self.file).exists)

    async def round_trip(self) -> None:
        """Ask something else: what was sent before, such as the end of a connection, is read by then."""
        async with self.http.get(f"{self.url}/v2/models/tiny/ready") as answer:
            assert answer.status == 200

    def post(self, job_id: str, flat: bool = False, **changes: Any) -> Any:
        spec = SPEC | changes
        finished = spec if flat else {"spec": spec | {"prompt": PROMPT, "model": "tiny"}}
        parameters = finished | {"job_id": job_id, "attempt": 1, "output": "s3"}
        body = {"id": job_id, "text_input": PROMPT, "parameters": parameters}
        return self.http.post(f"{self.url}/v2/models/tiny/generate_stream", json=body)

    async def records(self, job_id: str, flat: bool = False, **changes: Any) -> list[dict[str, Any]]:
        async with self.post(job_id, flat, **changes) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            lines = (await answer.text()).splitlines()
        records = [json.loads(line.removeprefix("data: ")) for line in lines if line]
        for record in records:
            stream_record.validate_python(record)
        return [record for record in records if record["type"] != "heartbeat"]

    def manifest(self, job_id: str) -> bytes:
        return self.stored(manifest_key(job_id, 1))

    def stored(self, key: str) -> bytes:
        body = self.bucket.get(key)
        assert body is not None, key
        return body


@pytest.fixture(scope="module")
def process(
    tiny: Path,  # noqa: F811
    storage: dict[str, str],  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Predictor, Path]]:
    folder = tmp_path_factory.mktemp("contract")
    env = storage | {"REELZERO_MODEL_DIR": str(tiny)}
    predictor = Predictor(env, folder / "log", ("denoise", folder / "go"))
    try:
        predictor.wait()
        yield predictor, folder / "go"
    finally:
        predictor.process.kill()
        predictor.process.wait()


@pytest.fixture(params=["fake", "real"])
async def predictor(
    request: pytest.FixtureRequest, bucket: Bucket, tmp_path: Path
) -> AsyncIterator[Contract]:
    async with aiohttp.ClientSession() as http:
        if request.param == "real":
            running, file = request.getfixturevalue("process")
            yield Contract(f"http://127.0.0.1:{running.port}", file, http, bucket)
            return
        file = tmp_path / "go"

        async def hold(stage: str, _job_id: str) -> None:
            if stage == "denoise":
                reached(file).touch()
                await eventually(file.exists)

        async with FakePredictor(bucket, on_stage=hold) as fake:
            yield Contract(fake.url, file, http, bucket)


@pytest.fixture
def job_id() -> str:
    return "contract-" + secrets.token_hex(6)


async def test_stages_come_in_order_and_one_terminal_record_ends_the_stream(
    predictor: Contract, job_id: str
) -> None:
    *before, last = await predictor.records(job_id)
    stages = [record["progress"]["stage"] for record in before]
    assert list(dict.fromkeys(stages)) == STAGES
    assert {record["type"] for record in before} == {"progress"}
    assert last["type"] == "completed"


async def test_a_finished_spec_is_used_as_it_is_whatever_the_predictors_catalog_says(
    predictor: Contract, job_id: str
) -> None:
    """No entry of the predictor's catalog allows this size."""
    changes: dict[str, Any] = {"width": 96, "fps": 11}
    last = (await predictor.records(job_id, **changes))[-1]
    assert {name: last["result"][name] for name in changes} == changes
    stored = predictor.manifest(job_id)
    assert stored is not None
    whole = SPEC | changes | {"prompt": PROMPT, "model": "tiny"}
    assert json.loads(stored)["request"] == whole


async def test_the_flat_form_of_older_dispatchers_is_read(predictor: Contract, job_id: str) -> None:
    *before, last = await predictor.records(job_id, flat=True)
    fields = {name for record in before for name, value in record.items() if value is not None}
    assert fields == {"type", "progress"}, "0.1.0 refuses records with a field that it does not know"
    assert {name: last["result"][name] for name in ("width", "seed")} == {"width": 64, "seed": 3}
    stored = predictor.manifest(job_id)
    assert stored is not None
    assert json.loads(stored)["request"] == SPEC | {"prompt": PROMPT, "model": "tiny"}


async def test_the_files_are_there_before_the_report(predictor: Contract, job_id: str) -> None:
    last = (await predictor.records(job_id))[-1]
    manifest = Manifest.model_validate_json(predictor.manifest(job_id))
    assert manifest.result == VideoResult.model_validate(last["result"])
    for file in (manifest.result.video, manifest.result.poster, manifest.result.spritesheet):
        assert len(predictor.stored(predictor.bucket.key(file.uri))) == file.bytes


async def test_a_second_job_is_refused_at_once_as_busy(predictor: Contract, job_id: str) -> None:
    predictor.hold()
    first = asyncio.create_task(predictor.records(job_id))
    await predictor.held()
    async with predictor.post(job_id + "-b") as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "busy")
    predictor.release()
    assert (await first)[-1]["type"] == "completed"


async def test_a_closed_connection_aborts_the_work_and_frees_the_device(
    predictor: Contract, job_id: str
) -> None:
    predictor.hold()
    async with predictor.post(job_id) as answer:
        await predictor.held()
        answer.close()
    await predictor.round_trip()
    predictor.release()
    while True:
        async with predictor.post(job_id + "-b") as answer:
            if answer.status == 200:
                assert b'"completed"' in await answer.read()
                break
        await asyncio.sleep(0.01)
    assert predictor.bucket.get(manifest_key(job_id, 1)) is None


async def test_an_attempt_asked_for_again_is_answered_from_its_manifest(
    predictor: Contract, job_id: str
) -> None:
    first = (await predictor.records(job_id))[-1]
    written = predictor.manifest(job_id)
    *before, again = await predictor.records(job_id)
    assert again == first
    assert {record["progress"]["stage"] for record in before} <= {"encode_prompt"}
    assert predictor.manifest(job_id) == written


async def test_a_run_that_ends_second_answers_with_the_manifest_of_the_first(
    predictor: Contract, job_id: str
) -> None:
    await predictor.records(job_id + "-b")
    first = predictor.manifest(job_id + "-b")
    reached(predictor.file).unlink()
    predictor.hold()
    second = asyncio.create_task(predictor.records(job_id))
    await predictor.held()
    assert predictor.bucket.put_once(manifest_key(job_id, 1), first, "application/json")
    predictor.release()
    answer = VideoResult.model_validate((await second)[-1]["result"])
    assert answer == Manifest.model_validate_json(first).result
