"""Run a command against a server: its common options, the client, and errors as exit statuses."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from eventing.cli.terminal.screen.output import Output
from eventing.cli.terminal.servers.exit_status import HELP, ExitStatus, status_of
from eventing.cli.terminal.servers.profiles import find_target
from eventing.client import AsyncClient, Away, Job, Refused
from eventing.contract.errors import InvalidRequest, ReelzeroError

START = "start one on this machine with `reelzero up`, or name another by --server or REELZERO_SERVER"
KEY = "set REELZERO_API_KEY, or store a key with `reelzero login`"
Ids = Annotated[
    list[str] | None, typer.Argument(help="Jobs or groups; the newest job if none.", metavar="[ID]...")
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", help="Address of the server, else REELZERO_SERVER.", metavar="URL"),
]
ProfileOption = Annotated[str | None, typer.Option("--profile", help="Server and key of `reelzero login`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only ids or paths.")]
COMMON: tuple[tuple[str, Any, Any], ...] = (
    ("server", ServerOption, None), ("profile", ProfileOption, None),
    ("as_json", JsonOption, False), ("quiet", QuietOption, False),
)  # fmt: skip


@dataclass(frozen=True)
class Session:
    """What a command works with."""

    client: AsyncClient
    output: Output

    async def jobs(self, ids: Sequence[str] | None) -> list[Job]:
        """Return the jobs of these ids, and those of groups; the newest job without any id."""
        if not ids:
            page = await self.client.page(limit=1)
            if not page.data:
                raise InvalidRequest('there is no job yet; make one: reelzero submit "a red circle"')
            return page.data
        return [job for each in dict.fromkeys(ids) for job in await self._jobs_of(each)]

    async def _jobs_of(self, name: str) -> list[Job]:
        try:
            return [await self.client.job(name)]
        except Refused as error:
            if error.status != 404:
                raise
            try:
                group = await self.client.group(name)
            except Refused:
                raise error from None
            return [await self.client.job(item.id) for item in group.jobs]


Work = Callable[..., Awaitable[ExitStatus | None]]


def command(work: Work) -> Callable[..., None]:
    """Make a command of a coroutine whose first parameter is the session; the others are its options."""
    signature = inspect.signature(work, eval_str=True)
    own = list(signature.parameters.values())[1:]
    return build(work, own)


def build(work: Work, own: list[inspect.Parameter]) -> Callable[..., None]:
    """Make a command with these options and the common ones."""

    def run(**values: Any) -> None:
        as_json, quiet = values.pop("as_json"), values.pop("quiet")
        output = Output(as_json, quiet and not as_json)
        server, profile = values.pop("server"), values.pop("profile")
        raise typer.Exit(_exit_status(work, output, server, profile, values))

    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in COMMON
    ]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer reads the options from it
        [parameter.replace(kind=keyword) for parameter in own] + common
    )
    run.__annotations__ = {}
    run.__name__ = work.__name__
    run.__doc__ = f"{inspect.getdoc(work)}\n\n{HELP}"
    return run


def _exit_status(
    work: Work, output: Output, server: str | None, profile: str | None, values: dict[str, Any]
) -> ExitStatus:
    try:
        target = find_target(server, profile, os.environ)
        client = AsyncClient(target.server, target.api_key)
        with _interruptible():
            return asyncio.run(_main(work, output, client, values))
    except KeyboardInterrupt:
        return ExitStatus.interrupted
    except ReelzeroError as error:
        output.error(f"reelzero: {error.sentence()}{_advice(error)}")
        return status_of(error)
    except BrokenPipeError:  # of `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.failed
    except OSError as error:
        output.error(f"reelzero: {error.filename or 'the command'}: {error.strerror or error}")
        return ExitStatus.failed


async def _main(work: Work, output: Output, client: AsyncClient, values: dict[str, Any]) -> ExitStatus:
    async with client:
        return await work(Session(client, output), **values) or ExitStatus.done


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C cancel the work, so that a command can say what goes on without it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _advice(error: ReelzeroError) -> str:
    if isinstance(error, Away):
        return f"\n{START}"
    if isinstance(error, Refused) and error.status == 401:
        return f"\n{KEY}"
    return ""
