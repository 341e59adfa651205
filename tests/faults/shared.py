"""What all rounds share: zygotes, the S3 server, the PostgreSQL server and the tiny weights."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.standalone.processes.process import is_free
from eventing.standalone.s3.s3server import S3Server
from tests.faults.databases import PostgresServer
from tests.faults.processes import ROOT, Child, Zygote

LIGHT = ("tests.faults.serving", "tests.faults.predictor", "alembic.command", "steps.runner.__main__")
HEAVY = ("tests.faults.real",)


class Shared:
    """Starts servers on first use and stops them together. Use as a context manager."""

    def __init__(self, folder: Path, s3: S3Location | None = None) -> None:
        self.folder = folder
        self._external = s3  # with AWS_… credentials in the environment
        self._stack = AsyncExitStack()
        self._postgres: PostgresServer | None = None
        self._heavy: Zygote | None = None

    async def __aenter__(self) -> Shared:
        await self._stack.__aenter__()
        self.light = await self._stack.enter_async_context(Zygote(*LIGHT))
        self.s3: S3Location = self._external or await self._serve_s3()
        keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        home = {"HOME": str(self.folder), "PATH": os.defpath, "OMP_NUM_THREADS": "1"}
        self.environment = keys | home | {"PYTHONUNBUFFERED": "1", "REELZERO_LOG_LEVEL": "INFO"}
        await asyncio.to_thread(Bucket(self.s3).ensure)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve_s3(self) -> S3Location:
        server = S3Server(self.folder / "s3", self.folder / "s3.log")
        location = await server.start()
        self._stack.push_async_callback(server.stop)
        os.environ.update(server.credentials.environment())
        return location

    async def postgres(self) -> PostgresServer:
        if self._postgres is None:
            self._postgres = await self._stack.enter_async_context(PostgresServer())
        return self._postgres

    async def start_real(self, port: int, log: Path, env: dict[str, str], journal: Path) -> Child:
        """Start the real predictor with tiny weights on the CPU."""
        weights = self.folder / "tiny"
        if self._heavy is None:
            self._heavy = await self._stack.enter_async_context(Zygote(*HEAVY))
            command = [sys.executable, "-m", "predictor.models.tiny", str(weights)]
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, cwd=ROOT)
        grpc = next(p for p in random.sample(range(22_100, 32_000), 100) if p != port and is_free(p))
        own = {
            "MODEL_DIR": str(weights),
            "PREDICTOR_HOST": "127.0.0.1",
            "TORCH_THREADS": "1",
            "DEVICE": "cpu",
        }
        env = env | {f"REELZERO_{name}": value for name, value in own.items()}
        arguments = (f"--http_port={port}", f"--grpc_port={grpc}", "--enable_latency_logging=false")
        return await self._heavy.start("tests.faults.real:main", log, env, arguments)
