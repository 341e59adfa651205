"""`reelzero run`: one prompt through everything real, and the MP4 on disk.

A CloudEvent goes in; progress, the completion event at a sink and a signed webhook come back. If a service
already runs on the data directory it is used, else one is started for this video and stopped after it.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import socket
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from eventing.client import AsyncClient, Job, Update
from eventing.client.pictures import with_files
from eventing.contract.catalog import load_catalog
from eventing.contract.errors import GenerationError, InvalidRequest, ReelzeroError
from eventing.contract.records.models import Stage, Status
from eventing.jobs import parse_request
from eventing.standalone.data.data_dir import DATA_DIR, DataDir, InUse
from eventing.standalone.edition import WAITED_FOR, Edition
from eventing.standalone.one_shot.client import send_event
from eventing.standalone.one_shot.receiver import Receiver
from eventing.standalone.one_shot.report import show_result
from eventing.standalone.one_shot.screen import Screen, open_screen
from eventing.standalone.options import Options, default_model
from eventing.standalone.processes.interrupts import INTERRUPTED, on_interrupt
from eventing.store.database.shielded import finish

log = logging.getLogger(__name__)
FAILED = 1
DELIVERY_SECONDS = 60.0
CANCEL_SECONDS = 15.0
SERVED_BY = "everything is stopped again; to serve the video over HTTP:"
STAGES = {
    "queued": "waiting for its turn",
    "starting": "a predictor, from zero",
    "encode_prompt": "reading the prompt",
    "denoise": "making the picture",
    "decode": "latents to frames",
    "encode_video": "frames to H.264",
    "upload": "to S3",
}


@dataclass(frozen=True)
class VideoOrder:
    """The request for a video and the folder for its file."""

    request: dict[str, Any]
    out: Path


class Stopped(Exception):
    """The command was interrupted; the text says what became of the job."""


class JobEnded(GenerationError):
    """The job ended without a video."""

    def __init__(self, job: Job) -> None:
        reason = job.error.message if job.error else ""
        super().__init__(f"the job {job.status}: {reason or 'no reason was given'}")
        self.code = job.error.code if job.error else str(job.status)


def run(order: VideoOrder, options: Options) -> int:
    """Make one video and return the exit status: 0, 1 after printing the cause, 130 if interrupted."""
    log_file = DataDir(options.data_dir).log
    try:
        order = replace(order, request=with_files(order.request))
        check(order)
        asyncio.run(_main(order, options, open_screen(Console(highlight=False))))
    except Stopped as stopped:
        return _say(f"stopped on request: {stopped}", INTERRUPTED)
    except asyncio.CancelledError:
        return _say("stopped on request", INTERRUPTED)
    except (InvalidRequest, InUse) as error:
        return _say(f"reelzero: {error.message}", FAILED)
    except ReelzeroError as error:
        where = f"\nthe log is {log_file}" if log_file.exists() else ""
        return _say(f"reelzero: {error.message}{where}", FAILED)
    except Exception:
        log.exception("an unexpected error")
        return _say(f"reelzero: internal error; see the log at {log_file}", FAILED)
    return 0


def _say(text: str, status: int) -> int:
    typer.secho(text, fg="red" if status == FAILED else None, err=True)
    return status


def check(order: VideoOrder) -> None:
    """Refuse at once what would fail after the service has started. Raises InvalidRequest."""
    check_folder(order.out)
    extra = os.environ.get("REELZERO_CATALOG_DIR")
    catalog = load_catalog(Path(extra) if extra else None)
    request = parse_request(order.request)
    catalog.get(request.model or default_model(catalog)).resolve(request)


def check_folder(out: Path) -> None:
    """Make the folder for the MP4 and see that a file can be written there. Raises InvalidRequest."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InvalidRequest(
            f"--out: {out} cannot hold the video: {error.strerror}; name a folder that can be written",
            field="--out",
        ) from error


async def _main(order: VideoOrder, options: Options, screen: Screen) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    on_interrupt(task.cancel)
    async with AsyncExitStack() as stack:
        stack.enter_context(screen)
        receiver = await stack.enter_async_context(Receiver())
        service = await _connect(options, receiver, screen, stack)
        finished = await _make(order, service, receiver, screen)
    show_result(screen, finished.job, None if service.is_own else finished.link, finished.path)
    if service.is_own:
        screen.say(f"  {SERVED_BY} reelzero up{_folder(options)}", copy=True)


@dataclass(frozen=True)
class Service:
    """The service in use: `is_own` if this command started it; otherwise it was running already."""

    client: AsyncClient
    is_own: bool


@dataclass(frozen=True)
class Finished:
    """A finished job, its presigned URL and the file."""

    job: Job
    link: str
    path: Path


async def _connect(options: Options, receiver: Receiver, screen: Screen, stack: AsyncExitStack) -> Service:
    edition = Edition(_with_sink(options, receiver), screen.step)
    try:
        await edition.start()
    except InUse as error:
        if not error.holder.url:
            raise
        screen.done("service", f"{error.holder.url} (runs already)")
        receiver.secret = _secret(options)
        client = AsyncClient(error.holder.url, os.environ.get("REELZERO_API_KEY"))
        return Service(await stack.enter_async_context(client), is_own=False)
    # Stopped before the receiver, which still receives the end of a cancelled job.
    stack.push_async_callback(edition.stop, drain_seconds=0)
    screen.done("service", edition.url)
    receiver.secret = edition.settings.webhook_secrets[0]
    return Service(await stack.enter_async_context(AsyncClient(edition.url)), is_own=True)


async def _make(order: VideoOrder, service: Service, receiver: Receiver, screen: Screen) -> Finished:
    client = service.client
    screen.step("request", "as a CloudEvent to POST /events")
    source = f"urn:reelzero:run:{getpass.getuser()}@{socket.gethostname()}"
    request = {**order.request, "callback_url": receiver.webhook_url, "metadata": WAITED_FOR}
    submitting = asyncio.ensure_future(send_event(client, source, request))
    try:
        job_id = await finish(submitting)
        screen.done("request", f"accepted: {job_id}")
        job = await _follow(client, job_id, screen)
    except asyncio.CancelledError:
        raise Stopped(await _cancel(client, await submitting, screen)) from None
    if job.status is not Status.completed:
        raise JobEnded(job)
    try:
        await _hear(job_id, service, receiver, screen)
        return await _fetch(client, job, order.out, screen)
    except asyncio.CancelledError:
        raise Stopped(f"the video was done; reelzero up serves it at /v1/jobs/{job_id}/result") from None


async def _follow(client: AsyncClient, job_id: str, screen: Screen | None = None) -> Job:
    """Return the job at its end; show its progress until then. Raises Away if the service has ended."""
    async for update in client.stream(job_id, patience=0):
        if update.job:
            return update.job
        if screen:
            _show(update, screen)
    raise AssertionError("a job's updates end with its end")


def _show(update: Update, screen: Screen) -> None:
    stage = str(update.stage)
    if update.stage is Stage.queued and update.waiting_for:
        screen.step(stage, f"another attempt follows ({update.waiting_for})")
    elif update.stage is Stage.queued and update.queue_position:
        screen.step(stage, f"{update.queue_position} jobs are before this one")
    elif update.total_steps:
        screen.move(stage, update.step, update.total_steps)
    else:
        screen.step(stage, STAGES.get(stage, ""))


async def _cancel(client: AsyncClient, job_id: str, screen: Screen) -> str:
    """Cancel the job, wait for its end, and say what became of it. A later start need not cancel it then."""
    screen.step("cancel", "the predictor stops at its next step")
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await client.cancel(job_id)
            ended = (await _follow(client, job_id)).status
    except (ReelzeroError, TimeoutError):
        return f"{job_id} did not end yet; the next start cancels it"
    screen.done("cancel", f"the job is {ended}")
    return f"the job is {ended}"


async def _hear(job_id: str, service: Service, receiver: Receiver, screen: Screen) -> None:
    """Wait for the event and for the webhook with a valid signature, as an application would."""
    if service.is_own:
        screen.step("event", "waiting for it at the sink")
        event = await _arrival(receiver.event(job_id, DELIVERY_SECONDS), "completion event")
        screen.done("event", f"{event.type} came to the sink")
    screen.step("webhook", "waiting for it")
    await _arrival(receiver.webhook(job_id, DELIVERY_SECONDS), "webhook")
    screen.done("webhook", "came, and its signature is valid")


async def _arrival(waiting: Any, name: str) -> Any:
    try:
        return await waiting
    except TimeoutError as error:
        raise GenerationError(
            f"the video is done, but its {name} did not come within {DELIVERY_SECONDS:g} s"
        ) from error


async def _fetch(client: AsyncClient, job: Job, out: Path, screen: Screen) -> Finished:
    screen.step("download", "to its file")
    link, path = await client.link(job.id), out / f"{job.id}.mp4"
    try:
        await client.download(job.id, path)
    except OSError as error:
        raise GenerationError(f"{path} cannot be written: {error.strerror}") from error
    screen.done("download", f"{path.stat().st_size:,} bytes, checksum right")
    return Finished(job, link, path)


def _with_sink(options: Options, receiver: Receiver) -> Options:
    return replace(options, sink_url=receiver.sink_url)


def _folder(options: Options) -> str:
    return "" if options.data_dir == DATA_DIR else f" --data-dir {options.data_dir}"


def _secret(options: Options) -> str:
    setting = os.environ.get("REELZERO_WEBHOOK_SECRETS", "").split(",")[0].strip()
    return setting or DataDir(options.data_dir).webhook_secret()
