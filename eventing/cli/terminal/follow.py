"""`reelzero watch` and `wait`: follow jobs until they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Annotated

import typer

from eventing.cli.terminal.screen.preview import Mode, choose
from eventing.cli.terminal.screen.progress import Plain, open_progress
from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.session import Ids, Session, command
from eventing.client import Job, Refused
from eventing.contract.records.models import Status

PreviewOption = Annotated[
    Mode, typer.Option("--preview", help="How to draw previews: in pictures, half blocks, or not at all.")
]


@command
async def watch(session: Session, ids: Ids = None, preview: PreviewOption = Mode.auto) -> ExitStatus:
    """Show the progress of jobs until they end, with previews. Ctrl-C leaves the jobs running."""
    jobs = await session.jobs(ids)
    if len(jobs) == 1 and session.output.is_live:
        session.output.line(f"{jobs[0].id}  {jobs[0].request.prompt}", "bold")
    return await watch_jobs(session, jobs, preview)


@command
async def wait(
    session: Session,
    ids: Ids = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds; then the status is 6.")] = None,  # noqa: ASYNC109
) -> ExitStatus:
    """Wait until jobs have ended, and print how."""
    jobs = await session.jobs(ids)
    try:
        async with asyncio.timeout(timeout):
            ended = list(await asyncio.gather(*(session.client.wait(job.id) for job in jobs)))
    except TimeoutError:
        session.output.error(f"reelzero: not ended within {timeout:g} s; the jobs go on")
        return ExitStatus.timed_out
    return _report(session, ended)


async def watch_jobs(
    session: Session, jobs: list[Job], preview: Mode = Mode.auto, reports: bool = True
) -> ExitStatus:
    """Show the progress of these jobs, then how they ended; with `reports` off only if one has no video."""
    mode = choose(preview, session.output.console, os.environ)
    try:
        with open_progress(session.output, jobs, await session.client.models(), mode) as progress:
            ended = list(await asyncio.gather(*(_watch(session, job, progress) for job in jobs)))
    except asyncio.CancelledError:
        session.output.note(f"the jobs go on; see them again: reelzero watch {jobs[0].id}")
        raise
    if not reports and all(job.status is Status.completed for job in ended):
        return ExitStatus.done
    return _report(session, ended)


async def _watch(session: Session, job: Job, progress: Plain) -> Job:
    drawn: int | None = None
    async for update in session.client.stream(job.id):
        progress.show(update)
        if update.job:
            return update.job
        if progress.mode is not Mode.off and update.preview and update.preview_step != drawn:
            drawn = update.preview_step
            with contextlib.suppress(Refused):  # it may be gone by now
                progress.draw(await session.client.preview(job.id))
    raise AssertionError("a stream ends with the job")


def _report(session: Session, ended: list[Job]) -> ExitStatus:
    output = session.output

    def people() -> None:
        for job in ended:
            cause = f"  {job.error.message}" if job.error and job.status is not Status.completed else ""
            output.line(f"{job.id}  {job.status}{cause}", "red" if job.status is Status.failed else "")
        if done := [job.id for job in ended if job.status is Status.completed]:
            output.note(f"download: reelzero download {' '.join(done[:3])}")

    output.answer(ended if len(ended) > 1 else ended[0], (job.id for job in ended), people)
    return ExitStatus.done if all(job.status is Status.completed for job in ended) else ExitStatus.no_video
