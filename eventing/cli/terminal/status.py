"""`reelzero ps` and `status`: what runs and waits, once or live."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from eventing.cli.terminal.screen.output import Output, ago, coloured, duration, safe, table_of
from eventing.cli.terminal.screen.progress import describe_progress
from eventing.cli.terminal.servers.machine import (
    Gpu,
    LocalPredictor,
    gpus,
    predictors_of,
    running_service,
    template_of,
)
from eventing.cli.terminal.servers.profiles import DATA_DIR
from eventing.cli.terminal.servers.session import Session, command
from eventing.client import Job, Model
from eventing.contract.errors import Unavailable
from eventing.contract.records.models import Status

SECONDS = 2.0  # between two looks
LIVE = (Status.queued, Status.in_progress)
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Look again every two seconds, until Ctrl-C.")]
Rows = Sequence[Sequence[str | Text]]


@dataclass(frozen=True)
class Lane:
    """One lane of a model: its jobs, and why it cannot start."""

    model: str
    lane: str
    queued: int
    in_progress: int
    unavailable: str | None


@dataclass(frozen=True)
class Overview:
    """What `status` shows."""

    server: str
    version: str
    ready: bool
    slots: dict[str, dict[str, int]]
    lanes: list[Lane]
    predictors: list[LocalPredictor]
    template: LocalPredictor | None
    gpus: list[Gpu]


@command
async def ps(session: Session, follow: Follow = False) -> None:
    """Show your jobs that wait or run."""

    async def look() -> list[Job]:
        return (await session.client.page(status=LIVE, limit=100)).data

    await _show(session.output, look, _jobs, lambda jobs: [job.id for job in jobs], follow)


@command
async def status(session: Session, follow: Follow = False) -> None:
    """Show the server: queues, slots, paused models, and on this machine predictors and GPUs."""

    async def look() -> Overview:
        return await _overview(session)

    await _show(session.output, look, _status, lambda overview: [overview.server], follow)


async def _show(
    output: Output,
    look: Callable[[], Awaitable[Any]],
    render: Callable[[Output, Any], RenderableType],
    ids: Callable[[Any], list[str]],
    follow: bool,
) -> None:
    """Write what a look shows, once or until Ctrl-C: drawn over itself on a terminal."""
    if not (follow and output.is_live):
        while True:
            _write(output, await look(), render, ids)
            if not follow:
                return
            await asyncio.sleep(SECONDS)
    with Live(render(output, await look()), console=output.console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(SECONDS)
            live.update(render(output, await look()), refresh=True)


def _write(
    output: Output,
    view: Any,
    render: Callable[[Output, Any], RenderableType],
    ids: Callable[[Any], list[str]],
) -> None:
    plain = asdict(view) if isinstance(view, Overview) else view
    wrap = not output.console.is_terminal
    output.answer(plain, ids(view), lambda: output.console.print(render(output, view), soft_wrap=wrap))


def _jobs(output: Output, jobs: list[Job]) -> RenderableType:
    if not jobs:
        return Text("no job waits or runs", "dim")
    rows = [
        (job.id, coloured(job.status), f"{job.percent} %", ago(job.submitted_at), describe_progress(job))
        for job in jobs
    ]
    return table_of(output.console, ("id", "status", "done", "age", "now"), rows)


async def _overview(session: Session) -> Overview:
    client = session.client
    models, version = await client.models(), await client.calls.json("GET", "/v2")
    _, text = await client.calls.content("GET", "/metrics")
    jobs, slots = _metrics(text.decode())
    here = running_service(Path(os.environ.get("REELZERO_DATA_DIR") or DATA_DIR))
    is_here = here is not None and here[1] == client.server
    return Overview(
        client.server, str(version.get("version", "")), await _is_ready(session), slots, _lanes(models, jobs),
        predictors_of(here[0]) if here and is_here else [],
        template_of(here[0]) if here and is_here else None,
        await asyncio.to_thread(gpus) if is_here else [],
    )  # fmt: skip


async def _is_ready(session: Session) -> bool:
    try:
        await session.client.calls.json("GET", "/readyz")
    except Unavailable:
        return False
    return True


def _metrics(text: str) -> tuple[dict[tuple[str, str, str], int], dict[str, dict[str, int]]]:
    """Return the jobs by model, lane and status, and the slots by pool and state."""
    jobs: dict[tuple[str, str, str], int] = {}
    slots: dict[str, dict[str, int]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "reelzero_jobs":
                jobs[labels["model"], labels["lane"], labels["status"]] = int(sample.value)
            elif sample.name == "reelzero_slots":
                slots.setdefault(labels["pool"], {})[labels["state"]] = int(sample.value)
    return jobs, slots


def _lanes(models: list[Model], jobs: dict[tuple[str, str, str], int]) -> list[Lane]:
    return [
        Lane(
            model.id, lane, jobs.get((model.id, lane, "queued"), 0),
            jobs.get((model.id, lane, "in_progress"), 0), model.unavailable.get(lane),
        )
        for model in models
        for lane in model.lanes
    ]  # fmt: skip


def _status(output: Output, overview: Overview) -> RenderableType:
    state = Text("ready", "green") if overview.ready else Text("not ready", "red")
    parts: list[RenderableType] = [
        Text.assemble((overview.server, "bold"), safe(f"  reelzero {overview.version}  "), state)
    ]
    for pool, counts in overview.slots.items():
        taken, free = counts.get("taken", 0), counts.get("free", 0)
        parts.append(Text(safe(f"slots of {pool}: {taken} of {taken + free} taken")))
    idle = [lane for lane in overview.lanes if lane.unavailable and not (lane.queued or lane.in_progress)]
    rows: Rows = [
        (lane.model, lane.lane, str(lane.queued), str(lane.in_progress), Text(lane.unavailable or "", "red"))
        for lane in overview.lanes
        if lane not in idle
    ]
    parts += [Text(), table_of(output.console, ("model", "lane", "waiting", "running", "cannot start"), rows)]
    if idle:
        names = len({lane.model for lane in idle})
        parts.append(Text(f"{names} more models cannot start here: reelzero models list", "dim"))
    return Group(*parts, *_machine(output, overview))


def _machine(output: Output, overview: Overview) -> list[RenderableType]:
    """Return the tables of this machine, if the service runs here."""
    parts: list[RenderableType] = []
    processes = overview.predictors + ([overview.template] if overview.template else [])
    if processes:
        rows: Rows = [
            (each.model or "(warm template)", str(each.pid), f"{each.memory_bytes / 1e9:.1f} GB",
             duration(each.up_seconds))
            for each in processes
        ]  # fmt: skip
        parts += [Text(), table_of(output.console, ("predictor", "process", "memory", "up"), rows)]
    if overview.gpus:
        rows = [
            (each.index, f"{each.busy_percent} %", f"{each.used_mib} of {each.total_mib} MiB", each.name)
            for each in overview.gpus
        ]
        parts += [Text(), table_of(output.console, ("GPU", "busy", "memory", "name"), rows)]
    return parts
