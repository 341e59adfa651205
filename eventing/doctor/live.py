"""Check a live installation: try everything that jobs need, with the service's own settings.

The check writes and deletes a few objects under `doctor/`. It starts no predictor, which would cost a cold
start.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import aiohttp

from eventing.contract.budget import KNATIVE_WINDOW_LIMIT
from eventing.contract.env import read
from eventing.contract.errors import ReelzeroError
from eventing.core import Core, build_core
from eventing.delivery.signing import check_secrets
from eventing.settings import Settings
from eventing.store.schema import is_current

CLOCK_SECONDS = 5.0
PARTS_BYTES = 9 << 20  # boto3 splits uploads from 8 MiB on


@dataclass(frozen=True)
class Outcome:
    """The outcome of one check. `remedy` is what to do if it failed."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


async def examine() -> list[Outcome]:
    """Run every check, whether or not earlier ones failed."""
    try:
        core = build_core(read(Settings))
    except ReelzeroError as error:
        return [Outcome("settings", False, error.message, "see docs/settings.md")]
    outcomes = [Outcome("settings", True, "can be read"), *_budgets(core), _webhooks(core)]
    try:
        outcomes += [outcome async for outcome in _database(core)]
    finally:
        await core.database.close()
    outcomes += await _outcomes("S3", _objects, core)
    return outcomes + await _outcomes("sink", _sink, core)


def _budgets(core: Core) -> Iterator[Outcome]:
    if not core.settings.endpoints:
        yield Outcome("models", False, "none is served", "set REELZERO_ENDPOINTS")
    for endpoint in core.settings.endpoints:
        budget = core.catalog.get(endpoint.model).time_budget()
        text = (
            f"{endpoint.model}/{endpoint.lane}: {endpoint.capacity} at once, {budget.client_timeout} s each"
        )
        fits = budget.revision_timeout <= KNATIVE_WINDOW_LIMIT
        yield Outcome(
            "models", fits, text, "" if fits else "Knative's windows end at an hour: lower the budget"
        )


def _webhooks(core: Core) -> Outcome:
    configured = core.settings.webhook_secrets
    try:
        check_secrets(configured)
    except ReelzeroError as error:
        return Outcome(
            "webhooks", False, error.message, "make one: 24 to 64 random bytes in base64 after whsec_"
        )
    text = f"{len(configured)} secret(s) sign" if configured else "off: REELZERO_WEBHOOK_SECRETS is empty"
    return Outcome("webhooks", True, text)


async def _database(core: Core) -> AsyncIterator[Outcome]:
    try:
        before = time.time()
        database_time = await core.database.ping()
        apart = abs(database_time - (before + time.time()) / 2)
        current = await is_current(core.database)
    except ReelzeroError as error:
        yield Outcome("database", False, f"{error.message}: {error.__cause__}", "check REELZERO_DATABASE_URL")
        return
    yield Outcome("database", True, "answers")
    yield Outcome("schema", current, "is the newest" if current else "is old", "run: reelzero migrate")
    yield Outcome(
        "clock", apart < CLOCK_SECONDS, f"{apart:.1f} s from the database's",
        "set the clock: receivers refuse webhooks with a wrong timestamp (leases use the database's clock)",
    )  # fmt: skip


async def _objects(core: Core) -> list[Outcome]:
    bucket, prefix = core.bucket, f"doctor/{secrets.token_hex(6)}/"
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
        return [*outcomes, await _presigned(core, key)]
    finally:
        await asyncio.to_thread(bucket.delete_prefix, prefix)


async def _presigned(core: Core, key: str) -> Outcome:
    url = core.bucket.presign(key, 60)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        ok = answer.status == 200
    return Outcome(
        "S3", ok, f"presigned URLs ({answer.status})", "check REELZERO_S3_PUBLIC_ENDPOINT and the region"
    )


async def _sink(core: Core) -> list[Outcome]:
    url = core.settings.sink_url
    if not url:
        return [Outcome("sink", True, "none: events go to S3 and to webhooks")]
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.options(url) as answer:
        return [Outcome("sink", answer.status < 500, f"{url} answers ({answer.status})", "ask its owner")]


async def _outcomes(name: str, work: Callable[[Core], Awaitable[list[Outcome]]], core: Core) -> list[Outcome]:
    try:
        return await work(core)
    except ReelzeroError as error:
        return [
            Outcome(name, False, error.message, "check the address, the credentials and the network policy")
        ]
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        return [Outcome(name, False, reason, "check the address and the network policy")]
