"""Run the steps of stories in one local process: from zero, as many at once as there are cores.

The process (steps/box.py) starts with the first step and ends when none has come for the idle time. It gets
no keys: what a step needs comes with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp

from eventing.contract.env import PREFIX
from eventing.contract.errors import ModelUnavailable
from eventing.contract.stories.types import Builtin, Command, Service, StepType
from eventing.dispatch.endpoints import step_pool
from eventing.domain.pool import Pool, PredictorState
from eventing.settings import StepEndpoint
from eventing.standalone.data.files import make_private_folder
from eventing.standalone.processes.launch import BASE, TIMEOUT, TRIES, Predictor, new_log, port_was_taken
from eventing.standalone.processes.process import LOOPBACK, Process, free_port, last_words

NAME = "steps"  # of the endpoint, and what is shown of the process
READY_SECONDS = 300.0  # on a busy machine
STOP_SECONDS = 10.0  # when no step is left
NEEDED = ("av", "espeakng_loader")  # of the extra `steps`
MISSING = "pip install 'reelzero[steps]'"
FOLDERS = ("{inputs}", "{outputs}", "{parameters}")
OWN = ("CACHE_BYTES", "OUTPUT_BYTES", "MARK", "MARK_CERTIFICATE", "MARK_KEY")  # settings of the operator
KEYS = ("AWS_", PREFIX)
log = logging.getLogger(__name__)


def commands(types: Iterable[StepType]) -> dict[str, Any]:
    """Return how each type runs, in the words of REELZERO_STEPS: a command, or the address of a service."""
    return {kind.name: _how(kind.run) for kind in types}


def _how(run: Builtin | Command | Service) -> list[str] | dict[str, str]:
    match run:
        case Builtin(module=module):
            return [sys.executable, "-m", "steps", module, *FOLDERS]
        case Command(words=words):
            return list(words)
        case Service(url=url):
            return {"url": url}


def builtin(types: Iterable[StepType]) -> list[str]:
    """Return the names of the types that are in the box."""
    return [kind.name for kind in types if isinstance(kind.run, Builtin)]


def slots() -> int:
    """Return how many steps may run at once: one on each core, and at least two."""
    return max(2, len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


@dataclass(frozen=True)
class StepLauncher:
    """Starts the process of one data directory that runs steps."""

    data_dir: Path
    environment: Mapping[str, str]
    token: str
    commands: Mapping[str, Any]
    slots: int

    async def start(self) -> Predictor:
        """Start the process and wait until it serves. Raises ModelUnavailable with the reason."""
        scratch, cache = self.data_dir / "scratch" / "steps", self.data_dir / "cache"
        shutil.rmtree(scratch, ignore_errors=True)  # files of one that was killed
        for folder in (scratch.parent, scratch, cache):
            make_private_folder(folder)
        for _ in range(TRIES):
            runner = await self._launch(scratch, cache)
            try:
                await runner.become_ready(READY_SECONDS)
            except BaseException as error:
                await runner.stop(grace=0)
                if isinstance(error, ModelUnavailable) and port_was_taken(runner.process.log):
                    continue
                raise
            return runner
        raise ModelUnavailable(f"no free port for the runner of steps after {TRIES} tries")

    async def _launch(self, scratch: Path, cache: Path) -> Predictor:
        port = free_port()
        usual = {name: value for name, value in self.environment.items() if not name.startswith(KEYS)}
        own = {PREFIX + name: self.environment.get(PREFIX + name, "") for name in OWN}
        env = {
            **BASE, **usual, **own,
            PREFIX + "STEPS": json.dumps(dict(self.commands)),
            PREFIX + "RUNNER_HOST": LOOPBACK,
            PREFIX + "SLOTS": str(self.slots),
            PREFIX + "SCRATCH_DIR": str(scratch),
            PREFIX + "CACHE_DIR": str(cache),
            PREFIX + "PREDICTOR_TOKEN": self.token,
            "PORT": str(port),
            "TMPDIR": str(scratch),
        }  # fmt: skip
        log_file = new_log(self.data_dir, f"predictor-{NAME}")
        process = await Process.start([sys.executable, "-m", "steps.box"], log_file, env)
        log.info("the runner of steps started", extra={"pid": process.pid, "slots": self.slots})
        session = aiohttp.ClientSession(timeout=TIMEOUT)
        return Runner(next(iter(self.commands)), process, f"http://{LOOPBACK}:{port}", session)


class Runner(Predictor):
    """The process that runs steps. `model` is one of their types: its route shows whether all can run."""

    def _failure(self, ended: bool, limit: float) -> str:
        if ended:
            return f"the runner of steps ended while starting: {last_words(self.process.log)}"
        return f"the runner of steps did not serve within {limit:g} s"


class LocalSteps:
    """The Endpoints of the steps of one machine."""

    def __init__(
        self, launcher: StepLauncher, endpoints: Iterable[StepEndpoint], builtin: Iterable[str],
        idle_seconds: float,
    ) -> None:  # fmt: skip
        self._launcher = launcher
        self._endpoints = tuple(endpoints)
        self._builtin = frozenset(builtin)
        self._idle_seconds = idle_seconds
        self._missing = [name for name in NEEDED if find_spec(name) is None]
        self._runner: Predictor | None = None
        self._users = 0
        self._turn = asyncio.Lock()  # one start or stop at a time
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None

    def pools(self) -> tuple[Pool, ...]:
        """Return one pool per endpoint, shared by its types."""
        return tuple(step_pool(each) for each in self._endpoints)

    @asynccontextmanager
    async def open(self, model: str, lane: str) -> AsyncIterator[str]:
        """Lend the runner to one step. Raises ModelUnavailable with the reason."""
        self._users += 1
        self._end_timer()
        try:
            yield await self._url()
        finally:
            self._users -= 1
            if not self._users and self._runner:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._idle_seconds, self._expire, context=Context())

    def obstacle(self, model: str) -> str | None:
        """Return why no step of the type can run here: packages that are missing; None if it may."""
        if model in self._builtin and self._missing:
            return f"{' and '.join(self._missing)} cannot be imported: {MISSING}"
        return None

    def predictors(self) -> list[PredictorState]:
        """Return the runner, also while it starts or stops."""
        if self._runner is None or not self._runner.process.alive:
            return [PredictorState(NAME, "new process", "starting")] if self._users else []
        name = f"process {self._runner.process.pid}"
        if self._stopping and not self._stopping.done():
            return [PredictorState(NAME, name, "stopping")]
        return [PredictorState(NAME, name, "working" if self._users else "idle")]

    async def close(self) -> None:
        """Stop the runner."""
        self._end_timer()
        async with self._turn:
            await self._stop()

    async def _url(self) -> str:
        async with self._turn:
            if self._runner and not self._runner.process.alive:
                status = self._runner.process.status
                log.warning("the runner of steps ended", extra={"status": status})
                await self._stop()
            if self._runner is None:
                self._runner = await self._launcher.start()
            return self._runner.url

    def _expire(self) -> None:
        log.info("the runner of steps was idle and is stopped")
        self._stopping = asyncio.create_task(self._stop_if_idle(), context=Context())

    async def _stop_if_idle(self) -> None:
        async with self._turn:
            if not self._users:
                await self._stop()

    async def _stop(self) -> None:
        if self._runner:
            try:
                await self._runner.stop(STOP_SECONDS)
            finally:
                self._runner = None

    def _end_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
