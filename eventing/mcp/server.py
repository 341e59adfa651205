"""The server of the MCP SDK, over the tools. Importing this file takes a second, so it is imported late."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server

from eventing import __version__
from eventing.contract.errors import ReelzeroError
from eventing.mcp import tasks
from eventing.mcp.answers import Answer
from eventing.mcp.door import Door
from eventing.mcp.tools import BY_NAME, INSTRUCTIONS, MAKES, TOOLS, Tool

INTERNAL = "an internal error; the operator finds it in the log"
log = logging.getLogger(__name__)


def build_server(door: Door) -> Server[Any]:
    """Return a server for one caller. An error of a tool is an answer in words, which an agent can act on."""

    async def list_tools(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS])

    async def call_tool(
        context: tasks.Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | dict[str, Any]:
        result = await call(door, params.name, params.arguments or {})
        job_id = (result.structured_content or {}).get("id")
        if params.name != MAKES or job_id is None or not tasks.is_declared(context):
            return result
        return tasks.task_result(await door.job(job_id))

    server = Server(
        "reelzero",
        title="reelzero: text to video",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
    )
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    tasks.install(server, door, written)
    return server


async def call(door: Door, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
    """Call a tool and return its answer, or its error in words."""
    tool = BY_NAME.get(name)
    if tool is None:
        return _error(f"there is no tool {name[:64]!r}; there are {', '.join(BY_NAME)}")
    return await written(tool.call(door, arguments), name)


async def written(answer: Awaitable[Answer], name: str) -> types.CallToolResult:
    """Return what a tool answers as the protocol has it, or its error in words."""
    try:
        return _answered(await answer)
    except ReelzeroError as error:
        wait = f"; try again in {error.retry_after:.0f} s" if error.retry_after else ""
        return _error(error.sentence() + wait)
    except Exception:
        log.exception("the tool %s failed", name)
        return _error(INTERNAL)


def _answered(answer: Answer) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=json.dumps(answer.facts, ensure_ascii=False))]
    if answer.picture:
        data = base64.b64encode(answer.picture).decode()
        content.append(types.ImageContent(data=data, mime_type="image/jpeg"))
    return types.CallToolResult(content=content, structured_content=answer.facts)


def _error(words: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=words)], is_error=True)


def _described(tool: Tool) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=not tool.changes, destructive_hint=tool.ends, open_world_hint=False
    )
    return types.Tool(
        name=tool.name, description=tool.description, input_schema=tool.schema, annotations=hints
    )
