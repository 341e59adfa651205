"""What must hold after every round, seen from outside: API, S3, sink, webhooks, the predictor's journal."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from standardwebhooks import Webhook

from eventing.contract.records.results import Manifest, VideoResult
from tests.faults.world import SECRET, Wanted, World

TERMINAL = {"completed", "failed", "cancelled"}
EXPECTED_ERRORS = ("the verdict could not be written; another attempt will find it",)


@dataclass
class Work:
    """One generation, from the predictor's journal."""

    job: str
    attempt: int
    pid: int
    begin: float
    end: float | None = None


async def settle(world: World) -> None:
    """Wait until every job has ended and no message is pending."""
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
    """Describe every invariant that does not hold."""
    problems: list[str] = []
    for job in world.jobs:
        problems += [f"{job.job_id}: {words}" for words in await _job(world, job)]
    problems += await _only_these_jobs(world)
    problems += _generations(world)
    problems += [f"a redirect was followed {world.listener.redirected} times"] * bool(
        world.listener.redirected
    )
    for log in world.folder.glob("eventing-*.log"):
        problems += [f"{log.name} has {words!r}" for words in _complaints(log.read_text(errors="replace"))]
    return problems


def _complaints(log: str) -> list[str]:
    """Return log records and output that no fault explains. The log has JSON lines."""
    problems = []
    for line in log.splitlines():
        if not line.startswith("{"):
            problems += [line] * (not line.startswith("ready "))
            continue
        record = json.loads(line)
        if record["level"] in ("error", "critical") and record["message"] not in EXPECTED_ERRORS:
            problems.append(record["message"])
    return problems[:3]


async def _deliveries(world: World, job: Wanted) -> list[dict[str, Any]]:
    answer = await world.call("GET", f"/v1/jobs/{job.job_id}/deliveries")
    keys = ("event_type", "destination", "status", "tries", "last_error")
    return [{key: row[key] for key in keys} for row in answer["data"]]


async def _all_sent(world: World, job: Wanted) -> bool:
    return all(row["status"] != "pending" for row in await _deliveries(world, job))


async def _job(world: World, job: Wanted) -> list[str]:
    view = await world.view(job)
    events = _terminal_events(world, job.job_id)
    problems = []
    if view["status"] not in job.ends:
        problems.append(f"ended {view['status']} ({view['error']}), not {sorted(job.ends)}")
    ids = {event["id"] for event in events}
    if len(ids) != 1:
        problems.append(f"{len(ids)} terminal events reached the sink: {sorted(ids)}")
    problems += [
        f"a {e['type']} for a job that {view['status']}" for e in events if view["status"] not in e["type"]
    ]
    stored = await asyncio.to_thread(world.bucket.get, f"jobs/{job.job_id}/event.json")
    if stored is None or {json.loads(stored)["id"]} != ids:
        problems.append(f"event.json is not the sink's event: {stored!r:.200}")
    if view["status"] == "completed":
        problems += await _files(world, view["result"])
    return problems + _webhooks(world, job, ids)


def _terminal_events(world: World, job_id: str) -> list[dict[str, Any]]:
    events = [delivery.event for delivery in world.listener.at("/sink")]
    kinds = tuple(f".{status}.v1" for status in TERMINAL)
    return [event for event in events if event["subject"] == job_id and event["type"].endswith(kinds)]


async def _files(world: World, result: dict[str, Any]) -> list[str]:
    problems = []
    for name in ("video", "poster", "spritesheet"):
        file = result[name]
        body = await asyncio.to_thread(world.bucket.get, world.bucket.key(file["uri"]))
        if body is None:
            problems.append(f"the {name} is not in S3: {file['uri']}")
        elif hashlib.sha256(body).hexdigest() != file["sha256"] or len(body) != file["bytes"]:
            problems.append(f"the {name} differs from the result: {file['uri']}")
    manifest = await asyncio.to_thread(world.bucket.get, world.bucket.key(result["manifest_uri"]))
    # As records, since a manifest has no fields without a value.
    if manifest is None or Manifest.model_validate_json(manifest).result != VideoResult.model_validate(
        result
    ):
        problems.append("the manifest differs from the job")
    return problems


def _webhooks(world: World, job: Wanted, ids: set[str]) -> list[str]:
    if job.hook is None:
        return []
    got = world.listener.at(job.hook)
    if {delivery.event["id"] for delivery in got} != ids:
        return [f"the webhook received {[delivery.event['id'] for delivery in got]}, the sink {sorted(ids)}"]
    for delivery in got:
        try:
            Webhook(SECRET).verify(delivery.body, delivery.headers)
        except Exception as error:
            return [f"a webhook does not verify: {error}"]
    return []


async def _only_these_jobs(world: World) -> list[str]:
    listed = {job["id"] for job in (await world.call("GET", "/v1/jobs?limit=100"))["data"]}
    submitted = {job.job_id for job in world.jobs}
    return [] if listed == submitted else [f"jobs that are unknown on one side: {listed ^ submitted}"]


def works(world: World) -> list[Work]:
    """Every generation that began."""
    generations: list[Work] = []
    lines = world.journal.read_text().splitlines() if world.journal.exists() else []
    for entry in map(json.loads, lines):
        if entry["what"] == "begin":
            generations.append(Work(entry["job"], entry["attempt"], entry["pid"], entry["at"]))
        for work in generations:
            if work.pid != entry["pid"] or work.end is not None:
                continue
            mine = (work.job, work.attempt) == (entry.get("job"), entry.get("attempt"))
            if entry["what"] == "killed" or (entry["what"] == "end" and mine):
                work.end = entry["at"]
    return generations


def _generations(world: World) -> list[str]:
    generations = works(world)
    problems = []
    for before, after in pairwise(generations):
        if before.end is None or before.end > after.begin:
            problems.append(f"the predictor ran {before.job} and {after.job} at once")
    counts = Counter(work.job for work in generations)
    repeated = sum(count - 1 for count in counts.values())
    if repeated > world.repeats:
        problems.append(f"{repeated} generations were repeated, {world.repeats} had a cause: {dict(counts)}")
    return problems


async def wasted(world: World) -> float:
    """Count predictor seconds of attempts whose result no job names."""
    official: dict[str, int] = defaultdict(int)
    for job in world.jobs:
        result = (await world.view(job))["result"]
        official[job.job_id] = result["attempt"] if result else 0
    return sum((w.end or w.begin) - w.begin for w in works(world) if official[w.job] != w.attempt)
