"""Commands for the operator: keys, jobs and deliveries, directly in the database.

They read the same REELZERO_… settings as the service; on one machine `--data-dir` names its folder.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from eventing.container import Container, build_container
from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError, ReelzeroError
from eventing.contract.records.models import HIGHEST_PRIORITY
from eventing.domain.job import Job, Status
from eventing.orphans import Orphans
from eventing.settings import Settings
from eventing.standalone.data.data_dir import DATA_DIR, DataDir

console = Console()
keys = typer.Typer(no_args_is_help=True, help="API keys: each has an owner, who sees only their own jobs.")
jobs = typer.Typer(no_args_is_help=True, help="Show jobs of all owners; cancel them, or queue them again.")
deliveries = typer.Typer(
    no_args_is_help=True, help="Show deliveries that wait or that failed for good; send them again."
)
Folder = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the one-machine edition; else REELZERO_DATABASE_URL."),
]


@keys.command("create")
def create_key(
    owner: Annotated[str, typer.Argument(help="Owner of the jobs that the key makes.")],
    max_priority: Annotated[
        int, typer.Option(min=0, max=HIGHEST_PRIORITY, help="Highest `priority` of its jobs.")
    ] = 0,
    operate: Annotated[
        bool, typer.Option("--operate", help="The key may also look at and change what all owners share.")
    ] = False,
    data_dir: Folder = None,
) -> None:
    """Make a key and print it. Only its hash is stored, so it cannot be shown again."""

    async def work(container: Container) -> None:
        if not owner.strip() or len(owner) > 128:
            raise ConfigurationError("the owner must have 1 to 128 characters")
        typer.echo(await container.keys.create(owner, max_priority, may_operate=operate))

    _run(work, data_dir)


@keys.command("list")
def list_keys(data_dir: Folder = None) -> None:
    """Show keys by id and owner."""

    async def work(container: Container) -> None:
        keys = await container.keys.keys()
        rows = [
            (key.id, key.owner, str(key.max_priority), "yes" if key.may_operate else "",
             _when(key.created_at), _when(key.revoked_at))
            for key in keys
        ]  # fmt: skip
        _table(("id", "owner", "max priority", "operates", "created", "revoked"), rows)

    _run(work, data_dir)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="From `keys list`.")], data_dir: Folder = None
) -> None:
    """Revoke a key at once."""

    async def work(container: Container) -> None:
        await container.keys.revoke(key_id)
        typer.echo(f"key {key_id} is revoked")

    _run(work, data_dir)


@jobs.command("list")
def list_jobs(
    status: Annotated[list[Status] | None, typer.Option(help="Only these; may be repeated.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    data_dir: Folder = None,
) -> None:
    """Show jobs, newest first."""

    async def work(container: Container) -> None:
        page, more = await container.job_store.page(owner, limit=limit, statuses=tuple(status or ()))
        rows = [
            (j.id, j.owner, str(j.status), f"{j.percent} %", j.model, j.lane, str(j.attempts_used),
             _when(j.submitted_at), _error(j), j.holder or "", j.chosen_id or "", j.video.prompt)
            for j in page
        ]  # fmt: skip
        heads = ("id", "owner", "status", "done", "model", "lane", "attempts", "submitted", "error",
                 "held by", "chosen id", "prompt")  # fmt: skip
        _table(heads, rows, ("id", "status", "done", "error", "prompt"))
        if more:
            typer.echo(f"more than {limit}; use --limit")

    _run(work, data_dir)


@jobs.command("requeue")
def requeue(job_id: Annotated[str, typer.Argument()], data_dir: Folder = None) -> None:
    """Queue a failed or cancelled job again, with all attempts and the seed of the first run."""

    async def work(container: Container) -> None:
        job = await container.jobs.requeue(job_id)
        typer.echo(f"job {job.id} is {job.status}")

    _run(work, data_dir)


@jobs.command("cancel")
def cancel(job_id: Annotated[str, typer.Argument()], data_dir: Folder = None) -> None:
    """Cancel a job of any owner."""

    async def work(container: Container) -> None:
        job = await container.jobs.cancel(job_id)
        typer.echo(
            f"job {job.id} is {job.status}" + ("" if job.status.is_terminal else "; it ends at its next step")
        )

    _run(work, data_dir)


@jobs.command("orphans")
def orphans(
    hours: Annotated[float, typer.Option(min=0, help="Leave out what has a younger file.")] = 24.0,
    delete: Annotated[bool, typer.Option("--delete", help="Delete their files.")] = False,
    data_dir: Folder = None,
) -> None:
    """Show folders of jobs and stories without a row, as after a restore; --delete removes them.

    It reads the bucket of the REELZERO_S3_… settings and lists every object below jobs/ and stories/.
    """

    async def work(container: Container) -> None:
        sweep = Orphans(container.bucket, container.job_store, container.stories.store)
        folders = await sweep.find(timedelta(hours=hours))
        for folder in folders:
            typer.echo(folder)
        if delete:
            typer.echo(f"{await sweep.delete(folders)} files in {len(folders)} folders are deleted", err=True)

    _run(work, data_dir)


@deliveries.command("list")
def list_deliveries(
    status: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    job: Annotated[str | None, typer.Option(help="Only this job's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    data_dir: Folder = None,
) -> None:
    """Show messages, newest first."""

    async def work(container: Container) -> None:
        messages = await container.outbox.messages(job_id=job, status=status, limit=limit)
        rows = [
            (m.id, m.job_id or "", m.event_type.split(".")[-2], m.destination.kind, m.status, str(m.tries),
             m.last_error or "")
            for m in messages
        ]  # fmt: skip
        _table(("id", "job", "event", "to", "status", "tries", "last error"), rows)

    _run(work, data_dir)


@deliveries.command("replay")
def replay(
    message_ids: Annotated[list[str] | None, typer.Argument(help="From `deliveries list`.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that failed for good.")] = False,
    data_dir: Folder = None,
) -> None:
    """Send messages again now. A repeated event keeps its id, by which receivers recognise it."""

    async def work(container: Container) -> None:
        ids = list(message_ids or ())
        if dead:
            ids += [message.id for message in await container.outbox.messages(status="dead", limit=1000)]
        if not ids and not dead:
            raise ConfigurationError("name the deliveries to send again, or use --dead")
        for message_id in ids:
            await container.outbox.replay(message_id)
        typer.echo(f"{len(ids)} will be sent again")

    _run(work, data_dir)


def _run(work: Callable[[Container], Awaitable[None]], data_dir: Path | None) -> None:
    async def main() -> None:
        container = build_container(read(Settings, **_database(data_dir)))
        try:
            await work(container)
        finally:
            await container.database.close()

    try:
        asyncio.run(main())
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        raise typer.Exit(1) from error


def _database(data_dir: Path | None) -> dict[str, str]:
    if data_dir is None:
        if "REELZERO_DATABASE_URL" in os.environ:
            return {}
        data_dir = DATA_DIR
    folder = DataDir(data_dir)
    if not folder.database.exists():
        raise ConfigurationError(
            f"there is no database at {folder.database}; name the folder by --data-dir, or set "
            "REELZERO_DATABASE_URL"
        )
    return {"database_url": folder.database_url}


def _table(
    heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], narrow: tuple[str, ...] | None = None
) -> None:
    """Print a table; a terminal under 120 columns shows only the columns of `narrow`."""
    if not console.is_terminal:  # for scripts: tab-separated, nothing cut
        for row in (heads, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(box=None)
    longest = max((len(row[0]) for row in rows), default=0)
    kept = [n for n, head in enumerate(heads) if narrow is None or console.width >= 120 or head in narrow]
    for n in kept:  # ids are copied, so they stay whole
        table.add_column(heads[n], no_wrap=n == 0, min_width=longest if n == 0 else None)
    for row in rows:
        table.add_row(*(row[n] for n in kept))
    console.print(table)


def _error(job: Job) -> str:
    """Return the code of the error that explains the state; None for a running or completed job."""
    explains = job.error and job.status in (Status.queued, Status.failed, Status.cancelled)
    return job.error.code if job.error and explains else ""


def _when(epoch: float | None) -> str:
    return "" if epoch is None else datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S")
