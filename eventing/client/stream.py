"""Follow a job or a story by server-sent events.

A stream that breaks off goes on where it was (`Last-Event-ID`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

import aiohttp

from eventing.client.calls import Away, Calls, Refused
from eventing.client.records import Job, Update

T = TypeVar("T")
SILENCE_SECONDS = 60.0  # a server sends a sign of life every 25 s
PAUSE_SECONDS = 1.0  # before a connection is made again
OVERLOADED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: Any


@dataclass(frozen=True)
class Stream(Generic[T]):
    """What is followed: where its events are, how one is read, and a look at the state without events."""

    path: str
    read: Callable[[Event], T]
    look: Callable[[], Awaitable[T]]


async def follow(calls: Calls, job_id: str, patience: float) -> AsyncIterator[Update]:
    """Yield the updates of a job up to its end. Raises as `resumed`."""
    path = f"/v1/jobs/{job_id}"

    async def look() -> Update:
        return Update.of_state(Job.read(await calls.json("GET", path)))

    stream = Stream(f"{path}/events", lambda event: Update.of_event(event.name, event.data), look)
    async for update in resumed(calls, stream, patience, lambda update: update.job is not None):
        yield update


async def resumed(
    calls: Calls, stream: Stream[T], patience: float, is_last: Callable[[T], bool]
) -> AsyncIterator[T]:
    """Yield what the events of a stream hold, up to the last.

    A server that is away is tried for `patience` seconds. Raises Away, Refused.
    """
    last_id: str | None = None
    away_since: float | None = None
    while True:
        try:
            async for event in _events(calls, stream.path, last_id):
                if event is None:  # a sign of life
                    away_since = None
                    continue
                last_id = event.id
                state = stream.read(event)
                yield state
                if is_last(state):
                    return
            if is_last(state := await stream.look()):  # it ended between two connections
                yield state
                return
            away_since = None
        except (Away, Refused) as error:
            passes = isinstance(error, Away) or error.status in OVERLOADED
            away_since = away_since or monotonic()
            if not passes or monotonic() - away_since >= patience:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def _events(calls: Calls, path: str, last_id: str | None) -> AsyncIterator[Event | None]:
    """Yield the events of one connection, and None for each sign of life.

    There are no events if the server answers that all were seen. Raises Away, Refused.
    """
    headers = {"Last-Event-ID": last_id} if last_id else {}
    endless = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
    async with calls.open("GET", path, headers=headers, timeout=endless) as answer:
        yield None
        fields: dict[str, str] = {}
        async for line in answer.content:
            key, _, value = line.decode().rstrip("\r\n").partition(":")
            yield None
            if key:
                fields[key] = value.removeprefix(" ")
            elif "data" in fields:
                yield Event(fields.get("id", ""), fields.get("event", ""), _data(fields["data"]))
                fields = {}


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("the stream of the server has an event that is not JSON") from error
