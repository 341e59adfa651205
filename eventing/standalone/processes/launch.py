"""Start a predictor process and wait until its weights are in memory, or raises the reason."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import ModelUnavailable
from eventing.standalone.data.files import make_private_folder
from eventing.standalone.data.weights import own_folder
from eventing.standalone.processes.devices import CPU
from eventing.standalone.processes.process import LOOPBACK, Process, free_port, last_words, tail
from eventing.standalone.processes.template import Template

POLL = 0.05
TRIES = 3
KEPT_LOGS = 20
BASE = {"OMP_WAIT_POLICY": "passive"}  # threads that spin while they wait slow the machine down several times
TIMEOUT = aiohttp.ClientTimeout(total=10)
BUILD_SECONDS = 300.0  # imports torch on a busy machine, then writes half a megabyte
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launcher:
    """Starts the predictor processes of one data directory."""

    data_dir: Path
    environment: Mapping[str, str]
    models_dir: Path | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "predictor")
    build_command: tuple[str, ...] = (sys.executable, "-m", "predictor.models.tiny")
    template: Template | None = None
    _building: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False, compare=False)

    async def start(self, entry: CatalogEntry, devices: tuple[str, ...]) -> Predictor:
        """Start a predictor and wait for its weights. Raises ModelUnavailable with the reason.

        Cancelling it stops the process.
        """
        folder = await self._weights(entry)
        for _ in range(TRIES):
            predictor = await self._launch(entry, devices, folder)
            try:
                await predictor.become_ready(entry.budget.cold_start_seconds)
            except BaseException as error:
                await predictor.stop(grace=0)
                if isinstance(error, ModelUnavailable) and port_was_taken(predictor.process.log):
                    continue
                raise
            if self.template:
                self.template.begin()  # again, if it has ended
            return predictor
        raise ModelUnavailable(f"no free port for the predictor of {entry.name} after {TRIES} tries")

    async def _launch(self, entry: CatalogEntry, devices: tuple[str, ...], folder: Path | None) -> Predictor:
        port = free_port()
        # gRPC is off: nothing uses it here, and it would listen on every address of the machine.
        arguments = [f"--http_port={port}", "--enable_grpc=false"]
        scratch = self.data_dir / "scratch"
        make_private_folder(scratch)
        env = {
            **BASE,
            **self.environment,
            "REELZERO_MODEL": entry.name,
            "REELZERO_PREDICTOR_HOST": LOOPBACK,
            "REELZERO_SCRATCH_DIR": str(scratch),
            **_placement(entry, devices, self.environment),
        }
        if folder is not None:
            env["REELZERO_MODEL_DIR"] = str(folder)
        process = await self._started(arguments, env, new_log(self.data_dir, f"predictor-{entry.name}"))
        log.info("predictor started", extra={"model": entry.name, "pid": process.pid, "devices": devices})
        return Predictor(
            entry.name, process, f"http://{LOOPBACK}:{port}", aiohttp.ClientSession(timeout=TIMEOUT)
        )

    async def _started(self, arguments: list[str], env: Mapping[str, str], log_file: Path) -> Process:
        """Start a predictor from the template, or as a process of its own."""
        if self.template and (process := await self.template.fork(arguments, env, log_file)):
            return process
        return await Process.start([*self.command, *arguments], log_file, env)

    async def _weights(self, entry: CatalogEntry) -> Path | None:
        """Return the model's folder, None if its weights are downloaded or bundled. Builds `tiny` first."""
        folder = own_folder(entry, self.models_dir, self.data_dir)
        if folder is None:
            return None
        async with self._building:  # two devices may need them at once
            if not folder.is_dir():
                await self._build(entry, folder)
        return folder

    async def _build(self, entry: CatalogEntry, folder: Path) -> None:
        """Write the random weights of `tiny`, whole or not at all."""
        part = folder.with_name(f".{entry.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make_private_folder(part.parent)
        command = [*self.build_command, str(part), "--family", entry.family]
        process = await Process.start(
            command, new_log(self.data_dir, f"build-{entry.name}"), self.environment
        )
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                status = await process.wait()
        except TimeoutError as error:
            raise ModelUnavailable(f"{entry.name} was not built within {BUILD_SECONDS:g} s") from error
        finally:
            await process.stop(grace=0)
        if status != 0:
            raise ModelUnavailable(f"{entry.name} could not be built: {_reason(process.log)}")
        part.rename(folder)


@dataclass(eq=False)
class Predictor:
    """One process that serves one model."""

    model: str
    process: Process
    url: str
    session: aiohttp.ClientSession
    cause: str = ""  # why it was not ready when it was last asked, such as an engine that is away

    async def stop(self, grace: float) -> None:
        """End the process: SIGTERM, `grace` seconds, SIGKILL."""
        await self.session.close()
        await self.process.stop(grace)

    async def become_ready(self, limit: float) -> None:
        """Wait for the weights. Raises ModelUnavailable if the process ends, fails or takes too long."""
        ended = asyncio.create_task(self.process.wait())
        polling = asyncio.create_task(self._poll())
        try:
            done, _ = await asyncio.wait({ended, polling}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if polling in done:
                return polling.result()
            raise ModelUnavailable(f"{self._failure(ended in done, limit)} (log: {self.process.log})")
        finally:
            ended.cancel()
            polling.cancel()

    def _failure(self, ended: bool, limit: float) -> str:
        if ended:
            return f"the predictor of {self.model} ended while starting: {_reason(self.process.log)}"
        slow = f"{self.model} was not loaded within {limit:g} s, the cold_start_seconds of its catalog entry"
        return f"{slow}: {self.cause}" if self.cause else slow

    async def is_ready(self) -> bool:
        """Tell whether it can take a job now: it runs and has its weights and its device."""
        return self.process.alive and (await self._state())[0] == "ready"

    async def _poll(self) -> None:
        while True:
            state, self.cause = await self._state()
            if state == "ready":
                return
            if state == "failed":
                raise ModelUnavailable(self.cause)
            await asyncio.sleep(POLL)

    async def _state(self) -> tuple[str, str]:
        """Return (state, cause) from its readiness route; ("away", "") if it does not answer."""
        try:
            async with self.session.get(f"{self.url}/v2/models/{self.model}/ready") as answer:
                body = await answer.json(content_type=None)
                fields = body if isinstance(body, dict) else {}
                state = "ready" if answer.status == 200 else str(fields.get("code", ""))
                return state, str(fields.get("error", ""))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RuntimeError):
            return "away", ""  # RuntimeError: the session was closed by `stop`


def _placement(
    entry: CatalogEntry, devices: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that select exactly these devices. An operator's REELZERO_DEVICE stays."""
    gpus = [device for device in devices if device != CPU] if entry.gpus else []
    placed = {"CUDA_VISIBLE_DEVICES": ",".join(gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if "REELZERO_DEVICE" not in environment:
        placed["REELZERO_DEVICE"] = "cuda" if gpus else CPU
    return placed


def _reason(path: Path) -> str:
    reason = last_words(path)
    if "No module named" in reason:
        return f"{reason}: pip install 'reelzero[predictor]'"
    return reason


def port_was_taken(path: Path) -> bool:
    """Tell whether a log shows that another process was faster to take the port."""
    return any("address already in use" in line.lower() for line in tail(path, 50))


def new_log(data_dir: Path, name: str) -> Path:
    """Return a new log file. Removes the oldest of the same name beyond KEPT_LOGS."""
    folder = data_dir / "logs"
    for old in sorted(folder.glob(f"{name}-*.log"))[: -KEPT_LOGS + 1]:
        old.unlink(missing_ok=True)
    return folder / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{time.monotonic_ns() % 10**6:06}.log"


def template(data_dir: Path, environment: Mapping[str, str], families: Iterable[str]) -> Template:
    """Return the template of predictors of these families; it has not started."""
    command = (sys.executable, "-m", "predictor.template", *sorted(set(families)))
    return Template(command, {**BASE, **environment}, lambda: new_log(data_dir, "template"))


def inherited() -> dict[str, str]:
    """Return this process's environment for predictors, with local addresses excluded from proxies."""
    env = dict(os.environ)
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(filter(None, [env.get(name, ""), LOOPBACK, "localhost"]))
    return env
