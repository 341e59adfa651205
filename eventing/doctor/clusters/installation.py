"""Check an installation by its settings: try everything that jobs need, with the service's own settings.

The check writes and deletes a few objects under `doctor/`. It starts no predictor, which would cost a cold
start.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from sqlalchemy import make_url

from eventing.container import Container, build_container
from eventing.contract.budget import KNATIVE_WINDOW_LIMIT
from eventing.contract.errors import ReelzeroError
from eventing.contract.storage.s3 import Folder
from eventing.delivery.signing import check_secrets
from eventing.delivery.sink_binding import SinkBinding
from eventing.settings import Settings
from eventing.store.schema import SchemaTooNew, is_current

CLOCK_SECONDS = 5.0
PARTS_BYTES = 9 << 20  # boto3 splits uploads from 8 MiB on


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check. `remedy` is what to do if it failed."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


async def examine(settings: Settings, storage_away: str | None = None) -> list[Outcome]:
    """Run every check, whether or not earlier ones failed.

    `storage_away` says why object storage is left out; None: it is checked.
    """
    try:
        container = build_container(settings)
    except ReelzeroError as error:
        return [Outcome("settings", False, error.message, "see docs/settings.md")]
    outcomes = [Outcome("settings", True, "can be read"), *_budgets(container), _webhooks(container)]
    try:
        outcomes += [outcome async for outcome in _database(container)]
    finally:
        await container.database.close()
    if storage_away:
        outcomes.append(Outcome("S3", True, storage_away))
    else:
        outcomes += await _outcomes("S3", _objects, container)
    return outcomes + await _outcomes("sink", _sink, container)


def _budgets(container: Container) -> Iterator[Outcome]:
    if not container.settings.endpoints:
        yield Outcome("models", False, "none is served", "set REELZERO_ENDPOINTS")
    for endpoint in container.settings.endpoints:
        budget = container.catalog.get(endpoint.model).budget
        text = (
            f"{endpoint.model}/{endpoint.lane}: {endpoint.capacity} at once, {budget.client_timeout} s each"
        )
        fits = budget.revision_timeout <= KNATIVE_WINDOW_LIMIT
        yield Outcome(
            "models", fits, text, "" if fits else "Knative's windows end at an hour: lower the budget"
        )


def _webhooks(container: Container) -> Outcome:
    configured = container.settings.webhook_secrets
    try:
        check_secrets(configured)
    except ReelzeroError as error:
        return Outcome(
            "webhooks", False, error.message, "make one: 24 to 64 random bytes in base64 after whsec_"
        )
    text = f"{len(configured)} secret(s) sign" if configured else "off: REELZERO_WEBHOOK_SECRETS is empty"
    return Outcome("webhooks", True, text)


async def _database(container: Container) -> AsyncIterator[Outcome]:
    url = make_url(container.settings.database_url)
    file = url.database or ""
    if url.drivername.startswith("sqlite") and not await asyncio.to_thread(Path(file).exists):
        # To open it would make it.
        remedy = "correct REELZERO_DATABASE_URL, or make it: reelzero migrate"
        yield Outcome("database", False, f"there is no file {file}", remedy)
        return
    try:
        before = time.time()
        database_time = await container.database.ping()
        apart = abs(database_time - (before + time.time()) / 2)
        current = await is_current(container.database)
    except SchemaTooNew as error:
        yield Outcome("schema", False, error.message, "run the doctor of that release")
        return
    except ReelzeroError as error:
        yield Outcome("database", False, _with_cause(error), "check REELZERO_DATABASE_URL")
        return
    yield Outcome("database", True, "answers")
    yield Outcome("schema", current, "is the newest" if current else "is old", "run: reelzero migrate")
    yield Outcome(
        "clock", apart < CLOCK_SECONDS, f"{apart:.1f} s from the database's",
        "set the clock: receivers refuse webhooks with a wrong timestamp (leases use the database's clock)",
    )  # fmt: skip


def _with_cause(error: ReelzeroError) -> str:
    """Return the message, and after it the cause if there is one."""
    cause = error.__cause__
    return f"{error.message}: {str(cause) or type(cause).__name__}" if cause else error.message


async def _objects(container: Container) -> list[Outcome]:
    bucket, prefix = container.bucket, f"doctor/{secrets.token_hex(6)}/"
    key = prefix + "once"

    def work() -> list[Outcome]:
        bucket.put(prefix + "put", b"reelzero", "text/plain")
        read_back = bucket.get(prefix + "put") == b"reelzero"
        first, second = (bucket.put_once(key, b"reelzero", "text/plain") for _ in range(2))
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(PARTS_BYTES)
            bucket.upload(prefix + "parts", file.name, "application/octet-stream")
        return [
            Outcome("S3", read_back, f"bucket {bucket.name}: put and get", "check the bucket's policy"),
            Outcome("S3", first and not second, "conditional writes (If-None-Match)",
                    "use a server that enforces them: two attempts of a job could both name a result"),
            Outcome("S3", True, "uploads in parts"),
        ]  # fmt: skip

    try:
        outcomes = await asyncio.to_thread(work)
        return [*outcomes, await _presigned(container, key)]
    finally:
        await asyncio.to_thread(bucket.delete_folder, Folder(prefix))


async def _presigned(container: Container, key: str) -> Outcome:
    url = container.bucket.presign(key, 60)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        ok = answer.status == 200
    return Outcome(
        "S3", ok, f"presigned URLs ({answer.status})", "check REELZERO_S3_PUBLIC_ENDPOINT and the region"
    )


async def _sink(container: Container) -> list[Outcome]:
    binding = SinkBinding(container.settings, os.environ)
    url = binding.url
    if not url:
        return [Outcome("sink", True, "none: events go to S3 and to webhooks")]
    timeout = aiohttp.ClientTimeout(total=10)
    session = aiohttp.ClientSession(timeout=timeout, headers=binding.headers())
    async with session, session.options(url, ssl=binding.tls()) as answer:
        ok = answer.status < 500 and answer.status not in (401, 403)
    return [Outcome("sink", ok, f"{url} answers ({answer.status})", "ask its owner; does it want a token?")]


async def _outcomes(
    name: str, work: Callable[[Container], Awaitable[list[Outcome]]], container: Container
) -> list[Outcome]:
    try:
        return await work(container)
    except ReelzeroError as error:
        return [
            Outcome(name, False, error.message, "check the address, the credentials and the network policy")
        ]
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        return [Outcome(name, False, reason, "check the address and the network policy")]
