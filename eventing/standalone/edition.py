"""Run the one-machine edition: data directory, S3 server, database, local predictors and the service.

If `start` fails or is cancelled, it stops what it started. `stop` ends everything in reverse order.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventing.container import Container
from eventing.contract import telemetry
from eventing.contract.catalog import Catalog, load_catalog
from eventing.contract.env import PREFIX, S3Settings, WeightsSettings, read
from eventing.contract.errors import ConfigurationError, ReelzeroError, StorageError
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.contract.stories.catalog import load_step_types
from eventing.dispatch.endpoints import AllEndpoints, Endpoints, StepEndpoints
from eventing.domain.job import LOCAL_OWNER, Status
from eventing.prompts import Prompts
from eventing.service import Service
from eventing.settings import Settings
from eventing.standalone.data.data_dir import DataDir, open_data_dir
from eventing.standalone.data.files import LogFile
from eventing.standalone.data.signing import signing_environment
from eventing.standalone.data.weights import CHECK_SECONDS, Places, WeightsWatch
from eventing.standalone.options import Options, build_settings, reachable
from eventing.standalone.processes.devices import find_devices
from eventing.standalone.processes.launch import Launcher, inherited, template
from eventing.standalone.processes.predictors import LocalPredictors
from eventing.standalone.processes.process import LOOPBACK, free_port, is_free
from eventing.standalone.processes.steps import LocalSteps, StepLauncher, builtin, commands
from eventing.standalone.processes.template import Template
from eventing.standalone.s3.s3server import S3Server
from eventing.standalone.s3.s3watch import DiskWatch
from eventing.store.database.engine import Database
from eventing.store.database.shielded import finish
from eventing.store.keys import KeyStore
from eventing.store.schema import migrate

WAITED_FOR = {"reelzero": "run"}  # metadata of a job that only its waiting caller needs
LOG_BYTES = 20 << 20
PORT_TRIES = 3
Report = Callable[[str, str], None]  # (part, its state)


class Edition:
    """One running edition. `settings` and `url` are known once it has started."""

    def __init__(self, options: Options, report: Report = lambda part, text: None) -> None:
        self.options = options
        self._report = report
        self._stack = ExitStack()
        self._s3: S3Server | None = None
        self._watching: list[asyncio.Task[None]] = []
        self._template: Template | None = None
        self.service: Service | None = None
        self.predictors: LocalPredictors | None = None

    @property
    def url(self) -> str:
        """Return the service's URL on this machine. Only after `start`."""
        assert self.service is not None  # noqa: S101 - as documented
        return f"http://{reachable(self.options.host, LOOPBACK)}:{self.service.port}"

    @property
    def settings(self) -> Settings:
        """Return the service's settings. Only after `start`."""
        assert self.service is not None  # noqa: S101 - as documented
        return self.service.settings

    async def start(self) -> None:
        """Serve. Raises InUse, ConfigurationError, StorageError; their messages say what to do."""
        try:
            await self._start()
        except BaseException:
            await self.stop(drain_seconds=0)
            raise

    def hurry(self) -> None:
        """Let `stop` put running jobs back into the queue instead of waiting for them."""
        if self.service:
            self.service.hurry()

    async def stop(self, drain_seconds: float | None = None) -> None:
        """Stop everything. Open attempts get `drain_seconds` to finish (None: their model's budget)."""
        try:
            if self.service:
                await self.service.stop(drain_seconds)
        finally:
            for task in self._watching:
                task.cancel()
            await asyncio.gather(*self._watching, return_exceptions=True)
            if self._template:
                await self._template.close()
            if self._s3:
                await self._s3.stop()
            telemetry.close()
            self._stack.close()

    async def _start(self) -> None:
        data = self._stack.enter_context(open_data_dir(self.options.data_dir))
        log_to(data.log)
        catalog = load_catalog(_folder("CATALOG_DIR"))
        await self._prepare_database(data)
        self._report("S3 server", "starting")
        location = await self._storage(data)
        self._report("S3 server", location.endpoint or "AWS")
        self._report("service", "starting")
        await self._serve(data, catalog, location)
        data.remember_port(self.service.port if self.service else 0)
        data.announce(self.url)
        self._report("service", self.url)

    async def _prepare_database(self, data: DataDir) -> None:
        database = Database(os.environ.get(PREFIX + "DATABASE_URL") or data.database_url)
        try:
            await finish(migrate(database))
            if not self.options.is_private and not await KeyStore(database).any():
                raise ConfigurationError(
                    f"{self.options.host} can be reached from outside, and there is no API key yet: make one "
                    f"with `reelzero keys create NAME --data-dir {self.options.data_dir}`",
                    field="--host",
                )
        finally:
            await database.close()

    async def _storage(self, data: DataDir) -> S3Location:
        """Return the operator's S3 if REELZERO_S3_ENDPOINT is set, else start a local server."""
        configured = read(S3Settings).s3()
        if configured.endpoint:
            await _reach(configured)
            return configured
        self._s3 = S3Server(data.s3, data.logs / "s3.log")
        location = await self._s3.start()
        self._watch(DiskWatch(self._s3, data.s3, data.logs / "s3.log").run())
        _adopt(self._s3.credentials.environment())
        return replace(location, public_endpoint=configured.public_endpoint)

    async def _serve(self, data: DataDir, catalog: Catalog, location: S3Location) -> None:
        for tries_left in reversed(range(PORT_TRIES)):
            port = self.options.port or _port(data)
            settings = build_settings(self.options, data, catalog, port, location)
            try:
                await self._start_service(settings, data, catalog)
                return
            except ConfigurationError as error:
                lost_race = not self.options.port and "cannot listen" in error.message
                if not (lost_race and tries_left):
                    raise

    async def _start_service(self, settings: Settings, data: DataDir, catalog: Catalog) -> None:
        weights = self._weights(settings, data, catalog)
        await asyncio.to_thread(weights.check)
        predictors = self._local_predictors(settings, data, catalog, weights)
        steps = _steps(settings, data, self.options.idle_seconds)
        service = Service(settings, AllEndpoints(predictors, *steps), data.logs)
        await drop_abandoned(service.container)
        starting = asyncio.ensure_future(service.start())
        try:
            await finish(starting)
        except asyncio.CancelledError:
            if starting.done() and not starting.cancelled() and starting.exception() is None:
                self.service = service  # it serves by now, so it has to be stopped
            raise
        except ReelzeroError:
            await service.container.database.close()
            raise
        self.service, self.predictors = service, predictors
        if self._template:
            self._template.begin()
        self._watch(weights.run())
        self._watch(_learn(service.container.prompts, weights))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self._watching.append(asyncio.create_task(work))

    def _weights(self, settings: Settings, data: DataDir, catalog: Catalog) -> WeightsWatch:
        models = dict.fromkeys(endpoint.model for endpoint in settings.endpoints)
        places = Places(self.options.models_dir, data.path, read(WeightsSettings))
        return WeightsWatch([catalog.get(model) for model in models], places)

    def _local_predictors(
        self, settings: Settings, data: DataDir, catalog: Catalog, weights: WeightsWatch
    ) -> LocalPredictors:
        environment = inherited()
        environment |= signing_environment(data, environment) | {
            PREFIX + "S3_BUCKET": settings.s3_bucket,
            PREFIX + "S3_ENDPOINT": settings.s3_endpoint or "",
            PREFIX + "S3_REGION": settings.s3_region,
            PREFIX + "PREDICTOR_TOKEN": settings.predictor_token or "",
        }
        if self.options.warm_template:
            families = [catalog.get(endpoint.model).family for endpoint in settings.endpoints]
            self._template = template(data.path, environment, families)
        launcher = Launcher(data.path, environment, self.options.models_dir, template=self._template)
        routes = [(endpoint.model, endpoint.lane) for endpoint in settings.endpoints]
        idle = self.options.idle_seconds
        return LocalPredictors(launcher, catalog, routes, find_devices(), idle, weights.obstacle)


def _steps(settings: Settings, data: DataDir, idle_seconds: float) -> tuple[Endpoints, Endpoints]:
    """Return the runner of this machine's steps, and the operator's at addresses."""
    types = load_step_types(settings.steps_dir)
    here = [each for each in settings.step_endpoints if not each.url]
    runnable = commands(each for each in types.values() if any(each.name in one.types for one in here))
    places = sum(each.capacity for each in here)
    environment = inherited()
    environment |= signing_environment(data, environment)
    launcher = StepLauncher(data.path, environment, settings.predictor_token or "", runnable, places)
    own = LocalSteps(launcher, here, builtin(types.values()), idle_seconds)
    return own, StepEndpoints(each for each in settings.step_endpoints if each.url)


async def _learn(prompts: Prompts, weights: WeightsWatch) -> None:
    """Keep what the prompts are checked with in line with the weights on the disk, until cancelled."""
    while True:
        await asyncio.to_thread(prompts.learn, weights.complete)
        await asyncio.sleep(CHECK_SECONDS)


async def drop_abandoned(container: Container) -> None:
    """Cancel jobs of an earlier `reelzero run` that was killed: their caller is gone."""
    after, more = None, True
    while more:
        jobs, more = await container.job_store.page(
            LOCAL_OWNER, limit=100, after=after, statuses=(Status.queued, Status.in_progress)
        )
        for job in jobs:
            if job.metadata.items() >= WAITED_FOR.items():
                await container.jobs.cancel(job.id)
        after = jobs[-1].id if jobs else None


def log_to(path: Path) -> None:
    """Write this process's log to a file instead of the terminal."""
    telemetry.configure_logs(os.environ.get(PREFIX + "LOG_LEVEL", "INFO"))
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(telemetry.JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.captureWarnings(capture=True)
    telemetry.begin("reelzero-eventing")


def _adopt(credentials: dict[str, str]) -> None:
    """Set the local server's keys as AWS credentials of this process and its children."""
    for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)  # they belong to another account and do not fit these keys
    os.environ.update(credentials)


async def _reach(location: S3Location) -> None:
    try:
        await asyncio.to_thread(Bucket(location).ensure)
    except StorageError as error:
        raise StorageError(
            f"the bucket {location.bucket} at {location.endpoint} cannot be used: {error.message}; check "
            "REELZERO_S3_ENDPOINT, REELZERO_S3_BUCKET and the AWS credentials"
        ) from error


def _port(data: DataDir) -> int:
    last = data.last_port()
    return last if last and is_free(last) else free_port()


def _folder(name: str) -> Path | None:
    value = os.environ.get(PREFIX + name)
    return Path(value) if value else None
