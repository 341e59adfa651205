"""A predictor process at an engine waits for it; after a kill the next predictor adopts its video."""

from __future__ import annotations

import base64
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.storage.s3 import Bucket
from predictor.fake_engine import FakeEngine, Habits
from predictor.generation.video.mp4 import measure_mp4
from tests.integration.predictor.conftest import READY
from tests.integration.predictor.process import Predictor, wait_for
from tests.support.engines import attempt, completed, entry_file, settings, working
from tests.support.ports import free_port


@pytest.fixture
def port() -> int:
    """A port where no engine is yet."""
    return free_port()


@pytest.fixture
def catalog(tmp_path: Path, port: int) -> Path:
    return entry_file(tmp_path, f"http://127.0.0.1:{port}")


@pytest.fixture
def predictor(tmp_path: Path, storage: dict[str, str], catalog: Path) -> Iterator[Predictor]:
    """A process that waits for its engine."""
    env = storage | {"REELZERO_CATALOG_DIR": str(catalog), "REELZERO_MARK": "off"}
    predictor = Predictor(env, tmp_path / "predictor.log")
    yield predictor
    predictor.process.kill()
    predictor.process.wait()


async def test_a_process_waits_for_its_engine_and_leaves_its_video_when_it_is_killed(
    predictor: Predictor, port: int, catalog: Path, bucket: Bucket, tmp_path: Path
) -> None:
    predictor.wait(READY, 503)
    wait_for(lambda: "cannot be reached" in predictor.get(READY)[1]["error"], "the cause")
    refusal = predictor.get(READY)[1]
    assert refusal["code"] == "loading"
    assert refusal["error"].startswith(f"the engine at http://127.0.0.1:{port} cannot be reached: ")
    assert predictor.get("/v2/models/tiny")[1]["platform"] == "openai-video"
    job, entry = f"engine-{secrets.token_hex(6)}", load_catalog(catalog).get("tiny")
    with FakeEngine(Habits(), port) as engine:
        predictor.wait()
        made = predictor.stream(output="inline", seed=3).last()
        assert made["type"] == "completed", made
        (tmp_path / "video.mp4").write_bytes(base64.b64decode(made["inline"]["video_base64"]))
        assert measure_mp4(tmp_path / "video.mp4").frames == 9
        engine.habits.statuses = ("in_progress",)
        # The spec of the other attempt, but for its number: a dispatcher sends the same one.
        stream = predictor.stream(job_id=job, attempt=1, seed=7)
        stream.until("generate")
        predictor.stop(signal.SIGKILL)
        engine.habits.statuses = ("in_progress", "completed")
        async with working(entry, settings(bucket, tmp_path)) as successor:
            record = await completed(successor, attempt(entry, job, 2))
        assert len(engine.created) == 2, "one for each job"
    assert record.result and bucket.get(bucket.key(record.result.video.uri))
