"""`reelzero stories`: list, show, follow, cancel and continue stories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from eventing.cli.terminal.screen.output import ago, coloured
from eventing.cli.terminal.screen.story import describe
from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.session import Session, command
from eventing.cli.terminal.story import OutOption, watch_story
from eventing.client.story_records import Story
from eventing.contract.records.models import Status

stories = typer.Typer(no_args_is_help=True, help="Stories: films of several scenes or steps.")
Id = Annotated[str, typer.Argument(help="The story.", metavar="ID")]


@command
async def list_stories(
    session: Session,
    status: Annotated[list[Status] | None, typer.Option(help="Only these; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most stories.")] = 20,
) -> None:
    """List your stories, the newest first."""
    page = await session.client.stories.page(status=status or (), limit=limit)
    output = session.output
    rows = [
        (each.id, coloured(each.status), f"{each.percent} %", str(len(each.steps)), ago(each.submitted_at))
        for each in page.data
    ]
    heads = ("id", "status", "done", "steps", "age")
    output.answer(page.data, (each.id for each in page.data), lambda: output.table(heads, rows))


@command
async def show(session: Session, story: Id) -> None:
    """Show a story and its steps."""
    shown = await session.client.stories.get(story)
    output = session.output

    def people() -> None:
        output.line(f"{shown.id}  {shown.status}  {shown.percent} %")
        rows = [(step.name, step.uses, describe(step)) for step in shown.steps]
        output.table(("step", "type", "state"), rows)

    output.answer(shown, [shown.id], people)


@command
async def watch(session: Session, story: Id, out: OutOption = None) -> ExitStatus:
    """Show the progress of a story until it ends; with --out download its film. Ctrl-C leaves it running."""
    return await watch_story(session, story, out)


@command
async def cancel(session: Session, story: Id) -> None:
    """Cancel a story: steps that run end within one step of theirs."""
    await _changed(session, story, session.client.stories.cancel)


@command
async def retry(session: Session, story: Id) -> None:
    """Continue a failed or cancelled story from what is not completed."""
    await _changed(session, story, session.client.stories.retry)


async def _changed(session: Session, story: str, work: Callable[[str], Awaitable[Story]]) -> None:
    changed = await work(story)
    output = session.output
    output.answer(changed, [changed.id], lambda: output.line(f"{changed.id}  {changed.status}"))


for name, work in {
    "list": list_stories,
    "show": show,
    "watch": watch,
    "cancel": cancel,
    "retry": retry,
}.items():
    stories.command(name)(work)
