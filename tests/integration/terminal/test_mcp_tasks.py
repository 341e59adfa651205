"""The Tasks extension of MCP, by the SDK's own client: a call becomes a task, and the task the video."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import mcp_types as types
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim, advertise
from pydantic import ConfigDict, Field

from eventing.contract.records.models import Failure
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.agents import facts, settled

TASKS = "io.modelcontextprotocol/tasks"
NEVER = "vid_00000000000000000000000000"


class Made(types.Result):
    """What a client gets instead of the tool's answer."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class Seen(types.Result):
    """What a look at a task shows."""

    model_config = ConfigDict(extra="allow")
    task_id: str
    status: str
    status_message: str
    ttl_ms: int | None
    result: types.CallToolResult | None = None


class Ask(types.Request[dict[str, Any], str]):
    """A method of the extension. Over HTTP the id is in the header Mcp-Name too."""

    name_param = "taskId"
    params: dict[str, Any] = Field(default_factory=dict)


@dataclass
class Tasks(ClientExtension):
    """A client that hands tasks to the test, which finishes them."""

    finish: Callable[[Made, ClaimContext], Awaitable[types.CallToolResult]]
    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Made, resolve=self.finish)]


async def ask(client: Client, method: str, task: str, **more: Any) -> Seen:
    request = Ask(method=f"tasks/{method}", params={"taskId": task} | more)
    return await client.session.send_request(request, Seen)


async def acknowledged(client: Client, method: str, task: str, **more: Any) -> None:
    request = Ask(method=f"tasks/{method}", params={"taskId": task} | more)
    answer = await client.session.send_request(request, types.EmptyResult)
    assert answer.result_type == "complete"


def client_of(running: Deployment, finish: Callable[[Client, Made], Awaitable[Seen]]) -> Client:
    """A client that knows tasks: `finish` gets each one, and leads to its result."""

    async def resolve(made: Made, _: ClaimContext) -> types.CallToolResult:
        assert made.status == "working" and made.poll_interval_ms > 0
        seen = await finish(client, made)
        return seen.result or types.CallToolResult(content=[], structured_content={"task": seen.status})

    client = Client(f"{running.url}/mcp", extensions=[Tasks(finish=resolve)])
    return client


async def ended(client: Client, made: Made) -> Seen:
    """Wait until a task has ended: an agent would poll, the test waits by the tool."""
    await client.call_tool("wait_for_video", {"id": made.task_id, "seconds": 50})
    return await ask(client, "get", made.task_id)


async def test_a_call_becomes_a_task_whose_result_is_the_video(
    running: Deployment, loop_of_service: asyncio.AbstractEventLoop
) -> None:
    gate = asyncio.Event()
    seen: list[Seen] = []

    async def finish(client: Client, made: Made) -> Seen:
        seen.append(await ask(client, "get", made.task_id))
        await acknowledged(client, "update", made.task_id, inputResponses={})
        loop_of_service.call_soon_threadsafe(gate.set)
        seen.append(await ended(client, made))
        return seen[-1]

    async with client_of(running, finish) as client:
        assert client.server_capabilities.extensions == {TASKS: {}}
        await settled(client)
        running.predictor.scripts = [Script(gate=gate)]
        video = facts(await client.call_tool("make_video", {"prompt": "a red dot", "seed": 7}))
    before, after = seen
    assert before.status == "working" and before.result is None
    assert (after.status, after.status_message) == ("completed", "completed") and after.ttl_ms
    assert video["id"] == after.task_id and video["status"] == "completed" and "link" in video


async def test_a_cancelled_task_and_one_without_a_video(
    running: Deployment, loop_of_service: asyncio.AbstractEventLoop
) -> None:
    gate = asyncio.Event()

    async def cancelled(client: Client, made: Made) -> Seen:
        await acknowledged(client, "cancel", made.task_id)
        return await ended(client, made)

    async with client_of(running, cancelled) as client:
        await settled(client)
        running.predictor.scripts = [Script(gate=gate)]
        assert facts_of(await client.call_tool("make_video", {"prompt": "a dot"})) == {"task": "cancelled"}
        loop_of_service.call_soon_threadsafe(gate.set)
    async with client_of(running, ended) as client:
        running.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large"))]
        failed = await client.call_tool("make_video", {"prompt": "a dot"})
        assert failed.is_error and facts_of(failed)["error"] == "too large"
        refused = await client.call_tool("make_video", {"prompt": "a dot", "num_frames": 10_000})
        assert refused.is_error and refused.structured_content is None
        group = facts(await client.call_tool("make_video", {"prompt": "a dot", "n": 2}))
        assert len(group["videos"]) == 2


def facts_of(result: types.CallToolResult) -> dict[str, Any]:
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def test_a_client_without_the_extension_gets_the_answer_of_the_tool_and_no_task(
    running: Deployment,
) -> None:
    async with Client(f"{running.url}/mcp") as client:
        made = facts(await client.call_tool("make_video", {"prompt": "a red dot"}))
        with pytest.raises(MCPError) as refused:
            await ask(client, "get", made["id"])
    assert refused.value.code == types.MISSING_REQUIRED_CLIENT_CAPABILITY
    assert refused.value.data == {"requiredCapabilities": {"extensions": {TASKS: {}}}}
    async with Client(f"{running.url}/mcp", extensions=[advertise(TASKS)]) as client:
        for method in ("get", "update", "cancel"):
            with pytest.raises(MCPError) as missing:
                await ask(client, method, NEVER)
            assert missing.value.code == types.INVALID_PARAMS
            assert NEVER in missing.value.message
