"""`reelzero serve` and `reelzero migrate`: the eventing service on a cluster, configured by environment."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import typer

from eventing.contract import telemetry
from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.errors import ReelzeroError
from eventing.dispatch.endpoints import AllEndpoints, RemoteEndpoints, StepEndpoints
from eventing.service import Service
from eventing.settings import Settings
from eventing.store.database.engine import Database
from eventing.store.schema import migrate as migrate_schema


def serve() -> None:
    """Run one replica of the eventing service (settings: REELZERO_…, see docs/settings.md).

    It waits for a database that is away, with /readyz red. SIGTERM stops claiming at once and finishes open
    streams; a second signal puts their jobs back into the queue.
    """
    raise typer.Exit(_run(_serve()))


def migrate() -> None:
    """Bring the database at REELZERO_DATABASE_URL to this release's schema. Safe to run at any time.

    A newer schema stays as it is: this release goes on with it if its migrations are declared additive.
    """
    raise typer.Exit(_run(_migrate()))


async def _serve() -> int:
    settings = read(Settings)
    telemetry.configure("reelzero-eventing", settings.log_level)
    models = RemoteEndpoints(settings.endpoints, load_catalog(settings.catalog_dir))
    service = Service(settings, AllEndpoints(models, StepEndpoints(settings.step_endpoints)))
    stop = asyncio.Event()
    _on_signal(stop.set)
    if not await _started(service, stop):
        return 0
    typer.echo(f"ready {service.url}")
    await _first_of(stop.wait(), service.failed.wait())
    broken = service.failed.is_set()  # before `stop`, which ends every part and so sets it too
    _on_signal(service.hurry)
    await service.stop()
    telemetry.close()
    return 1 if broken else 0


async def _started(service: Service, stop: asyncio.Event) -> bool:
    """Start the service; False if the process was stopped before, as while it waits for the database."""
    starting = asyncio.create_task(service.start())
    await _first_of(asyncio.shield(starting), stop.wait())
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    if starting.cancelled():
        return False
    starting.result()
    return True


async def _first_of(*events: Awaitable[object]) -> None:
    """Wait until one of them is over, and cancel the others."""
    waits = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def _on_signal(action: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, action)


async def _migrate() -> int:
    database = Database(read(Settings).database_url)
    try:
        revision = await migrate_schema(database)
    finally:
        await database.close()
    typer.echo(f"the database has schema {revision}, which this release can use")
    return 0


def _run(main: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(main)
    except ReelzeroError as error:
        typer.secho(f"reelzero: {error.message}", fg="red", err=True)
        return 1
