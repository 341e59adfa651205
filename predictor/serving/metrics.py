"""Register what a scrape of this process reads: its state, its devices, its volumes and its certificate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from eventing import __version__
from eventing.contract.metrics.declare import Reading, Service, family
from eventing.contract.metrics.machine import Machine, content
from predictor.device.worker import State, Worker
from predictor.metrics.cards import Cards, open_nvml
from predictor.metrics.jobs import begin_at_zero
from predictor.settings import PredictorSettings

OURS, EACH = Service.predictor, Reading.each
STATE = family(
    OURS, EACH, "reelzero_predictor_state", "1 for the state that the predictor is in.", "model", "state"
)
DEVICES = family(OURS, EACH, "reelzero_gpus", "Devices that this process holds; a CPU counts as 1.", "model")
SECONDS = family(
    OURS, Reading.total, "reelzero_gpu_seconds_total", "Device-seconds since the start; their sum is paid.",
    "model", "state", kind="counter",
)  # fmt: skip


class PredictorCollector:
    """A collector for the registry."""

    def __init__(self, worker: Worker, settings: PredictorSettings) -> None:
        self._worker = worker
        self._on_cpu = settings.device == "cpu"
        folders = {"scratch": settings.scratch_dir}
        if settings.model_dir:
            folders["weights"] = settings.model_dir
        self._machine = Machine(
            "predictor", __version__, folders, {"mark": content(settings.mark_certificate)}
        )

    @cached_property
    def _cards(self) -> Cards:
        """Open NVML with the first scrape, since it takes time that a cold start must not pay."""
        return Cards(None if self._on_cpu else open_nvml())

    def describe(self) -> list[Metric]:
        """Return nothing, so that the registry does not read all of it at the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        name, time = self._worker.entry.name, self._worker.device_time
        state = self._worker.look()
        yield STATE.of(((name, each.value), float(each is state)) for each in State)
        yield DEVICES.of([((name,), time.devices)])
        yield SECONDS.of(((name, use.value), seconds) for use, seconds in time.seconds().items())
        yield from self._machine.collect()
        yield from self._cards.collect()


def install(worker: Worker, settings: PredictorSettings) -> None:
    """Register the collector of this process."""
    begin_at_zero(worker.entry.name)
    REGISTRY.register(PredictorCollector(worker, settings))
