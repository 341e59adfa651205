"""`reelzero events` and `logs`: what was sent about jobs, what happens to them, and the log of one."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from eventing import job_log
from eventing.cli.terminal.screen.output import Output
from eventing.cli.terminal.screen.progress import describe
from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.profiles import DATA_DIR
from eventing.cli.terminal.servers.session import Ids, Session, command
from eventing.client import Job, Update
from eventing.contract.errors import InvalidRequest
from eventing.domain.job import LOCAL_OWNER, owned_id

POLL_SECONDS = 1.0
SEEN = 100  # newest jobs that are looked at
COMMON = ("time", "level", "logger", "message", "job_id", "trace_id")  # of a line of a log


@command
async def events(
    session: Session,
    ids: Ids = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Print what happens to the jobs; without an ID to all of yours."),
    ] = False,
) -> ExitStatus | None:
    """Show the events and webhooks that were sent about jobs; with --follow what happens as it happens."""
    if follow:
        await (_follow(session, await session.jobs(ids)) if ids else _follow_all(session))
        return None
    messages = [each for job in await session.jobs(ids) for each in await session.client.deliveries(job.id)]
    output = session.output
    heads = ("id", "event", "to", "status", "tries", "last error or address")
    rows = [_delivery(each) for each in messages]
    shown = (str(message["id"]) for message in messages)
    output.answer(messages, shown, lambda: output.table(heads, rows, wide=("tries",)))
    return None


@command
async def logs(session: Session, ids: Ids = None) -> None:
    """Print the log lines of jobs, of the service and its predictors. On the machine of the service only."""
    folder = Path(os.environ.get("REELZERO_DATA_DIR") or DATA_DIR) / "logs"
    if not await asyncio.to_thread(folder.is_dir):
        raise InvalidRequest(
            f"{folder} does not exist: call this where `reelzero up` runs, or set REELZERO_DATA_DIR"
        )
    job_ids = {name for job in await session.jobs(ids) for name in _names(job)}
    for line in await asyncio.to_thread(job_log.read, folder, job_ids):
        if session.output.as_json:
            session.output.json(line)
        else:
            session.output.line(_sentence(line), "red" if line.get("level") == "error" else "")


async def _follow(session: Session, jobs: list[Job]) -> None:
    async def one(job: Job) -> None:
        async for update in session.client.stream(job.id):
            _print(session.output, update)

    await asyncio.gather(*(one(job) for job in jobs))


async def _follow_all(session: Session) -> None:
    """Print every change of the caller's newest jobs, until cancelled."""
    seen = {job.id: _state(job) for job in (await session.client.page(limit=SEEN)).data}
    while True:
        for job in reversed((await session.client.page(limit=SEEN)).data):
            if seen.get(job.id) != _state(job):
                seen[job.id] = _state(job)
                _print(session.output, Update.of_state(job))
        await asyncio.sleep(POLL_SECONDS)


def _delivery(message: dict[str, Any]) -> tuple[str, ...]:
    kind = str(message["event_type"]).split(".")[-2]
    last = str(message.get("last_error") or message.get("target") or "")
    return message["id"], kind, message["destination"], message["status"], str(message["tries"]), last


def _state(job: Job) -> tuple[Any, ...]:
    return job.status, job.progress.stage, job.progress.step


def _print(output: Output, update: Update) -> None:
    text = str(update.status) if update.job else describe(update)
    line = f"{update.id}  {update.percent:3} %  {text}"
    output.answer(update, [update.id], lambda: output.line(line))


def _names(job: Job) -> set[str]:
    """Return the names of a job in logs: its id, and where the caller chose that, the id of its row."""
    names = {job.id, owned_id(LOCAL_OWNER, job.id)}
    if job.result and (row := re.search(r"/jobs/([^/]+)/", job.result.manifest_uri)):
        names.add(row[1])  # of any owner; before the end only that of callers without a key is known
    return names


def _sentence(line: dict[str, Any]) -> str:
    rest = " ".join(
        f"{name}={value}" for name, value in line.items() if name not in COMMON and value is not None
    )
    return f"{line['time'][11:23]} {line.get('logger', '')}: {line.get('message', '')}  {rest}".rstrip()
