"""The loop inside a running service: stories go on by themselves, through an outage of the bucket too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventing.contract.errors import Unavailable
from eventing.stories import advance
from tests.integration.conftest import MakeStack, Stack

STEPS = {name: {"uses": "video", "with": {"prompt": f"a circle {name}"}} for name in "ab"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite: both databases have the loop's own tests."""
    return f"sqlite+aiosqlite:///{tmp_path}/jobs.db"


async def over(stack: Stack, **more: Any) -> Any:
    """A new story once it is over, by its event stream."""
    answer = await stack.post("/v1/stories", json={"steps": STEPS, **more})
    assert answer.status == 202, await answer.text()
    path = f"/v1/stories/{(await answer.json())['id']}"
    async with await stack.get(f"{path}/events") as stream:
        await stream.read()
    return await (await stack.get(path)).json()


async def test_a_story_goes_to_its_end_and_its_events_go_out(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        ended = await over(stack, callback_url=stack.receiver.url("hook"), metadata={"order": "1"})
        assert (ended["status"], ended["percent"]) == ("completed", 100)
        sent = await stack.receiver.wait_for(lambda d: d.path == "/hook")
        assert (sent.event["type"], sent.event["subject"]) == ("dev.reelzero.story.completed.v1", ended["id"])
        assert sent.event["data"]["metadata"] == {"order": "1"}
        last = await stack.receiver.wait_for(lambda d: d.path == "/sink" and d.event == sent.event)
        assert last.event["data"]["film"]["content_type"] == "video/mp4"
        async with stack.http.get(f"{stack.service.url}/metrics") as answer:
            metrics = await answer.text()
        assert 'reelzero_stories_submitted_total{way="rest"}' in metrics
        assert 'reelzero_stories_ended_total{status="completed"}' in metrics


async def test_a_look_that_fails_is_repeated_later_and_the_loop_goes_on(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_stack() as stack:
        loop = stack.service.container.stories.loop
        honest, left = type(loop)._look, [Unavailable("S3 is away", retry_after=0.1), RuntimeError("a fault")]

        async def failing(self: Any, moment: Any) -> None:
            if left:
                raise left.pop()
            await honest(self, moment)

        monkeypatch.setattr(advance, "MUCH_LATER", 0.1)
        monkeypatch.setattr(type(loop), "_look", failing)
        assert (await over(stack))["status"] == "completed"
        assert left == []
