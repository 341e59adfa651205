"""Serve the Tasks extension of MCP: `make_video` answers with a task, whose id is that of the video.

The extension (`io.modelcontextprotocol/tasks`, of protocol 2026-07-28) is for clients that declare it with
each request; others get the tool's own answer. A task is a view of a job, so it is as durable as the job,
every replica can answer for it, and the other tools know it by the same id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from pydantic import Field

from eventing.client.records import Job
from eventing.contract.errors import InvalidRequest, NotFound, ReelzeroError
from eventing.contract.records.models import JOB_ID_PATTERN, Status
from eventing.mcp.answers import Answer
from eventing.mcp.door import Door
from eventing.mcp.tools import MAKES, get_video

IDENTIFIER = "io.modelcontextprotocol/tasks"
POLL_MILLISECONDS = 2000  # between two looks of a client
STATES = {
    Status.queued: "working",
    Status.in_progress: "working",
    Status.completed: "completed",
    Status.failed: "completed",  # the extension keeps its `failed` for errors of the protocol
    Status.cancelled: "cancelled",
}
Context = ServerRequestContext[Any, Any]
Facts = dict[str, Any]
Written = Callable[[Awaitable[Answer], str], Awaitable[types.CallToolResult]]


class TaskParams(types.RequestParams):
    """What every method of the extension takes. No task asks for inputs, so responses to them are ignored."""

    task_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)]


def install(server: Server[Any], door: Door, written: Written) -> None:
    """Add the methods of the extension. `written` turns what a tool answers into its result."""

    async def get(context: Context, params: TaskParams) -> Facts:
        job = await _job(context, door, params)
        facts = task_facts(job)
        if facts["status"] != "completed":
            return facts
        result = await written(get_video(door, {"id": job.id}), MAKES)
        if job.status is Status.failed:
            result = result.model_copy(update={"is_error": True})
        return facts | {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}

    async def update(context: Context, params: TaskParams) -> Facts:
        await _job(context, door, params)
        return {}

    async def cancel(context: Context, params: TaskParams) -> Facts:
        job = await _job(context, door, params)
        await _asked(door.cancel(job.id))
        return {}

    server.extensions[IDENTIFIER] = {}
    server.add_request_handler("tasks/get", TaskParams, get)
    server.add_request_handler("tasks/update", TaskParams, update)
    server.add_request_handler("tasks/cancel", TaskParams, cancel)


def is_declared(context: Context) -> bool:
    """Return whether the client declares the extension with this request."""
    capabilities = context.session.client_capabilities
    return bool(capabilities and capabilities.extensions and IDENTIFIER in capabilities.extensions)


def task_result(job: Job) -> Facts:
    """Return what `tools/call` answers instead of its result: the task."""
    return {"resultType": "task"} | task_facts(job)


def task_facts(job: Job) -> Facts:
    """Return a job as a task. Times are ISO 8601, spans are milliseconds."""
    kept = job.expires_at and round(1000 * (job.expires_at - job.submitted_at).total_seconds())
    return {
        "taskId": job.id,
        "status": STATES[job.status],
        "statusMessage": _message(job),
        "createdAt": job.submitted_at.isoformat(),
        "lastUpdatedAt": job.updated_at.isoformat(),
        "ttlMs": kept,
        "pollIntervalMs": POLL_MILLISECONDS,
    }


def _message(job: Job) -> str:
    if job.error and job.status.is_terminal:
        return job.error.message
    if job.status is Status.queued and job.queue_position is not None:
        return f"in the queue, {job.queue_position} ahead"
    if job.status is not Status.in_progress:
        return str(job.status)
    progress = job.progress
    step = f", step {progress.step} of {progress.total_steps}" if progress.total_steps else ""
    return f"{progress.stage}{step}, {job.percent} %"


async def _job(context: Context, door: Door, params: TaskParams) -> Job:
    """Return the job of a task. Raises MCPError if the client does not declare the extension."""
    if not is_declared(context):
        needed = types.ClientCapabilities(extensions={IDENTIFIER: {}})
        data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            types.MISSING_REQUIRED_CLIENT_CAPABILITY,
            f"{context.method} needs the extension {IDENTIFIER} among the client's capabilities",
            data.model_dump(mode="json", by_alias=True, exclude_none=True),
        )
    return await _asked(door.job(params.task_id))


async def _asked(answer: Awaitable[Job]) -> Job:
    """Return the job, or raise the error as one of the protocol."""
    try:
        return await answer
    except (NotFound, InvalidRequest) as error:
        raise MCPError(types.INVALID_PARAMS, error.sentence()) from error
    except ReelzeroError as error:
        raise MCPError(types.INTERNAL_ERROR, error.sentence()) from error
