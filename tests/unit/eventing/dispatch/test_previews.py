"""A preview that cannot be decoded is left out; the one after it is stored."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from eventing.contract.records.models import Progress, Stage
from eventing.dispatch.previews import Previews


class Objects:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.written = asyncio.Event()

    async def put(self, _key: str, body: bytes, _content_type: str) -> None:
        self.bodies.append(body)
        self.written.set()


@pytest.mark.parametrize("broken", ["é", "not base64!", "abc"])
async def test_a_preview_that_is_no_base64_is_left_out(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    objects: Any = Objects()
    steps: list[int | None] = []
    previews = Previews(objects, "j1", lambda progress: steps.append(progress.preview_step))
    step = Progress(stage=Stage.denoise, step=1, total_steps=2)
    previews.take(step, broken)
    await asyncio.sleep(0)
    previews.take(step.model_copy(update={"step": 2}), base64.b64encode(b"jpeg").decode())
    await objects.written.wait()
    await previews.close()
    assert objects.bodies == [b"jpeg"]
    assert "a preview is left out" in caplog.text
    assert steps == [None, None, 2]
