"""`reelzero serve` and `reelzero migrate`: the eventing service on a cluster, configured by environment."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from eventing.contract import telemetry
from eventing.contract.env import read
from eventing.contract.errors import ReelzeroError
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.service import Service
from eventing.settings import Settings
from eventing.store.engine import Database
from eventing.store.schema import migrate as migrate_schema


def serve() -> None:
    """Run one replica of the eventing service (settings: REELZERO_…, see docs/settings.md).

    SIGTERM stops claiming at once and finishes open streams; a second signal puts their jobs back.
    """
    raise typer.Exit(_run(_serve()))


def migrate() -> None:
    """Bring the database at REELZERO_DATABASE_URL to the newest schema. Safe to run at any time."""
    raise typer.Exit(_run(_migrate()))


async def _serve() -> int:
    settings = read(Settings)
    telemetry.configure("reelzero-eventing", settings.log_level)
    service = Service(settings, RemoteEndpoints(settings.endpoints))
    stop = asyncio.Event()
    _on_signal(stop.set)
    await service.start()
    typer.echo(f"ready {service.url}")
    waits = [asyncio.create_task(event.wait()) for event in (stop, service.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    broken = service.failed.is_set()  # asked now: an orderly stop ends every part too
    _on_signal(service.hurry)
    await service.stop()
    for task in waits:
        task.cancel()
    return 1 if broken else 0


def _on_signal(action: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, action)


async def _migrate() -> int:
    database = Database(read(Settings).database_url)
    try:
        await migrate_schema(database)
    finally:
        await database.close()
    typer.echo("the database has the newest schema")
    return 0


def _run(main: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(main)
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        return 1
