"""Where KEDA starts the pods, with real processes: one comes late, one ends while its job runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.predictor.process import START_LIMIT, Predictor, reached, wait_for
from tests.integration.predictor.serving import Serving, serving
from tests.support.ports import free_port
from tests.support.waiting import LIMIT


@contextmanager
def pod(env: dict[str, str], log: Path, port: int, hold: Path | None = None) -> Iterator[Predictor]:
    """A predictor process at the port that the endpoint names."""
    predictor = Predictor(env, log, ("decode", hold) if hold else None, port=port)
    try:
        yield predictor
    finally:
        predictor.process.kill()
        predictor.process.wait()


async def waits(service: Serving, job_id: str) -> None:
    """Until the job has a slot and waits for a pod."""
    async with asyncio.timeout(LIMIT):
        while True:
            job = await service.job(job_id)
            if (job["status"], job["progress"]["stage"]) == ("in_progress", "starting"):
                return
            await asyncio.sleep(0.01)


async def test_a_job_waits_for_a_late_pod_and_a_pod_that_ends_finishes_its_job(
    tiny: Path, storage: dict[str, str], tmp_path: Path
) -> None:
    port, go, env = free_port(), tmp_path / "go", storage | {"REELZERO_MODEL_DIR": str(tiny)}
    endpoint = {"model": "tiny", "url": f"http://127.0.0.1:{port}", "capacity": 2, "scaler": "keda"}
    async with serving(tmp_path, storage, "", endpoints=json.dumps([endpoint]), max_attempts=1) as service:
        first = await service.submit()
        await waits(service, first)
        with pod(env, tmp_path / "first.log", port, go) as predictor:
            wait_for(reached(go).exists, "the first job's decode")
            predictor.process.terminate()
            second = await service.submit()
            await waits(service, second)
            go.touch()
            ended = await service.ended(first)
            assert predictor.process.wait(START_LIMIT) == 0
        assert (ended["status"], ended["attempts"], ended["result"]["attempt"]) == ("completed", 1, 1)
        with pod(env, tmp_path / "second.log", port):
            ended = await service.ended(second)
        assert (ended["status"], ended["attempts"], ended["result"]["attempt"]) == ("completed", 1, 1)
