"""`reelzero download` and `open`."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.session import Ids, Session, command
from eventing.contract.errors import InvalidRequest


class Variant(StrEnum):
    """A file of a finished job."""

    video = "video"
    poster = "poster"
    spritesheet = "spritesheet"


@command
async def download(
    session: Session,
    ids: Ids = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder, or the file of one video.")] = Path(),
    variant: Annotated[Variant, typer.Option(help="Which file.")] = Variant.video,
) -> ExitStatus:
    """Download videos, whole or not at all, with their checksums compared."""
    jobs = await session.jobs(ids)
    return await fetch(session, [job.id for job in jobs], out, variant)


@command
async def open_video(
    session: Session,
    ids: Ids = None,
    page: Annotated[bool, typer.Option("--page", help="Open the page of the server instead.")] = False,
) -> None:
    """Open videos in the browser, by addresses that need no key and expire. Prints the addresses."""
    if page:
        links = [session.client.server + "/"]
    else:
        links = [await session.client.link(job.id) for job in await session.jobs(ids)]
    if session.output.as_json:
        session.output.json(links)
    else:
        session.output.ids(links)
    if session.output.console.is_terminal:
        for link in links:
            await asyncio.to_thread(webbrowser.open, link)


async def fetch(
    session: Session, ids: Sequence[str], out: Path, variant: Variant = Variant.video
) -> ExitStatus:
    """Download files and write their paths."""
    target = target_of(out, len(ids))
    paths = [await session.client.download(job_id, target, variant.value) for job_id in ids]
    output = session.output
    if output.as_json:
        output.json([{"id": job_id, "path": str(path)} for job_id, path in zip(ids, paths, strict=True)])
    else:
        output.ids(str(path) for path in paths)
    return ExitStatus.done


def target_of(out: Path, count: int) -> str:
    """Return the path of one file, or that of a folder with a slash. A name with a suffix is a file."""
    if out.is_dir() or not out.suffix:
        return f"{out}/"
    if count > 1:
        raise InvalidRequest(f"--out: {out} is one file, and there are {count} videos; name a folder")
    return str(out)
