"""What tests of the tools for agents share: they read answers, and wait for the videos of other tests."""

from __future__ import annotations

import json
from typing import Any

from mcp.client.client import Client
from mcp_types import CallToolResult, TextContent


def facts(result: CallToolResult) -> dict[str, Any]:
    """The facts of an answer, which it has as text and as a structure."""
    assert not result.is_error, result
    (text, *_) = result.content
    assert isinstance(text, TextContent)
    read: dict[str, Any] = json.loads(text.text)
    assert read == result.structured_content
    return read


def words(result: CallToolResult) -> str:
    """The words of an error."""
    (text,) = result.content
    assert result.is_error and isinstance(text, TextContent), result
    return text.text


async def settled(client: Client) -> None:
    """Wait for the videos that tests before have left, which would take the scripts of this one."""
    for status in ("in_progress", "queued"):
        for video in facts(await client.call_tool("list_videos", {"status": status}))["videos"]:
            await client.call_tool("wait_for_video", {"id": video["id"], "seconds": 50})
