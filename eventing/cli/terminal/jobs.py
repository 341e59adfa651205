"""`reelzero get`, `list`, `cancel`, `retry` and `rm`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from eventing.cli.terminal.screen.output import Output, ago, coloured
from eventing.cli.terminal.servers.session import Ids, Session, command
from eventing.client import Job
from eventing.client.costs import JobUsage
from eventing.contract.records.models import Status

Required = Annotated[list[str], typer.Argument(help="Jobs or groups.", metavar="ID...")]
PAGE = 100  # jobs of one call


@command
async def get(session: Session, ids: Ids = None) -> None:
    """Show jobs: status, request, times, and the result or the error."""
    jobs = await session.jobs(ids)
    output = session.output

    def people() -> None:
        for number, job in enumerate(jobs):
            if number:
                output.line()
            for name, value in _facts(job):
                output.line(f"{name:<11} {value}")

    output.answer(jobs if len(jobs) > 1 else jobs[0], (job.id for job in jobs), people)


@command
async def list_jobs(
    session: Session,
    status: Annotated[list[Status] | None, typer.Option(help="Only these; may be repeated.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most jobs.")] = 20,
) -> None:
    """List your jobs, the newest first."""
    jobs: list[Job] = []
    after, more = None, True
    while more and len(jobs) < limit:
        page = await session.client.page(
            status=status or (), model=model, limit=min(PAGE, limit - len(jobs)), after=after
        )
        jobs, after, more = [*jobs, *page.data], page.next, page.has_more
    show_jobs(session.output, jobs)
    if more:
        session.output.note(f"there are more than {limit}; use --limit")


@command
async def cancel(session: Session, ids: Required) -> None:
    """Cancel jobs: at once if they wait, within one step if they run."""
    await _each(session, ids, session.client.cancel)


@command
async def retry(session: Session, ids: Required) -> None:
    """Queue failed or cancelled jobs again, with the same ids and seeds. Completed ones of a group stay."""

    async def again(job_id: str) -> Job:
        job = await session.client.job(job_id)
        is_done = job.status is Status.completed and job_id not in ids
        return job if is_done else await session.client.retry(job_id)

    await _each(session, ids, again)


@command
async def remove(session: Session, ids: Required) -> None:
    """Delete jobs and their files. Those that have not ended are cancelled first."""
    jobs = await session.jobs(ids)
    for job in jobs:
        await session.client.delete(job.id)
        if session.output.quiet:
            session.output.ids([job.id])
        elif not session.output.as_json:
            session.output.line(f"{job.id}  deleted")
    if session.output.as_json:
        session.output.json([{"id": job.id, "deleted": True} for job in jobs])


def show_jobs(output: Output, jobs: list[Job]) -> None:
    """Write jobs as a table, as JSON or as ids."""
    rows = [
        (job.id, coloured(job.status), f"{job.percent} %", job.model, ago(job.submitted_at),
         job.request.prompt)
        for job in jobs
    ]  # fmt: skip
    heads = ("id", "status", "done", "model", "age", "prompt")
    output.answer(jobs, (job.id for job in jobs), lambda: output.table(heads, rows, wide=("done", "model")))


async def _each(session: Session, ids: list[str], work: Any) -> None:
    """Do the same with every job, and write what became of it."""
    results = []
    for job in await session.jobs(ids):
        result = await work(job.id)
        results.append(result)
        if session.output.quiet:
            session.output.ids([result.id])
        elif not session.output.as_json:
            session.output.line(f"{result.id}  {result.status}{_later(result)}")
    if session.output.as_json:
        session.output.json(results if len(results) > 1 else results[0])


def _later(job: Job) -> str:
    return "; it ends at its next step" if job.status is Status.in_progress else ""


def _facts(job: Job) -> list[tuple[str, str]]:
    """Return what is worth knowing of a job, by name."""
    request, facts = job.request, [("id", job.id), ("status", f"{job.status}  {job.percent} %")]
    if job.status is Status.queued and job.queue_position is not None:
        facts.append(("queue", f"{job.queue_position} jobs are before this one"))
    if job.error:
        facts.append(("error", f"{job.error.code}: {job.error.message}"))
    size = f"{request.width}x{request.height}, {request.num_frames} frames at {request.fps} a second"
    facts += [
        ("prompt", request.prompt), ("model", job.model), ("video", size), ("seed", str(request.seed)),
        ("submitted", f"{job.submitted_at:%Y-%m-%d %H:%M:%S} UTC ({ago(job.submitted_at)} ago)"),
    ]  # fmt: skip
    if job.group:
        facts.append(("group", job.group))
    if job.usage and job.usage.gpu_seconds.paid:
        facts.append(("GPU-seconds", _cost(job.usage)))
    if job.result:
        file = job.result.video
        facts += [("file", f"{file.uri}  {file.bytes:,} bytes"), ("sha256", file.sha256)]
    return facts + [("note", warning) for warning in job.warnings]


def _cost(usage: JobUsage) -> str:
    """Return what a job has used, with its parts and its price."""
    seconds = usage.gpu_seconds
    parts = {name: getattr(seconds, name) for name in ("used", "starting", "wasted", "idle")}
    money = "" if usage.cost is None else f", {usage.cost:.4f} {usage.currency}"
    return f"{seconds.paid:.1f}{money} ({', '.join(f'{name} {part:.1f}' for name, part in parts.items())})"
