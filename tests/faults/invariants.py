"""What must hold after every round, seen from outside: API, S3, sink, webhooks, predictor's journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from standardwebhooks import Webhook

from tests.faults.world import SECRET, Wanted, World

TERMINAL = {"completed", "failed", "cancelled"}
EXPECTED_ERRORS = ("the verdict could not be written; another attempt will find it",)


@dataclass
class Work:
    """One generation, as the predictor saw it."""

    job: str
    attempt: int
    pid: int
    begin: float
    end: float | None = None


async def settle(world: World) -> None:
    """Wait until every job has ended and every message has left."""
    for job in world.jobs:

        async def over(job: Wanted = job) -> bool:
            return (await world.view(job))["status"] in TERMINAL and await _all_sent(world, job)

        try:
            await world.until(f"the end of {job.job_id}", over)
        except AssertionError as error:
            view = await world.view(job)
            facts = {k: view[k] for k in ("status", "attempts", "error", "waiting_for", "progress")}
            raise AssertionError(f"{error}: {facts}; {await _deliveries(world, job)}") from None


async def broken(world: World) -> list[str]:
    """Every invariant that does not hold, in words."""
    found: list[str] = []
    for job in world.jobs:
        found += [f"{job.job_id}: {words}" for words in await _job(world, job)]
    found += await _only_these_jobs(world)
    found += _generations(world)
    found += [f"a redirect was followed {world.listener.redirected} times"] * bool(world.listener.redirected)
    for log in world.folder.glob("eventing-*.log"):
        found += [f"{log.name} says {words!r}" for words in _complaints(log.read_text(errors="replace"))]
    return found


def _complaints(log: str) -> list[str]:
    """Errors that no fault explains: in a log of JSON lines, and whatever else was printed."""
    found = []
    for line in log.splitlines():
        if not line.startswith("{"):
            found += [line] * (not line.startswith("ready "))
            continue
        record = json.loads(line)
        if record["level"] in ("error", "critical") and record["message"] not in EXPECTED_ERRORS:
            found.append(record["message"])
    return found[:3]


async def _deliveries(world: World, job: Wanted) -> list[dict[str, Any]]:
    answer = await world.call("GET", f"/v1/jobs/{job.job_id}/deliveries")
    keys = ("event_type", "destination", "status", "tries", "last_error")
    return [{key: row[key] for key in keys} for row in answer["data"]]


async def _all_sent(world: World, job: Wanted) -> bool:
    return all(row["status"] != "pending" for row in await _deliveries(world, job))


async def _job(world: World, job: Wanted) -> list[str]:
    view = await world.view(job)
    events = _terminal_events(world, job.job_id)
    found = []
    if view["status"] not in job.ends:
        found.append(f"ended {view['status']} ({view['error']}), not {sorted(job.ends)}")
    ids = {event["id"] for event in events}
    if len(ids) != 1:
        found.append(f"{len(ids)} terminal events reached the sink: {sorted(ids)}")
    found += [
        f"a {e['type']} for a job that {view['status']}" for e in events if view["status"] not in e["type"]
    ]
    stored = await asyncio.to_thread(world.bucket.get, f"jobs/{job.job_id}/event.json")
    if stored is None or {json.loads(stored)["id"]} != ids:
        found.append(f"event.json is not the sink's event: {stored!r:.200}")
    if view["status"] == "completed":
        found += await _files(world, view["result"])
    return found + _webhooks(world, job, ids)


def _terminal_events(world: World, job_id: str) -> list[dict[str, Any]]:
    events = [delivery.event for delivery in world.listener.at("/sink")]
    kinds = tuple(f".{status}.v1" for status in TERMINAL)
    return [event for event in events if event["subject"] == job_id and event["type"].endswith(kinds)]


async def _files(world: World, result: dict[str, Any]) -> list[str]:
    found = []
    for name in ("video", "poster", "spritesheet"):
        file = result[name]
        body = await asyncio.to_thread(world.bucket.get, world.bucket.key(file["uri"]))
        if body is None:
            found.append(f"the {name} is not in S3: {file['uri']}")
        elif hashlib.sha256(body).hexdigest() != file["sha256"] or len(body) != file["bytes"]:
            found.append(f"the {name} is not what the result says: {file['uri']}")
    manifest = await asyncio.to_thread(world.bucket.get, world.bucket.key(result["manifest_uri"]))
    if manifest is None or json.loads(manifest)["result"] != result:
        found.append("the manifest does not say what the job says")
    return found


def _webhooks(world: World, job: Wanted, ids: set[str]) -> list[str]:
    if job.hook is None:
        return []
    got = world.listener.at(job.hook)
    if {delivery.event["id"] for delivery in got} != ids:
        return [f"the webhook heard {[delivery.event['id'] for delivery in got]}, the sink {sorted(ids)}"]
    for delivery in got:
        try:
            Webhook(SECRET).verify(delivery.body, delivery.headers)
        except Exception as error:
            return [f"a webhook does not verify: {error}"]
    return []


async def _only_these_jobs(world: World) -> list[str]:
    listed = {job["id"] for job in (await world.call("GET", "/v1/jobs?limit=100"))["data"]}
    wanted = {job.job_id for job in world.jobs}
    return [] if listed == wanted else [f"jobs nobody wanted or knows: {listed ^ wanted}"]


def works(world: World) -> list[Work]:
    """Every generation that was begun."""
    begun: list[Work] = []
    lines = world.journal.read_text().splitlines() if world.journal.exists() else []
    for entry in map(json.loads, lines):
        if entry["what"] == "begin":
            begun.append(Work(entry["job"], entry["attempt"], entry["pid"], entry["at"]))
        for work in begun:
            if work.pid != entry["pid"] or work.end is not None:
                continue
            mine = (work.job, work.attempt) == (entry.get("job"), entry.get("attempt"))
            if entry["what"] == "killed" or (entry["what"] == "end" and mine):
                work.end = entry["at"]
    return begun


def _generations(world: World) -> list[str]:
    begun = works(world)
    found = []
    for before, after in pairwise(begun):
        if before.end is None or before.end > after.begin:
            found.append(f"the predictor ran {before.job} and {after.job} at once")
    counts = Counter(work.job for work in begun)
    repeated = sum(count - 1 for count in counts.values())
    if repeated > world.repeats:
        found.append(f"{repeated} generations were repeated, {world.repeats} had a cause: {dict(counts)}")
    return found


async def wasted(world: World) -> float:
    """Seconds the predictor worked for nothing: attempts whose result is not the one named."""
    named: dict[str, int] = defaultdict(int)
    for job in world.jobs:
        result = (await world.view(job))["result"]
        named[job.job_id] = result["attempt"] if result else 0
    return sum((w.end or w.begin) - w.begin for w in works(world) if named[w.job] != w.attempt)
