"""The sides of bench.queue, as processes: `reelzero serve` on either database, Celery and procrastinate.

All use the same PostgreSQL server (fsync and synchronous_commit on, its defaults), the same S3 server and
the same disk. Each start makes a fresh database. Its processes end with the exit stack.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench.harness.process import ROOT, call, free_port
from bench.harness.records import Missing
from bench.peers.environments import prepare
from eventing.contract.storage.s3 import S3Location
from eventing.standalone.processes.process import Process, last_words
from eventing.standalone.s3.s3server import S3Server
from eventing.store.database.engine import Database
from tests.faults.databases import PostgresServer, Sqlite

START_LIMIT = 60.0
POLL = 0.02
ENDED = "SELECT count(*) FROM jobs WHERE status = 'completed'"
# A job counts once its end is announced, so that the outbox holds no work after the measurement.
ENDED_OURS = "SELECT count(*) FROM outbox WHERE status = 'delivered'"


@dataclass
class World:
    """Servers and folders that all sides share."""

    folder: Path
    postgres: PostgresServer
    s3: S3Location

    async def start(self, stack: AsyncExitStack, name: str, command: list[str], **env: str) -> Process:
        """Start a process with its own log; it ends with the stack."""
        log = self.folder / f"{name}.log"
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | env
        process = await Process.start(command, log, env=environment, cwd=ROOT)
        stack.push_async_callback(process.stop, 5.0)
        return process


async def opened(stack: AsyncExitStack) -> World:
    """Start the servers that all sides share, with PostgreSQL as durable as in production."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-queue-")))
    s3 = S3Server(folder / "s3", folder / "s3.log")
    location = await s3.start()
    stack.push_async_callback(s3.stop)
    os.environ.update(s3.credentials.environment())
    postgres = await stack.enter_async_context(PostgresServer(fsync=True))
    return World(folder, postgres, location)


@dataclass
class Running:
    """A running side. It takes jobs at any of `ports`; `ended` counts its ended jobs."""

    ports: list[int]
    journal: Path
    ended: Callable[[], Awaitable[int]]


Side = Callable[[World, AsyncExitStack, int], Awaitable[Running]]


async def sqlite(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start the product on a SQLite file."""
    folder = world.folder / os.urandom(4).hex()
    folder.mkdir()
    return await _ours(world, stack, slots, Sqlite(folder).url)


async def postgresql(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start the product on PostgreSQL."""
    return await _ours(world, stack, slots, (await world.postgres.fresh()).url)


async def postgresql_two_replicas(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start the product on PostgreSQL with two replicas, as the chart installs it."""
    return await _ours(world, stack, slots, (await world.postgres.fresh()).url, replicas=2)


async def celery(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start the design that the product replaces; its worker writes nothing to S3."""
    return await _celery(world, stack, slots, {})


async def celery_with_put(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start Celery with one small PUT per job, the same as the product's announcement."""
    return await _celery(world, stack, slots, {"PEER_S3": world.s3.endpoint or ""})


async def celery_with_predictor(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start Celery with the PUT; its task calls the predictor over HTTP, as the product does."""
    predictor, journal = await _predictor(world, stack)
    extra = {"PEER_S3": world.s3.endpoint or "", "PEER_PREDICTOR": str(predictor)}
    side = await _celery(world, stack, slots, extra)
    return Running(side.ports, journal, side.ended)


async def procrastinate(world: World, stack: AsyncExitStack, slots: int) -> Running:
    """Start procrastinate with the PUT; its task calls the predictor over HTTP, as the product does."""
    programs = await asyncio.to_thread(prepare, "procrastinate")
    predictor, journal = await _predictor(world, stack)
    url = (await world.postgres.fresh()).url
    env = {
        "PEER_POSTGRES": url.replace("+asyncpg", ""),
        "PEER_S3": world.s3.endpoint or "",
        "PEER_PREDICTOR": str(predictor),
    }
    command = [str(programs / "procrastinate"), "-v", "--app=bench.peers.procrastinate_peer.queue"]
    schema = await world.start(stack, f"schema-{predictor}", [*command, "schema", "--apply"], **env)
    if await schema.wait():
        raise RuntimeError(last_words(schema.log))
    port = await _api(world, stack, programs, "bench.peers.procrastinate_peer:api", env)
    for slot in range(slots):
        work = [*command, "worker", "--concurrency=1"]
        worker = await world.start(stack, f"worker-{port}-{slot}", work, **env)
        await _until(partial(_has_written, worker, "Starting worker"), worker)
    return Running([port], journal, await _counter(stack, url, ENDED))


async def _predictor(world: World, stack: AsyncExitStack) -> tuple[int, Path]:
    """Start a no-op predictor; return its port and the journal of job starts."""
    port = free_port()
    journal = world.folder / f"starts-{port}"
    own = {
        "REELZERO_NOOP_PORT": str(port),
        "REELZERO_NOOP_JOURNAL": str(journal),
        "REELZERO_S3_ENDPOINT": world.s3.endpoint or "",
        "REELZERO_S3_BUCKET": world.s3.bucket,
    }
    process = await world.start(
        stack, f"noop-{port}", [sys.executable, "-m", "bench.peers.noop_predictor"], **own
    )
    await _ready(port, "/v2/models/tiny/ready", process)
    return port, journal


async def _ours(world: World, stack: AsyncExitStack, slots: int, url: str, replicas: int = 1) -> Running:
    predictor, journal = await _predictor(world, stack)
    endpoint = {"model": "tiny", "url": f"http://127.0.0.1:{predictor}", "capacity": slots}
    settings = {
        "REELZERO_DATABASE_URL": url,
        "REELZERO_AUTH": "open",
        "REELZERO_RATE_PER_MINUTE": "1000000",
        "REELZERO_QUEUE_QUOTA": "1000000",
        "REELZERO_ENDPOINTS": json.dumps([endpoint]),
        "REELZERO_S3_ENDPOINT": world.s3.endpoint or "",
        "REELZERO_S3_BUCKET": world.s3.bucket,
    }
    migration = await world.start(
        stack, f"migrate-{predictor}", [sys.executable, "-m", "eventing", "migrate"], **settings
    )
    if await migration.wait():
        raise RuntimeError(last_words(migration.log))
    ports = [free_port() for _ in range(replicas)]
    for port in ports:
        command = [sys.executable, "-m", "eventing", "serve"]
        service = await world.start(stack, f"serve-{port}", command, **settings, REELZERO_PORT=str(port))
        await _ready(port, "/healthz", service)
    return Running(ports, journal, await _counter(stack, url, ENDED_OURS))


async def _celery(world: World, stack: AsyncExitStack, slots: int, extra: dict[str, str]) -> Running:
    if shutil.which("redis-server") is None:
        raise Missing("redis-server: apt-get install -y redis-server (no service has to run)")
    programs = await asyncio.to_thread(prepare, "celery")
    broker = await _redis(world, stack)
    journal = world.folder / f"starts-{broker}"
    url = (await world.postgres.fresh()).url
    env = {
        "PEER_POSTGRES": url.replace("+asyncpg", ""),
        "PEER_REDIS": f"redis://127.0.0.1:{broker}/0",
        "PEER_JOURNAL": str(journal),
        **extra,
    }
    port = await _api(world, stack, programs, "bench.peers.celery_peer:api", env)
    app = [str(programs / "celery"), "-A", "bench.peers.celery_peer"]
    worker = await world.start(stack, f"worker-{port}", [*app, "worker", f"--concurrency={slots}"], **env)
    await _until(partial(_has_written, worker, "[queues]"), worker)
    return Running([port], journal, await _counter(stack, url, ENDED))


async def _redis(world: World, stack: AsyncExitStack) -> int:
    """Start a Redis whose every command is on disk; return its port."""
    port = free_port()
    folder = world.folder / f"redis-{port}"
    folder.mkdir()
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    here = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    await world.start(stack, f"redis-{port}", ["redis-server", *here, *durable])
    return port


async def _api(world: World, stack: AsyncExitStack, programs: Path, app: str, env: dict[str, str]) -> int:
    """Start the HTTP service of a peer; return its port."""
    port = free_port()
    command = [str(programs / "uvicorn"), app, "--port", str(port), "--no-access-log"]
    await _ready(port, "/healthz", await world.start(stack, f"api-{port}", command, **env))
    return port


def _has_written(process: Process, words: str) -> bool:
    return words in process.log.read_text()


async def _counter(stack: AsyncExitStack, url: str, query: str) -> Callable[[], Awaitable[int]]:
    database = Database(url)
    stack.push_async_callback(database.close)

    async def count() -> int:
        async with database.read() as connection:
            return int((await connection.execute(text(query))).scalar_one())

    return count


async def _ready(port: int, path: str, process: Process) -> None:
    def answers() -> bool:
        try:
            return call(port, path)[0] == 200
        except OSError:
            return False

    await _until(answers, process)


async def _until(check: Callable[[], bool], process: Process) -> None:
    async with asyncio.timeout(START_LIMIT):
        while not await asyncio.to_thread(check):
            if not process.alive:
                raise RuntimeError(last_words(process.log))
            await asyncio.sleep(POLL)


async def durability(world: World) -> str:
    """Describe the server's version and durability settings."""
    database: Any = Database((await world.postgres.fresh()).url)
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    async with database.read() as connection:
        values = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in names]
    await database.close()
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
