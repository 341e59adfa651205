"""The tools: what each is called, takes and does with a service. It knows nothing of the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from eventing.client.records import Group, Job
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest, ReelzeroError
from eventing.contract.records.models import Incoming, Status
from eventing.mcp.answers import Answer, group_facts, job_facts, models_facts, page_facts, thumbnail
from eventing.mcp.arguments import (
    CHOICES,
    ListArguments,
    NoArguments,
    VideoArguments,
    WaitArguments,
    request_schema,
    schema_of,
)
from eventing.mcp.door import Door

INSTRUCTIONS = (
    "Make short videos from text. make_video answers at once with an id, since a video takes seconds to "
    "minutes; wait_for_video waits for it, again if needed. The finished video has a link that needs no key "
    "and expires. list_models tells which models and sizes there are."
)
MAKES = "make_video"
Call = Callable[[Door, Mapping[str, Any]], Awaitable[Answer]]
Arguments = TypeVar("Arguments", bound=Incoming)


@dataclass(frozen=True)
class Tool:
    """One tool. `changes` tells whether it changes anything, `ends` whether it ends something."""

    name: str
    description: str
    schema: dict[str, Any]
    call: Call
    changes: bool = False
    ends: bool = False


async def make_video(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """Submit a request."""
    if unknown := sorted(arguments.keys() - set(CHOICES)):
        raise InvalidRequest(f"{unknown[0]}: unknown field; known: {', '.join(CHOICES)}", field=unknown[0])
    made = await door.submit(arguments)
    return Answer(group_facts(made) if isinstance(made, Group) else job_facts(made))


async def get_video(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """Show a video as it is now."""
    return await _shown(door, await door.job(_read(VideoArguments, arguments).id))


async def wait_for_video(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """Show a video once it has ended, or as it is after the wait."""
    wanted = _read(WaitArguments, arguments)
    return await _shown(door, await door.wait(wanted.id, wanted.seconds))


async def list_videos(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """List the caller's videos."""
    wanted = _read(ListArguments, arguments)
    return Answer(page_facts(await door.page(wanted.status, wanted.limit, wanted.after)))


async def cancel_video(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """Cancel a video."""
    return Answer(job_facts(await door.cancel(_read(VideoArguments, arguments).id)))


async def list_models(door: Door, arguments: Mapping[str, Any]) -> Answer:
    """List the models that can start here, and why others cannot."""
    _read(NoArguments, arguments)
    return Answer(models_facts(await door.models()))


TOOLS = (
    Tool(
        MAKES,
        "Start a video from a prompt, and from pictures if the model takes them. Answers at once with an id.",
        request_schema(), make_video, changes=True,
    ),
    Tool(
        "wait_for_video", "Wait until a video has ended, and show it: its state, link and thumbnail.",
        schema_of(WaitArguments), wait_for_video,
    ),
    Tool(
        "get_video", "Show a video as it is now: its progress; once completed its link and a thumbnail.",
        schema_of(VideoArguments), get_video,
    ),
    Tool("list_videos", "List your videos, the newest first.", schema_of(ListArguments), list_videos),
    Tool(
        "cancel_video", "Cancel a video that waits or runs. A video that has ended stays as it is.",
        schema_of(VideoArguments), cancel_video, changes=True, ends=True,
    ),
    Tool(
        "list_models", "List the models: sizes, what each takes, seconds per quality; which cannot start.",
        schema_of(NoArguments), list_models,
    ),
)  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}


async def _shown(door: Door, job: Job) -> Answer:
    """Return a job with its link and thumbnail, if it is completed."""
    if job.status is not Status.completed:
        return Answer(job_facts(job))
    facts = job_facts(job) | {"link": await door.link(job)}
    try:
        poster = await door.poster(job)
    except ReelzeroError:  # the video is there, and that is what counts
        return Answer(facts)
    return Answer(facts, await asyncio.to_thread(thumbnail, poster))


def _read(kind: type[Arguments], arguments: Mapping[str, Any]) -> Arguments:
    return validated(kind, dict(arguments), whole="arguments")
