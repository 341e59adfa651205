"""`reelzero login`: store a server and a key, after trying them."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from eventing.cli.terminal.screen.output import Output
from eventing.cli.terminal.servers.exit_status import ExitStatus, status_of
from eventing.cli.terminal.servers.profiles import DEFAULT, Target, find_target, profiles_path, save_profile
from eventing.client import AsyncClient
from eventing.contract.errors import ReelzeroError


def login(
    server: Annotated[
        str | None, typer.Option("--server", help="Address of the server.", metavar="URL")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="Name for this server and key.")] = DEFAULT,
) -> None:
    """Store a server and its key for later commands, in a file that only you can read.

    The key is asked for, or read from standard input: reelzero login --server https://… < key.txt
    Without a key, for a server that wants none, press Enter.
    """
    output = Output()
    address = server or os.environ.get("REELZERO_SERVER") or _asked("Server", "http://127.0.0.1:8080")
    try:
        target = find_target(address, None, {})
        key = _asked("API key (not shown)", "", hidden=True) if sys.stdin.isatty() else sys.stdin.readline()
        target = Target(target.server, key.strip() or None)
        asyncio.run(_try(target))
        path = save_profile(profile, target, os.environ)
    except ReelzeroError as error:
        output.error(f"reelzero: {error.sentence()}")
        raise typer.Exit(status_of(error)) from error
    except OSError as error:
        output.error(f"reelzero: {profiles_path(os.environ)} cannot be written: {error.strerror}")
        raise typer.Exit(ExitStatus.failed) from error
    name = "" if profile == DEFAULT else f" --profile {profile}"
    output.line(f"{target.server} is stored in {path}; use it: reelzero list{name}")


def _asked(question: str, default: str, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        return default
    return str(typer.prompt(question, default=default, hide_input=hidden, show_default=not hidden))


async def _try(target: Target) -> None:
    async with AsyncClient(target.server, target.api_key) as client:
        await client.page(limit=1)
