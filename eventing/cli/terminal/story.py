"""`reelzero story FILE`: make a film of scenes or steps, or change one that was made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from eventing.cli.terminal.requests.stories import read_story
from eventing.cli.terminal.screen.output import duration
from eventing.cli.terminal.screen.story import open_story
from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.session import Session, command
from eventing.client.stories import ENDINGS
from eventing.client.story_records import Story, StoryEstimate
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import Status

FileArgument = Annotated[
    Path, typer.Argument(help="YAML or JSON with scenes or steps; - reads standard input.", metavar="FILE")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Wait, and download film, subtitles and poster to this folder."),
]


@command
async def story(
    session: Session,
    file: FileArgument,
    revise: Annotated[
        str | None,
        typer.Option(
            help="Story to change: FILE has what changes, or the whole. Equal steps are reused.", metavar="ID"
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show the progress until the end.")] = False,
    out: OutOption = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same one leads to the same story.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing; show steps, time and price.")
    ] = False,
) -> ExitStatus:
    """Make a film of a file with scenes or steps, and print the story's id.

    Pictures and music in the file may be paths, which begin at its folder.

    Example: reelzero story film.yaml --out films
    """
    request = read_story(file)
    stories = session.client.stories
    if dry_run:
        if revise is not None:
            raise InvalidRequest(
                "--dry-run: leave --revise out; what is reused is known once it runs", field="--dry-run"
            )
        show_estimate(session, await stories.estimate(request))
        return ExitStatus.done
    if out is not None and out.is_file():
        raise InvalidRequest(f"--out: {out} is a file; name a folder", field="--out")
    made = await (stories.revise(revise, request, key=key) if revise else stories.submit(request, key=key))
    if not session.output.as_json and not (session.output.quiet and out is not None):
        session.output.answer(made, [made.id], lambda: session.output.line(f"{made.id}  {made.status}"))
    if not watch and out is None:
        if session.output.as_json:
            session.output.json(made)
        session.output.note(f"follow: reelzero stories watch {made.id}")
        return ExitStatus.done
    return await watch_story(session, made.id, out)


async def watch_story(session: Session, story_id: str, out: Path | None) -> ExitStatus:
    """Show the progress of a story, then how it ended; with `out` download its files."""
    stories = session.client.stories
    latest = await stories.get(story_id)
    try:
        with open_story(session.output) as display:
            display.show(latest)
            async for latest in stories.stream(story_id):
                display.show(latest)
    except asyncio.CancelledError:
        session.output.note(f"the story goes on; see it again: reelzero stories watch {story_id}")
        raise
    if latest.status is not Status.completed:
        report(session, latest)
        return ExitStatus.no_video
    if out is None:
        report(session, latest)
        session.output.note(f"download: reelzero stories watch {story_id} --out films")
        return ExitStatus.done
    result = await stories.result(story_id)
    names = [name for name in ENDINGS if getattr(result, name) is not None]
    paths = [await stories.download(story_id, f"{out}/", name) for name in names]
    if session.output.as_json:
        session.output.json({"id": story_id, "paths": [str(path) for path in paths]})
    else:
        session.output.ids(str(path) for path in paths)
    return ExitStatus.done


def report(session: Session, ended: Story) -> None:
    """Write how a story ended."""
    output = session.output
    cause = f"  {ended.error.message}" if ended.error and ended.status is Status.failed else ""
    style = "red" if ended.status is Status.failed else ""
    output.answer(ended, [ended.id], lambda: output.line(f"{ended.id}  {ended.status}{cause}", style))


def show_estimate(session: Session, estimate: StoryEstimate) -> None:
    """Write what a story would take."""
    output = session.output
    names = [step.name for step in estimate.steps]

    def people() -> None:
        rows = [(step.name, step.uses, f"{step.expected_seconds:.0f} s") for step in estimate.steps]
        output.table(("step", "type", "about"), rows)
        price = estimate.expected_cost
        money = "" if price is None else f", about {price:.4f} {estimate.currency or ''}".rstrip()
        output.line(f"the whole: about {duration(estimate.expected_seconds)} min{money}")

    output.answer(estimate, names, people)
