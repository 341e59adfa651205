"""The short form of the fault suite: a seed draws one fault of every scenario and its database.

`python -m tests.faults --rounds N --seed S` is the long form. REELZERO_TEST_FAULT_SEED changes the draw.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from eventing.contract.storage.s3 import S3Location
from tests.faults.registry import load
from tests.faults.rounds import Report, Round, play
from tests.faults.shared import Shared

SEED = int(os.environ.get("REELZERO_TEST_FAULT_SEED", "1"))
pytestmark = pytest.mark.asyncio(loop_scope="module")


def draw() -> list[Round]:
    """Draw one fault per scenario, without the real predictor, which starts slowly."""
    rng = random.Random(SEED)
    scenarios: dict[object, list[str]] = {}
    for name, fault in load().items():
        if not fault.real:
            scenarios.setdefault(fault.scenario, []).append(name)
    chosen = [load()[rng.choice(names)] for names in scenarios.values()]
    return [Round(number, SEED, fault, rng.choice(fault.databases)) for number, fault in enumerate(chosen)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(s3: S3Location, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    async with Shared(tmp_path_factory.mktemp("faults"), s3) as shared:
        yield shared


@pytest.mark.parametrize("round_", draw(), ids=lambda round_: f"{round_.fault.name}-{round_.database}")
async def test_no_job_is_lost_and_none_runs_twice(round_: Round, shared: Shared, tmp_path: Path) -> None:
    if word := round_.fault.needs():
        pytest.skip(word)
    if round_.database == "postgresql":  # the faults stop and start the server, so it must be one of our own
        pytest.importorskip("pgserver", reason="install pgserver (it has wheels up to Python 3.12)")
    words = await play(round_, shared, Report(), tmp_path)
    assert not words, "\n".join([*words, f"again: {round_.again()}", f"logs: {tmp_path}"])
