"""The MCP SDK's own client, over HTTP and with `reelzero mcp` as its process."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal

import mcp_types as types
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.extension import ClientExtension, ResultClaim

from tests.conformance.clients.report import PROMPT, URL, call

COMMAND = StdioServerParameters(  # the interpreter of reelzero, since this environment has only the SDK
    command=os.environ["REELZERO_PYTHON"], args=["-m", "eventing", "mcp", "--server", URL],
    env={name: os.environ[name] for name in ("PYTHONPATH", "PATH")},
)  # fmt: skip


async def made(where: Any) -> str:
    """Make a video and wait for it; what was seen."""
    async with Client(where) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        job: Any = (await client.call_tool("make_video", {"prompt": PROMPT, "seed": 3})).structured_content
        ended: Any = None
        for _ in range(6):
            ended = await client.call_tool("wait_for_video", {"id": job["id"], "seconds": 50})
            if ended.structured_content["status"] == "completed":
                break
        assert [content.type for content in ended.content] == ["text", "image"], ended
        return f"{len(names)} tools, completed, thumbnail of {ended.content[1].mime_type}"


@call("streamable HTTP: make a video, wait for it, see its thumbnail")
def _() -> object:
    return asyncio.run(made(f"{URL}/mcp"))


@call("standard input and output: the same")
def _() -> object:
    return asyncio.run(made(COMMAND))


class Made(types.Result):
    """A task, which a call answers with instead of its result."""

    result_type: Literal["task"] = "task"
    task_id: str
    poll_interval_ms: int


class Seen(types.Result):
    """What a look at a task shows."""

    status: str
    result: types.CallToolResult | None = None


class GetTask(types.Request[dict[str, Any], str]):
    """A look at a task."""

    name_param = "taskId"
    method: str = "tasks/get"


class Tasks(ClientExtension):
    """The extension, as a client has it."""

    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> list[ResultClaim[Any]]:
        """Return what becomes of a task."""
        return [ResultClaim(result_type="task", model=Made, resolve=self.finish)]

    async def finish(self, made: Made, context: Any) -> types.CallToolResult:
        """Look until the task has ended."""
        for _ in range(100):
            seen: Seen = await context.session.send_request(GetTask(params={"taskId": made.task_id}), Seen)
            if seen.result:
                return seen.result
            await asyncio.sleep(made.poll_interval_ms / 1000)
        raise TimeoutError(made.task_id)


@call("Tasks extension, over both: a call becomes a task, and the task the video")
def _() -> object:
    async def ended() -> str:
        kinds = []
        for where in (f"{URL}/mcp", COMMAND):
            async with Client(where, extensions=[Tasks()]) as client:
                answer: Any = await client.call_tool("make_video", {"prompt": PROMPT, "seed": 3})
                assert answer.structured_content["status"] == "completed", answer
                kinds.append([content.type for content in answer.content])
        assert kinds == [["text", "image"]] * 2, kinds
        return "completed, with thumbnails"

    return asyncio.run(ended())


@call("what the model cannot do is an error in words")
def _() -> object:
    async def refused() -> str:
        async with Client(f"{URL}/mcp") as client:
            answer: Any = await client.call_tool("make_video", {"prompt": PROMPT, "num_frames": 10})
            assert answer.is_error and "cannot make 10 frames" in answer.content[0].text, answer
            return str(answer.content[0].text)

    return asyncio.run(refused())
