"""`reelzero submit`: send prompts to a server."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from eventing.cli.terminal.estimates import show_estimates
from eventing.cli.terminal.files import fetch, target_of
from eventing.cli.terminal.follow import PreviewOption, watch_jobs
from eventing.cli.terminal.requests.fields import request_fields, request_options
from eventing.cli.terminal.requests.prompts import read_requests
from eventing.cli.terminal.screen.output import Output
from eventing.cli.terminal.screen.preview import Mode
from eventing.cli.terminal.servers.exit_status import ExitStatus
from eventing.cli.terminal.servers.session import Session, build
from eventing.client import Group, Job
from eventing.contract.errors import ReelzeroError

PromptArgument = Annotated[
    list[str] | None,
    typer.Argument(help="What the video shows; - reads one prompt a line.", metavar="[PROMPT]..."),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="File with a prompt, or the JSON of a request, on each line."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", help="Idempotency key of the call; the same one leads to the same jobs."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Make nothing; show what it would take, and its price.")
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Show the progress until the end.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Wait, and download the videos to this folder.")
]


async def _submit(
    session: Session, *, prompt: list[str] | None, file: Path | None, key: str | None, watch: bool,
    out: Path | None, preview: Mode, dry_run: bool, **options: Any,
) -> ExitStatus:  # fmt: skip
    """Submit prompts and print the jobs' ids. Several words are one prompt.

    With --key the lines of a file have the keys KEY, KEY-1, KEY-2 and so on.

    Example: reelzero submit "a red circle moving right" --seed 7 -n 4
    """
    fields = request_fields(options)
    requests = [{**fields, **request} for request in read_requests(prompt, file)]
    if dry_run:
        await show_estimates(session, requests)
        return ExitStatus.done
    if out is not None:
        target_of(out, sum(_count(request) for request in requests))  # before anything is made
    answers: list[Job | Group] = []
    try:
        for number, request in enumerate(requests):
            answer = await session.client.submit(request, key=f"{key}-{number}" if key and number else key)
            answers.append(answer)
            _show(session.output, answer, follows=watch or out is not None)
    except ReelzeroError:
        if answers and session.output.as_json:  # they are made: a script must get their ids
            session.output.json(answers)
        raise
    ids = [each for answer in answers for each in ids_of(answer)]
    if not watch and out is None:
        if session.output.as_json:
            session.output.json(answers if len(answers) > 1 else answers[0])
        session.output.note(f"follow: reelzero watch {answers[-1].id}")
        return ExitStatus.done
    status = await watch_jobs(session, await session.jobs(ids), preview, reports=out is None)
    return status if out is None or status else await fetch(session, ids, out)


def _count(request: dict[str, Any]) -> int:
    """Return how many videos a request is for; one where the server will refuse the number."""
    count = request.get("n")
    return count if isinstance(count, int) else 1


def ids_of(answer: Job | Group) -> list[str]:
    """Return the ids of the jobs of a submission."""
    return [item.id for item in answer.jobs] if isinstance(answer, Group) else [answer.id]


def _show(output: Output, answer: Job | Group, follows: bool) -> None:
    if output.quiet and not follows:
        output.ids(ids_of(answer))
    elif not (output.as_json or output.quiet):
        group = f"  ({len(answer.jobs)} videos)" if isinstance(answer, Group) else ""
        output.line(f"{answer.id}  {answer.status}  {answer.model}{group}")
    for warning in answer.warnings:
        output.note(f"note: {warning}", "yellow")


def _own() -> list[inspect.Parameter]:
    kinds: dict[str, tuple[Any, Any]] = {
        "prompt": (PromptArgument, None), "file": (FileOption, None), "watch": (WatchOption, False),
        "out": (OutOption, None), "preview": (PreviewOption, Mode.auto), "key": (KeyOption, None),
        "dry_run": (DryRunOption, False),
    }  # fmt: skip
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, default=default, annotation=kind)
        for name, (kind, default) in kinds.items()
    ]


submit = build(_submit, [*_own(), *request_options()])
submit.__name__ = "submit"
