"""Start the predictor: settings, worker, KServe's server with this package's routes, and the drain."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import kserve.model_server
from fastapi import FastAPI
from kserve.model_server import ModelServer

from eventing.contract import telemetry
from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.errors import ReelzeroError
from eventing.contract.http.bounded_http import BoundedHttp
from eventing.contract.http.http_methods import HeadAndOptions
from eventing.contract.http.measured import Measured, RouteNote
from predictor.device.worker import State, Worker
from predictor.generation.monitor import ignore
from predictor.models.loading import open_model
from predictor.serving import errors, metrics, routes, subscriber, token
from predictor.serving.absent import AbsentRoutes, NoRepository
from predictor.serving.connection import ConnectionMiddleware
from predictor.serving.dataplane import OneModel, PredictorDataPlane
from predictor.serving.model import VideoModel
from predictor.settings import PredictorSettings

MESSAGE_BYTES = 256 << 20  # an inline video in one gRPC message; KServe's default is 8 MiB
log = logging.getLogger(__name__)


def main(on_stage: Callable[[str], None] = ignore) -> None:
    """Serve until SIGTERM, then finish the running job. `on_stage` is for tests."""
    arguments = parse_arguments()
    try:
        settings = read(PredictorSettings)
        entry = load_catalog(settings.catalog_dir).get(settings.model)
    except ReelzeroError as error:
        raise SystemExit(f"reelzero predictor: {error.message}") from error
    telemetry.configure("reelzero-predictor", settings.log_level)
    logging.captureWarnings(True)  # so that every line on stderr is JSON
    quiet_kserve()
    worker = Worker(entry, settings, open_model, on_stage, on_rank_lost=terminate)
    model = VideoModel(worker, settings.heartbeat_seconds)
    if arguments.enable_grpc:
        require_free_port(arguments.grpc_port)
    server = Server(arguments, model, settings)
    worker.begin()
    server.start([])
    worker.close()
    telemetry.close()
    is_lost = worker.state is State.lost
    if worker.occupied or is_lost:
        # The device thread is inside torch, where an orderly interpreter exit would crash it.
        logging.shutdown()
        os._exit(1 if is_lost else 0)


def terminate(_cause: str) -> None:
    """Begin the drain of this process, as SIGTERM does. Any thread may call it."""
    os.kill(os.getpid(), signal.SIGTERM)


def parse_arguments() -> argparse.Namespace:
    """Read KServe's command line, with room for an inline video in a gRPC message."""
    parser = argparse.ArgumentParser(
        prog="python -m predictor",
        description="Serve one text-to-video model. Everything else is set by REELZERO_… variables.",
        parents=[kserve.model_server.parser],
    )
    parser.set_defaults(
        grpc_max_send_message_length=MESSAGE_BYTES, grpc_max_receive_message_length=MESSAGE_BYTES
    )
    arguments = parser.parse_args()
    kserve.model_server.args = arguments  # its gRPC server reads the limits from there only
    return arguments


def require_free_port(port: int) -> None:
    """Exit with the reason if the gRPC port is taken.

    KServe would go on with HTTP alone. gRPC itself shares a port that another gRPC server has (SO_REUSEPORT).
    """
    address = ("", port)
    try:
        if socket.has_dualstack_ipv6():
            socket.create_server(address, family=socket.AF_INET6, dualstack_ipv6=True).close()
        else:
            socket.create_server(address).close()
    except OSError as error:
        raise SystemExit(
            f"reelzero predictor: gRPC port {port} cannot be used: {error.strerror}; "
            "choose another with --grpc_port"
        ) from error


def quiet_kserve() -> None:
    """Log KServe's warnings only: it writes two lines for every request, probes included."""
    for name in ("kserve", "kserve.trace", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Server(ModelServer):  # type: ignore[misc] # kserve ships no types
    """KServe's server for one model that loads in the background."""

    def __init__(self, arguments: argparse.Namespace, model: VideoModel, settings: PredictorSettings) -> None:
        super().__init__(
            http_port=arguments.http_port,
            grpc_port=arguments.grpc_port,
            enable_grpc=arguments.enable_grpc,
            registered_models=OneModel(model),
            grace_period=model.worker.entry.budget.drain_grace,
        )
        self._host = settings.predictor_host
        self.model_repository_extension = NoRepository(self.registered_models)
        self.dataplane = PredictorDataPlane(self.registered_models, model)
        prepare(kserve.model_server.app, model, settings.predictor_token)
        metrics.install(model.worker, settings)

    async def _serve(self) -> None:
        config = self._rest_server.config
        config.host = self._host  # KServe has no option for it and listens on all addresses
        config.http = BoundedHttp
        await super()._serve()


def prepare(app: FastAPI, model: VideoModel, predictor_token: str | None) -> None:
    """Add this package's routes and middleware to KServe's application before it starts.

    The middleware that is added last is the outermost.
    """
    routes.install(app, model)
    errors.install(app)
    subscriber.install(app, model)
    app.add_middleware(RouteNote)
    app.add_middleware(HeadAndOptions)
    app.add_middleware(AbsentRoutes)
    token.install(app, predictor_token)
    app.add_middleware(ConnectionMiddleware)
    app.add_middleware(Measured)
    app.router.lifespan_context = lifespan(model.worker)
    telemetry.trace_requests(app)


def lifespan(worker: Worker) -> Callable[[Any], Any]:
    """Refuse new work from SIGTERM on: gRPC would still take it while HTTP drains."""

    @asynccontextmanager
    async def run(_app: Any) -> AsyncIterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            _before(number, worker.drain)
        yield

    return run


def _before(number: signal.Signals, action: Callable[[], None]) -> None:
    """Run an action before the handler that a signal already has (uvicorn's, which starts the drain)."""
    then = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> None:
        action()
        if callable(then):
            then(received, frame)

    signal.signal(number, handle)
