"""`reelzero up`: runs the one-machine service until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import webbrowser

import typer

from eventing.contract.errors import ReelzeroError
from eventing.served import Served
from eventing.standalone.data.data_dir import DataDir
from eventing.standalone.edition import Edition
from eventing.standalone.options import Options
from eventing.standalone.processes.interrupts import INTERRUPTED, on_interrupt

log = logging.getLogger(__name__)


def up(options: Options, opens_page: bool = False) -> int:
    """Serve until SIGINT or SIGTERM. Exit status: 0, 1 after printing the cause, 130 if it never served."""
    try:
        return asyncio.run(_main(options, opens_page))
    except asyncio.CancelledError:
        typer.echo("stopped before it served")
        return INTERRUPTED
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        return 1
    except Exception:
        log.exception("an unexpected error")
        where = DataDir(options.data_dir).log
        typer.secho(f"reelzero: internal error; see the log at {where}", fg="red", err=True)
        return 1


async def _main(options: Options, opens_page: bool) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    on_interrupt(task.cancel)
    edition = Edition(options)
    await edition.start()
    stop = asyncio.Event()
    on_interrupt(stop.set, edition.hurry)
    for line in introduce(edition):
        typer.echo(line)
    if opens_page:
        await asyncio.to_thread(webbrowser.open, f"{edition.url}/")
    failed = await _until_stopped(edition, stop)
    await _stop(edition)
    log = DataDir(options.data_dir).log
    typer.echo(f"stopped because a part of it failed; the log is {log}" if failed else "stopped")
    return int(failed)


def introduce(edition: Edition) -> list[str]:
    """Return the lines to print once it serves. Programs read the first one."""
    assert edition.service is not None  # noqa: S101 - it has started
    settings, data = edition.settings, DataDir(edition.options.data_dir)
    lines = [
        f"ready {edition.url}",
        f"  page        {edition.url}/",
        f"  API         {edition.url}/docs",
        f"  events      {edition.url}/events",
        f"  jobs        {edition.url}/v1/jobs",
        *_models(edition.service.container.served),
        f"  S3          {settings.s3_endpoint or 'AWS'} (bucket {settings.s3_bucket})",
        f"  data        {data.path}",
        f"  log         {data.log}",
    ]
    local = settings.s3_endpoint and "127.0.0.1" in settings.s3_endpoint
    if not edition.options.is_private and local and not settings.s3_public_endpoint:
        lines.append(
            "  note        presigned URLs name 127.0.0.1: put a proxy in front and set "
            "REELZERO_S3_PUBLIC_ENDPOINT to its address"
        )
    return lines


def _models(served: Served) -> list[str]:
    """Return the models that can run here in one line, and one line for each reason why others cannot."""
    reasons = {model: reason for (model, _), reason in served.obstacles().items()}
    able = [model for model in served.models() if model not in reasons]
    others: dict[str, list[str]] = {}
    for model, reason in reasons.items():
        others.setdefault(reason.removeprefix(f"{model} "), []).append(model)
    lines = [f"  models      {', '.join(able) or 'none can run here'}"]
    return lines + [f"  cannot run  {', '.join(models)}: {reason}" for reason, models in others.items()]


async def _until_stopped(edition: Edition, stop: asyncio.Event) -> bool:
    """Wait for a signal or for a part that fails; True if one failed."""
    assert edition.service is not None  # noqa: S101 - it has started
    failed = edition.service.failed
    waits = [asyncio.create_task(event.wait()) for event in (stop, failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    return failed.is_set()


async def _stop(edition: Edition) -> None:
    """Stop after the running jobs, or at once after another signal."""
    running = edition.service.open_attempts if edition.service else 0
    if running:
        jobs = "1 job" if running == 1 else f"{running} jobs"
        typer.echo(f"stopping when {jobs} finished; once more (Ctrl-C) to stop now and keep them queued")
    await edition.stop()
