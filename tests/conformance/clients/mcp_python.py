"""The MCP SDK's own client, over HTTP and with `reelzero mcp` as its process."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from mcp import StdioServerParameters
from mcp.client.client import Client

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


@call("what the model cannot do is an error in words")
def _() -> object:
    async def refused() -> str:
        async with Client(f"{URL}/mcp") as client:
            answer: Any = await client.call_tool("make_video", {"prompt": PROMPT, "num_frames": 10})
            assert answer.is_error and "cannot make 10 frames" in answer.content[0].text, answer
            return str(answer.content[0].text)

    return asyncio.run(refused())
