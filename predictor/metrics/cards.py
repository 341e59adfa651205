"""Read memory and utilisation of the GPUs of this process by NVML, where there is a card.

NVML sees every card of the container. CUDA_VISIBLE_DEVICES, if it is set, says which of them are ours. A card
that does not answer, such as a part of a partitioned one that has no utilisation, is left out.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from prometheus_client.core import Metric

from eventing.contract.metrics.declare import Family, Reading, Sample, Service, family

OURS, EACH = Service.predictor, Reading.each
USED = family(OURS, EACH, "reelzero_gpu_memory_used_bytes", "Memory of a GPU in use, by any process.", "gpu")
SIZE = family(OURS, EACH, "reelzero_gpu_memory_size_bytes", "Memory of a GPU.", "gpu")
UTILIZATION = family(
    OURS, EACH, "reelzero_gpu_utilization_ratio", "Share of the last moment in which a GPU worked.", "gpu"
)
log = logging.getLogger(__name__)


def open_nvml() -> Any:
    """Return the module `pynvml`, ready for use; None without it or without a driver."""
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
    except Exception as error:  # the package is missing, the driver is, or they do not fit
        log.info("no metrics of GPUs: %s", error)
        return None
    return nvml


class Cards:
    """A collector. `nvml` is the module, or what answers like it; None yields nothing."""

    def __init__(self, nvml: Any, environment: Mapping[str, str] = os.environ) -> None:
        self._nvml = nvml
        self._visible = environment.get("CUDA_VISIBLE_DEVICES")

    def collect(self) -> Iterator[Metric]:
        """Yield what the cards say now."""
        samples: dict[Family, list[Sample]] = {USED: [], SIZE: [], UTILIZATION: []}
        for name, handle in self._handles():
            for kind, value in self._values(handle):
                samples[kind].append(((name,), value))
        for kind, values in samples.items():
            if values:
                yield kind.of(values)

    def _handles(self) -> list[tuple[str, Any]]:
        """Return the index and handle of each card that this process uses."""
        if self._nvml is None:
            return []
        try:
            count = self._nvml.nvmlDeviceGetCount()
            cards = [(str(index), self._nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
            return [card for card in cards if self._is_ours(*card)]
        except self._nvml.NVMLError as error:
            log.warning("the GPUs cannot be measured: %s", error)
            return []

    def _is_ours(self, index: str, handle: Any) -> bool:
        if self._visible is None:
            return True
        names = [name.strip() for name in self._visible.split(",") if name.strip()]
        uuid = self._nvml.nvmlDeviceGetUUID(handle)
        return any(name == index or (name.startswith("GPU-") and uuid.startswith(name)) for name in names)

    def _values(self, handle: Any) -> Iterator[tuple[Family, float]]:
        nvml = self._nvml
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            yield USED, float(memory.used)
            yield SIZE, float(memory.total)
            yield UTILIZATION, nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        except nvml.NVMLError as error:
            log.debug("a GPU does not say everything: %s", error)
