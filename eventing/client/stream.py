"""Follow a job by server-sent events. A stream that breaks off goes on where it was (`Last-Event-ID`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp

from eventing.client.calls import Away, Calls, Refused
from eventing.client.records import Job, Update

SILENCE_SECONDS = 60.0  # a server sends a sign of life every 25 s
PAUSE_SECONDS = 1.0  # before a connection is made again
OVERLOADED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: Any


async def follow(calls: Calls, job_id: str, patience: float) -> AsyncIterator[Update]:
    """Yield the updates of a job up to its end.

    A server that is away is tried for `patience` seconds. Raises Away, Refused.
    """
    last_id: str | None = None
    away_since: float | None = None
    while True:
        try:
            async for event in _events(calls, f"/v1/jobs/{job_id}/events", last_id):
                if event is None:  # a sign of life
                    away_since = None
                    continue
                last_id = event.id
                update = Update.of_event(event.name, event.data)
                yield update
                if update.job:
                    return
            job = Job.read(await calls.json("GET", f"/v1/jobs/{job_id}"))
            if job.status.is_terminal:  # it ended between two connections
                yield Update.of_job(job)
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
